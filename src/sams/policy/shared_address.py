"""Whether all members seem to be at one place: behind a load balancer or a NAT that hides who they are.

Then guard, caps and journal are blind: one who guesses passwords looks like everybody. It is looked at in windows of
some sign-ins. Where all of one came from a few private addresses, and from each of them many logins, something
stands between the members and us that does not say who they are. A service with other clients, or only a few members,
never looks so.
"""

from __future__ import annotations

import ipaddress

SIGN_INS = 100
"""Of one window."""
LOGINS = 20
"""Different ones of an address, from which on it is not a member's own."""
FEW = 4
"""Addresses: as many as there may be load balancers."""


class SharedAddresses:
    """Watches one worker's sign-ins.

    found: what the last full window showed, the private addresses that all members shared; mostly none.
    """

    __slots__ = ("_left", "_logins", "found")

    def __init__(self) -> None:
        self.found: tuple[str, ...] = ()
        self._left = SIGN_INS
        self._logins: dict[str, set[str]] = {}

    def note(self, address: str, login: str) -> None:
        """Somebody signed in."""
        logins = self._logins.get(address)
        if logins is not None:
            if len(logins) < LOGINS:
                logins.add(login)
        elif len(self._logins) <= FEW:
            self._logins[address] = {login}
        self._left -= 1
        if not self._left:
            self._conclude()

    def _conclude(self) -> None:
        are_shared = len(self._logins) <= FEW and all(map(_is_shared, self._logins.items()))
        self.found = tuple(sorted(self._logins)) if are_shared else ()
        self._left = SIGN_INS
        self._logins = {}


def _is_shared(use: tuple[str, set[str]]) -> bool:
    address, logins = use
    return len(logins) >= LOGINS and _is_private(address)


def _is_private(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_global
    except ValueError:
        return False
