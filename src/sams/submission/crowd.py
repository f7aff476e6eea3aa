"""Who is connected and has not signed in: known by network, so that a full worker can let somebody go.

When every connection of a worker is taken, somebody who has not signed in gives way to who comes, the oldest of
the network that holds the most (docs/security.md, limits). A flood then takes its own places away, and a member who
comes from elsewhere gets in. Who has signed in is never asked to go.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from sams.identity.origin import network_of

_T = TypeVar("_T")


class Crowd(Generic[_T]):
    """Members of it are kept by network, in the order in which they came."""

    __slots__ = ("_networks",)

    def __init__(self) -> None:
        self._networks: dict[bytes, dict[_T, None]] = {}

    def enter(self, one: _T, address: str) -> None:
        """It came from this address."""
        self._networks.setdefault(network_of(address), {})[one] = None

    def leave(self, one: _T, address: str) -> None:
        """It signed in or went; it may have left already."""
        key = network_of(address)
        network = self._networks.get(key)
        if network is not None:
            network.pop(one, None)
            if not network:
                del self._networks[key]

    def first_to_go(self) -> _T | None:
        """The oldest of the busiest network; None where nobody is there."""
        busiest = max(self._networks.values(), key=len, default=None)
        return next(iter(busiest)) if busiest else None
