"""Who the visitor is where a proxy stands between: what it says is believed where `[web] proxies` names it.

`X-Forwarded-For` grows at its right end, by each proxy on the way: the right-most address that is no proxy's counts,
and all before it is what somebody claims. Nobody is believed where no proxy is named, this machine itself included.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from sams.core.ip_addresses import parse_ip

_MOST = 50
"""Addresses of a field that are looked at, from the right."""
_PROTOCOLS = frozenset({"http", "https"})


class Proxies:
    """The networks that are believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(one) for one in networks)

    def include(self, address: str) -> bool:
        """Whether this address is a proxy's."""
        parsed = parse_ip(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def visitor(self, peer: str, forwarded: Sequence[str]) -> str:
        """The visitor's address, as text, an IPv4 one never mapped.

        peer: who has connected. forwarded: the fields `X-Forwarded-For`, in their order.
        A field that is no list of addresses says nothing from the right-most mistake on: the proxy itself counts.
        """
        found = parse_ip(peer)
        if found is None:
            return peer
        for text in reversed(",".join(forwarded).rsplit(",", _MOST)[-_MOST:]):
            if not any(found in network for network in self._networks):
                break
            told = parse_ip(_without_port(text.strip()))
            if told is None:
                break
            found = told
        return str(found)


class ForwardedVisitor:
    """Puts the visitor's address and protocol where the application looks for them (ASGI).

    stranger: told, once, of a peer that forwards and is not believed.
    """

    def __init__(self, app: ASGIApp, proxies: Proxies, stranger: Callable[[str], None]) -> None:
        self._app = app
        self._proxies = proxies
        self._stranger: Callable[[str], None] | None = stranger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and scope.get("client") is not None:
            scope = {**scope, **self._seen(scope)}
        await self._app(scope, receive, send)

    def _seen(self, scope: Scope) -> dict[str, object]:
        peer, port = scope["client"]
        fields = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        if not self._proxies.include(peer):
            if fields and self._stranger is not None:
                self._stranger(peer)
                self._stranger = None
            address = parse_ip(peer)
            return {"client": (peer if address is None else str(address), port)}
        protocols = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
        protocol = protocols[-1].decode("latin-1").strip().lower() if protocols else ""
        seen: dict[str, object] = {"client": (self._proxies.visitor(peer, fields), 0)}
        return {**seen, "scheme": protocol} if protocol in _PROTOCOLS else seen


def _without_port(text: str) -> str:
    """Some proxies add the port: `192.0.2.7:4711`, `[2001:db8::7]:4711`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
