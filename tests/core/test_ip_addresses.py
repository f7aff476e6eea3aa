"""IP addresses in the one form in which they are compared and counted."""

from __future__ import annotations

import pytest

from sams.core.ip_addresses import counted_network, parse_ip


@pytest.mark.parametrize(
    ("text", "address", "network"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("2001:DB8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("", "None", ""),
        ("no address", "None", "no address"),
    ],
)
def test_an_address_has_one_form_and_counts_with_its_network(text: str, address: str, network: str) -> None:
    assert str(parse_ip(text)) == address
    assert counted_network(text) == network
