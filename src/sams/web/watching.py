"""Looking at what the service sees: one question a second for each address or member, however many look.

A member opens the doctor in two windows, a class of forty sits behind one address: what was told a moment ago is told
again. So is a failure, for a service that has too much to do must not be asked the more for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sams.control.messages import Stories
from sams.web.link import Link

LOOK_BACK = 3_600.0
"""Seconds: what is older is not shown."""
FRESH = 0.9
"""Seconds for which an answer is good."""
MOST_WATCHERS = 500
MOST_OF_NETWORK = 20
_MOST_ANSWERS = 2_000


class TooManyWatchers(Exception):
    """Too many look already: from this network, or at all."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose connections are looked at: those of an address, and, by a ticket, those of a member."""

    address: str
    ticket: str = ""


@dataclass(slots=True)
class _Kept:
    at: float
    answer: asyncio.Future[Stories]


class Watching:
    """Asks the service for who looks.

    now: UNIX seconds. monotonic: seconds.
    """

    def __init__(self, link: Link, now: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._link = link
        self._now = now
        self._monotonic = monotonic
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._watchers: Counter[str] = Counter()

    @contextmanager
    def place(self, network: str) -> Iterator[None]:
        """A place for one who watches for long.

        Raises:
            TooManyWatchers: there is none.
        """
        if self._watchers.total() >= MOST_WATCHERS or self._watchers[network] >= MOST_OF_NETWORK:
            raise TooManyWatchers
        self._watchers[network] += 1
        try:
            yield
        finally:
            self._watchers[network] -= 1
            self._watchers += Counter()  # those that are at nought go

    async def of_address(self, address: str) -> Stories:
        """Connections from an address in the last hour, for strangers.

        Raises:
            ServiceUnreachable: the service does not answer.
        """
        return await self._asked(("address", address), self._link.stories_of_address)

    async def of_member(self, ticket: str) -> Stories:
        """Connections and messages of a ticket's member in the last hour.

        Raises:
            ServiceUnreachable: the service does not answer.
        """
        return await self._asked(("ticket", ticket), self._link.stories_of_member)

    def forget(self, ticket: str) -> None:
        """It was given back."""
        self._kept.pop(("ticket", ticket), None)

    async def _asked(self, key: tuple[str, str], ask: Callable[[str, float], Awaitable[Stories]]) -> Stories:
        kept = self._kept.get(key)
        if kept is None or (kept.answer.done() and self._monotonic() - kept.at > FRESH):
            self._make_room()
            question = asyncio.ensure_future(ask(key[1], self._now() - LOOK_BACK))
            kept = self._kept[key] = _Kept(self._monotonic(), question)
            question.add_done_callback(lambda done: self._note(kept, done))
        return await asyncio.shield(kept.answer)

    def _note(self, kept: _Kept, done: asyncio.Future[Stories]) -> None:
        """Fresh from its end on; a failure that nobody waits for any more is none of the loop's concern."""
        kept.at = self._monotonic()
        if not done.cancelled():
            done.exception()

    def _make_room(self) -> None:
        """Answers that are old go, the oldest first where there are too many."""
        now = self._monotonic()
        for key in [key for key, kept in self._kept.items() if kept.answer.done() and now - kept.at > FRESH]:
            del self._kept[key]
        while len(self._kept) >= _MOST_ANSWERS:
            del self._kept[next(iter(self._kept))]
