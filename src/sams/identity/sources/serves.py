"""Which logins a source is asked about: those of its domains that match its patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

from sams.core.address import domain_key
from sams.identity.logins import Login


class Serves:
    """Tells it for one source.

    domains: of which the login must have one; empty: any. patterns: of `user`, with `*`; those with `!` before them
    exclude; without one that includes, all others match.
    """

    __slots__ = ("_domains", "_excluded", "_included")

    def __init__(self, domains: Iterable[str] = (), patterns: Iterable[str] = ()) -> None:
        listed = [pattern.lower() for pattern in patterns]
        self._domains = frozenset(domain_key(domain) for domain in domains)
        self._included = _any_of([one for one in listed if not one.startswith("!")])
        self._excluded = _any_of([one[1:] for one in listed if one.startswith("!")])

    def __call__(self, login: Login) -> bool:
        """Whether the source is asked about this login."""
        if self._domains and login.domain not in self._domains:
            return False
        if self._excluded is not None and self._excluded.match(login.user):
            return False
        return self._included is None or self._included.match(login.user) is not None


def _any_of(patterns: list[str]) -> re.Pattern[str] | None:
    """Only `*` has a meaning: names of members have brackets and question marks of their own."""
    if not patterns:
        return None
    literal = [re.sub(r"([\[?])", r"[\1]", one) for one in patterns]
    return re.compile("|".join(f"(?:{translate(one)})" for one in literal))
