"""Who waits, by where they come from: one origin's many never keep another's one from its turn.

Networks take turns, in each its origins do, and within an origin it is first come, first served (fair queueing, as
RFC 970 has it for packets). Where there is no room, the newest of who holds the most gives way to one who holds
less, so that what a crowd cannot do is to fill the queue.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from sams.identity.origin import network_key

_T = TypeVar("_T")
_Line = OrderedDict[_T, None]


class _Network(Generic[_T]):
    """The lines of one network's origins, in the order of their turns, and how many stand in them."""

    __slots__ = ("held", "lines")

    def __init__(self) -> None:
        self.held = 0
        self.lines: OrderedDict[bytes, _Line[_T]] = OrderedDict()

    def held_by(self, origin: bytes) -> int:
        """How many of this origin wait."""
        return len(self.lines.get(origin, ()))


class FairQueue(Generic[_T]):
    """Hashable items, each of an origin (`origin_key`)."""

    __slots__ = ("_by_age", "_networks")

    def __init__(self) -> None:
        self._networks: OrderedDict[bytes, _Network[_T]] = OrderedDict()
        self._by_age: OrderedDict[_T, bytes] = OrderedDict()

    def put(self, item: _T, origin: bytes) -> None:
        """It waits from now on."""
        network = self._networks.setdefault(network_key(origin), _Network())
        network.lines.setdefault(origin, OrderedDict())[item] = None
        network.held += 1
        self._by_age[item] = origin

    def pop(self) -> _T | None:
        """Whose turn it is, and who waits no longer; None: nobody waits."""
        if not self._networks:
            return None
        key, network = next(iter(self._networks.items()))
        origin, line = next(iter(network.lines.items()))
        item = next(iter(line))
        network.lines.move_to_end(origin)
        self._networks.move_to_end(key)
        self.remove(item, origin)
        return item

    def pop_oldest(self) -> _T | None:
        """Who has waited longest, and waits no longer; it costs its network no turn. None: nobody waits."""
        for item, origin in self._by_age.items():
            self.remove(item, origin)
            return item
        return None

    def remove(self, item: _T, origin: bytes) -> bool:
        """It waits no longer. Whether it did."""
        key = network_key(origin)
        network = self._networks.get(key)
        if network is None or item not in network.lines.get(origin, ()):
            return False
        del network.lines[origin][item], self._by_age[item]
        network.held -= 1
        if not network.lines[origin]:
            del network.lines[origin]
        if not network.held:
            del self._networks[key]
        return True

    def give_way(self, origin: bytes) -> _T | None:
        """Take out the newest of who holds the most, for another one of this origin; None: it holds as much."""
        own = self._networks.get(network_key(origin)) or _Network()
        largest = max(self._networks.values(), key=lambda network: network.held, default=own)
        if largest.held < own.held + 2:
            largest = own
        longest = max(largest.lines, key=largest.held_by, default=origin)
        if largest is own and own.held_by(longest) < own.held_by(origin) + 2:
            return None
        return self._newest(largest, longest)

    def give_way_to_others(self) -> _T | None:
        """Take out the newest of who holds the most, for one that does not wait here; None: nobody does."""
        if not self._networks:
            return None
        largest = max(self._networks.values(), key=lambda network: network.held)
        return self._newest(largest, max(largest.lines, key=largest.held_by))

    def _newest(self, network: _Network[_T], origin: bytes) -> _T:
        newest = next(reversed(network.lines[origin]))
        self.remove(newest, origin)
        return newest
