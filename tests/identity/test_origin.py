from __future__ import annotations

import ipaddress

import pytest

from sams.identity.origin import covering, network_key, origin_key, shown_place


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_addresses_of_one_origin_count_as_one(one: str, other: str) -> None:
    assert origin_key(one) == origin_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("192.0.2.1", "192.0.2.2"), ("2001:db8:1:2::1", "2001:db8:1:3::1"), ("unix:7", "unix:8"), ("", "x\0")],
)
def test_other_origins_count_apart(one: str, other: str) -> None:
    assert origin_key(one) != origin_key(other)


def test_networks_cover_mapped_addresses_too() -> None:
    covers = covering([ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32")])
    assert all(covers(text) for text in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"))
    assert not any(covers(text) for text in ("198.51.100.1", "2001:db9::1", "no address", "::ffff:1.2.3.4"))
    assert not covering([])("192.0.2.7")


@pytest.mark.parametrize(
    ("address", "origin", "network"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:0:7::9", "2001:db8:0:7::/64", "2001:db8::/48"),
        ("::1", "::/64", "::/48"),
        ("unix", "unix", "unix"),
        ("unix:/run/x", "unix:/run/x", "unix:/run/x"),
    ],
)
def test_an_origin_and_a_network_are_shown_as_people_write_them(
    address: str, origin: str, network: str
) -> None:
    key = origin_key(address)
    assert (shown_place(key), shown_place(network_key(key))) == (origin, network)
