from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from sams.core.ip_addresses import parse_ip
from sams.web.proxies import ForwardedVisitor, Proxies
from tests.spool.rig import on_loop

PROXY, VISITOR = "192.0.2.1", "198.51.100.7"
NETWORKS = ("192.0.2.0/24", "2001:db8:1::/48", "127.0.0.1/32")


@pytest.mark.parametrize(
    ("peer", "fields", "visitor"),
    [
        (PROXY, [VISITOR], VISITOR),
        (PROXY, [f"203.0.113.9, {VISITOR}"], VISITOR),
        (PROXY, ["203.0.113.9", VISITOR], VISITOR),
        (PROXY, [f"203.0.113.9, {VISITOR}, 192.0.2.2"], VISITOR),
        (PROXY, [f"203.0.113.9,{VISITOR},192.0.2.2", "2001:db8:1::5"], VISITOR),
        (PROXY, ["192.0.2.9, 192.0.2.8"], "192.0.2.9"),
        (PROXY, ["::ffff:198.51.100.7"], VISITOR),
        ("::ffff:192.0.2.1", [VISITOR], VISITOR),
        (PROXY, ["198.51.100.7:4711"], VISITOR),
        (PROXY, ["[2001:db8::7]:4711"], "2001:db8::7"),
        (PROXY, ["2001:DB8:0::7"], "2001:db8::7"),
        (PROXY, ["[2001:db8::7]"], "2001:db8::7"),
        (PROXY, [], PROXY),
        (PROXY, [""], PROXY),
        (PROXY, ["unknown"], PROXY),
        (PROXY, [f"{VISITOR}, unknown"], PROXY),
        (PROXY, [f"{VISITOR}, unknown, 192.0.2.2"], "192.0.2.2"),
        (PROXY, ["<script>"], PROXY),
        (PROXY, ["1.2.3.4" * 4_000], PROXY),
        (PROXY, ["192.0.2.3," * 4_000 + "192.0.2.3"], "192.0.2.3"),
        ("::1%lo", [VISITOR], "::1"),
    ],
)
def test_the_right_most_address_that_is_no_proxys_counts(peer: str, fields: list[str], visitor: str) -> None:
    assert Proxies(NETWORKS).visitor(peer, fields) == visitor


@given(st.lists(st.text(max_size=40), max_size=8))
def test_whatever_is_claimed_the_visitor_has_an_address(fields: list[str]) -> None:
    found = Proxies(NETWORKS).visitor(PROXY, fields)
    assert str(ipaddress.ip_address(found)) == found


@given(st.text(max_size=60))
def test_what_is_claimed_before_an_honest_proxy_changes_nothing(claim: str) -> None:
    assert Proxies(NETWORKS).visitor(PROXY, [f"{claim}, {VISITOR}"]) == VISITOR


class Seen:
    """An application that notes what it is told."""

    def __init__(self, networks: tuple[str, ...]) -> None:
        self.scope: Scope = {}
        self.strangers: list[str] = []
        self.visitor = ForwardedVisitor(self._application, Proxies(networks), self.strangers.append)

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope

    async def ask(self, peer: str, *headers: tuple[str, str], scheme: str = "http") -> tuple[str, str]:
        scope: Scope = {
            "type": "http",
            "client": (peer, 4711),
            "scheme": scheme,
            "headers": [(name.encode(), value.encode()) for name, value in headers],
        }
        await self.visitor(scope, _receive, _send)
        return self.scope["client"][0], self.scope["scheme"]


async def _receive() -> Message:
    raise NotImplementedError


async def _send(message: Message) -> None:
    raise NotImplementedError


FORWARDED = (("x-forwarded-for", VISITOR), ("x-forwarded-proto", "https"))


@on_loop
async def test_a_proxy_that_is_named_is_believed() -> None:
    assert await Seen(NETWORKS).ask(PROXY, *FORWARDED) == (VISITOR, "https")


@pytest.mark.parametrize("peer", ["203.0.113.1", "127.0.0.1", "::1", "192.0.2.1"])
@on_loop
async def test_nobody_is_believed_where_no_proxy_is_named(peer: str) -> None:
    assert await Seen(()).ask(peer, *FORWARDED) == (peer, "http")


@on_loop
async def test_a_stranger_who_forwards_is_told_of_once() -> None:
    seen = Seen(NETWORKS)
    for _ in range(3):
        assert await seen.ask("203.0.113.1", *FORWARDED) == ("203.0.113.1", "http")
    assert await seen.ask("203.0.113.2") == ("203.0.113.2", "http")
    assert seen.strangers == ["203.0.113.1"]


@pytest.mark.parametrize("protocol", ["", "gopher", "https, http", "javascript:", "\x00"])
@on_loop
async def test_a_protocol_that_is_none_says_nothing(protocol: str) -> None:
    seen = Seen(NETWORKS)
    headers = (("x-forwarded-for", VISITOR), ("x-forwarded-proto", protocol))
    assert await seen.ask(PROXY, *headers) == (VISITOR, "http")


@on_loop
async def test_an_address_is_never_mapped_nor_has_it_a_zone() -> None:
    assert (await Seen(()).ask("::ffff:203.0.113.1"))[0] == "203.0.113.1"
    assert (await Seen(()).ask("fe80::1%eth0"))[0] == "fe80::1"
    assert parse_ip("no address") is None
