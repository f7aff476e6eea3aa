"""The connection: whose address it is, and what a peer cannot do to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sams.submission.connection import peer_address


class Transport(asyncio.BaseTransport):
    def __init__(self, peername: Any) -> None:
        super().__init__({"peername": peername})


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("192.0.2.7", 40_000), "192.0.2.7"),
        (("::ffff:192.0.2.7", 40_000, 0, 0), "192.0.2.7"),
        (("2001:db8::7", 40_000, 0, 0), "2001:db8::7"),
        (("fe80::1%eth0", 40_000, 0, 2), "fe80::1"),
        (None, ""),
    ],
)
def test_an_ipv4_client_is_an_ipv4_address_everywhere(peername: Any, address: str) -> None:
    assert peer_address(Transport(peername)) == address
