"""Which route a recipient's domain takes: the first one that names it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sams.core.address import AddressError, domain_key, parse_domain
from sams.core.errors import OperatorError

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Route:
    """One `[[route]]` as far as choosing it goes.

    name: unique among the routes, and stable: it is stored with every recipient that waits.
    domains: patterns, each `*` (any domain), `example.org` (itself alone) or `*.example.org` (what is below it).
    """

    name: str
    domains: tuple[str, ...]


class RouteTable:
    """The routes in their order. The first whose patterns match a domain takes it.

    The cost of a choice does not grow with the number of routes: exact names and suffixes are looked up, and
    the lowest position among the hits is the first match.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        """Check the patterns and index them.

        Raises:
            OperatorError: a pattern is none, or two routes have one name. The message says which.
        """
        self._names: list[str] = []
        self._exact: dict[str, int] = {}
        self._below: dict[str, int] = {}
        self._any: int | None = None
        self._chosen: dict[str, str | None] = {}
        for route in routes:
            self._add(route)

    @property
    def names(self) -> tuple[str, ...]:
        """The routes' names, in their order."""
        return tuple(self._names)

    def route_of(self, domain: str) -> str | None:
        """The name of the route for a recipient's domain (any spelling, or an address literal), None: no route.

        Raises:
            AddressError: the domain is no domain name.
        """
        try:
            return self._chosen[domain]
        except KeyError:
            chosen = self._choose(domain_key(domain))
        if len(self._chosen) >= _REMEMBERED:
            self._chosen.clear()
        self._chosen[domain] = chosen
        return chosen

    def stored_route_of(self, domain: str) -> str | None:
        """The same for a domain that was stored: a bit that flipped may have made it none; then None, too."""
        try:
            return self.route_of(domain)
        except AddressError:
            return None

    def moves(self, waiting: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Which waiting domains another route takes now: what `Spool.reroute` is given.

        waiting: what `Spool.waiting_domains` gave. A domain that no route takes any more stays where it is:
        its mail waits, is expired and reported in time, or goes when a route for it comes back.
        """
        moved = []
        for domain, route in waiting:
            chosen = self.stored_route_of(domain)
            if chosen is not None and chosen != route:
                moved.append((domain, chosen))
        return moved

    def _add(self, route: Route) -> None:
        if route.name in self._names:
            raise OperatorError(f"two routes have the name {route.name!r}")
        if not route.domains:
            raise OperatorError(f"route {route.name!r} names no domain; `*` means any")
        place = len(self._names)
        self._names.append(route.name)
        for pattern in route.domains:
            self._index(pattern, place, route.name)

    def _index(self, pattern: str, place: int, name: str) -> None:
        if pattern == "*":
            self._any = place if self._any is None else self._any
        elif pattern.startswith("*."):
            self._below.setdefault(_checked(pattern[2:], pattern, name), place)
        else:
            self._exact.setdefault(_checked(pattern, pattern, name), place)

    def _choose(self, key: str) -> str | None:
        places = [self._any, self._exact.get(key)]
        if not key.startswith("["):
            dot = key.find(".")
            while dot >= 0:
                places.append(self._below.get(key[dot + 1 :]))
                dot = key.find(".", dot + 1)
        hits = [place for place in places if place is not None]
        return self._names[min(hits)] if hits else None


def _checked(domain: str, pattern: str, name: str) -> str:
    try:
        return domain_key(parse_domain(domain))
    except AddressError as error:
        raise OperatorError(
            f"route {name!r}: {pattern!r} is no pattern ({error}); allowed are `*`, `example.org`, `*.example.org`"
        ) from None
