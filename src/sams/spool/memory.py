"""A spool in memory, for tests: the same interface, nothing on disk, and nothing to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from sams.core.address import domain_key
from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.core.ids import IdMaker
from sams.spool.interface import (
    Content,
    Cursor,
    DamagedMessage,
    Entry,
    NewMessage,
    OnRefused,
    OnStored,
    QueuedMessage,
    QueuedRecipient,
    RouteDepth,
    Search,
    Settled,
    Settlement,
    Use,
    Work,
)
from sams.spool.members import HOUR, work_of
from sams.spool.records import queued, queued_recipients
from sams.spool.searches import split_pattern
from sams.spool.stored_body import MemoryBody

_T = TypeVar("_T")


@dataclass(slots=True)
class _Held:
    message: QueuedMessage
    content: Content
    recipients: dict[int, QueuedRecipient]


class MemoryBodyWriter:
    """Takes a body of any size in memory."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Octets taken so far."""
        return self._size

    @property
    def is_congested(self) -> bool:
        """Never."""
        return False

    def write(self, chunk: bytes) -> None:
        """Take a piece."""
        self._pieces.append(chunk)
        self._size += len(chunk)

    def drained(self) -> asyncio.Future[None]:
        """Done."""
        return _done(None)

    def finish(self) -> MemoryBody:
        """The body is complete."""
        return MemoryBody(b"".join(self._pieces))

    def discard(self) -> None:
        """Forget it."""
        self._pieces.clear()


class MemorySpool:
    """See `interface.Spool`. What it holds ends with it."""

    def __init__(self, clock: Clock, shard: int = 0) -> None:
        """An empty spool.

        Args:
            clock: for ids.
            shard: its number.
        """
        self.shard = shard
        self.failure: TemporaryFailure | None = None
        """When set, `new_body`, `accept` and `settle` fail with it."""
        self._clock = clock
        self._ids = IdMaker(clock, shard)
        self._held: dict[str, _Held] = {}
        self._use: dict[tuple[int, str], int] = {}

    def next_id(self) -> str:
        """An id for the next message."""
        return self._ids.next()

    def new_body(self, message_id: str) -> MemoryBodyWriter:  # noqa: ARG002 - the interface names it
        """A writer for the body of a message that arrives."""
        if self.failure is not None:
            raise self.failure
        return MemoryBodyWriter()

    def accept(self, message: NewMessage) -> asyncio.Future[tuple[Work, ...]]:
        """Store a message."""
        if self.failure is not None:
            return _failed(self.failure)
        self._store(message)
        return _done(_work(message))

    def settle(self, settlement: Settlement, stored: OnStored, refused: OnRefused) -> None:
        """Store what an attempt brought."""
        if self.failure is not None:
            refused(self.failure)
            return
        held = self._held.get(settlement.message_id)
        if held is not None:
            for settled in settlement.recipients:
                _apply(held, settled)
            if not held.recipients:
                del self._held[settlement.message_id]
        for report in settlement.reports:
            self._store(report)
        stored(tuple([work for report in settlement.reports for work in _work(report)]))

    def claim(
        self, route: str, now: float, after: Cursor | None, limit: int
    ) -> tuple[Sequence[Work], Cursor | None]:
        """What is due for a route."""
        start = (float("-inf"), "") if after is None else (after.due, after.message_id)
        found: dict[str, list[QueuedRecipient]] = {}
        place = start
        for due, identifier, recipient in self._due(route, now):
            if (due, identifier) <= start:
                continue
            if identifier not in found and len(found) >= limit:
                return self._works(route, found), Cursor(*place)
            found.setdefault(identifier, []).append(recipient)
            place = (due, identifier)
        return self._works(route, found), None

    def next_due(self, route: str, after: float) -> float | None:
        """When the next recipient of a route becomes due."""
        return min((due for due, _, _ in self._due(route, float("inf")) if due > after), default=None)

    def load(self, message_id: str) -> Content:
        """The octets of a message."""
        return self._held[message_id].content

    def reroute(self, route_of: Iterable[tuple[str, str]]) -> None:
        """Give what waits its new routes."""
        routes = dict(route_of)
        for held in self._held.values():
            for number, waiting in held.recipients.items():
                route = routes.get(domain_key(waiting.recipient.mailbox.domain), waiting.route)
                held.recipients[number] = replace(waiting, route=route)

    def waiting_domains(self) -> Sequence[tuple[str, str]]:
        """Each (recipient domain key, route) of which something waits."""
        return list({(domain_key(one.recipient.mailbox.domain), one.route) for _, one in self._recipients()})

    def search(self, search: Search, after: str | None, limit: int) -> asyncio.Future[Sequence[Entry]]:
        """A page of messages."""
        found = [held for held in self._matching(search) if after is None or held.message.id > after]
        return _done([Entry(held.message, tuple(held.recipients.values())) for held in found[:limit]])

    def damaged(self, after: str | None, limit: int) -> asyncio.Future[Sequence[DamagedMessage]]:  # noqa: ARG002 - nothing in memory is ever damaged
        """None."""
        return _done(())

    def put_back(self, message_id: str) -> asyncio.Future[int]:  # noqa: ARG002 - as above
        """None."""
        return _done(0)

    def discard(self, message_id: str) -> asyncio.Future[int]:  # noqa: ARG002 - as above
        """None."""
        return _done(0)

    def hold(self, search: Search) -> asyncio.Future[int]:
        """Stop delivery of what matches."""
        return _done(self._set_held(search, is_held=True))

    def release(self, search: Search) -> asyncio.Future[int]:
        """Let it go on, due at once."""
        matching = self._matching(search)
        self._set_held(search, is_held=False)
        return _done(_make_due(matching, self._clock.now()))

    def retry(self, search: Search, now: float) -> asyncio.Future[int]:
        """Make it due now."""
        return _done(_make_due(self._matching(search), now))

    def delete(self, search: Search) -> asyncio.Future[int]:
        """Remove it for good."""
        matching = self._matching(search)
        for held in matching:
            del self._held[held.message.id]
        return _done(len(matching))

    def depth(self, now: float) -> Sequence[RouteDepth]:
        """How much waits, by route."""
        return [self._depth_of(route, now) for route in sorted({one.route for _, one in self._recipients()})]

    def usage(self, since_hour: int) -> Iterable[Use]:
        """What logins have used."""
        return [Use(login, hour, count) for (hour, login), count in self._use.items() if hour >= since_hour]

    def backup(self, target: str) -> asyncio.Future[None]:  # noqa: ARG002 - the interface names it
        """Nothing is on disk, so nothing is copied."""
        return _done(None)

    def close(self) -> asyncio.Future[None]:
        """Nothing waits."""
        return _done(None)

    def _store(self, message: NewMessage) -> None:
        size = len(message.head) + message.body.size
        recipients = {one.number: one for one in queued_recipients(message)}
        self._held[message.id] = _Held(queued(message, size), Content(message.head, message.body), recipients)
        if message.charge:
            use = (int(message.arrived // HOUR), message.login)
            self._use[use] = self._use.get(use, 0) + len(message.recipients)

    def _recipients(self) -> Iterable[tuple[_Held, QueuedRecipient]]:
        return ((held, one) for held in self._held.values() for one in held.recipients.values())

    def _due(self, route: str, now: float) -> list[tuple[float, str, QueuedRecipient]]:
        waiting = (
            (one.due, held.message.id, one)
            for held, one in self._recipients()
            if one.route == route and not held.message.held and one.due <= now
        )
        return sorted(waiting, key=lambda place: (place[0], place[1], place[2].number))

    def _works(self, route: str, found: dict[str, list[QueuedRecipient]]) -> list[Work]:
        return [Work(self._held[key].message, route, tuple(waiting)) for key, waiting in found.items()]

    def _matching(self, search: Search) -> list[_Held]:
        return [self._held[key] for key in sorted(self._held) if _matches(self._held[key], search)]

    def _set_held(self, search: Search, *, is_held: bool) -> int:
        matching = self._matching(search)
        for held in matching:
            held.message = replace(held.message, held=is_held)
        return len(matching)

    def _depth_of(self, route: str, now: float) -> RouteDepth:
        waiting = [(held.message, one) for held, one in self._recipients() if one.route == route]
        free = [(message, one) for message, one in waiting if not message.held]
        due = sum(one.due <= now for _, one in free)
        oldest = min(free, key=lambda pair: pair[0].id, default=None)
        return RouteDepth(route, len(waiting), due, oldest[0].arrived if oldest else None)


def _work(message: NewMessage) -> tuple[Work, ...]:
    return work_of(message, len(message.head) + message.body.size)


def _apply(held: _Held, settled: Settled) -> None:
    waiting = held.recipients.get(settled.number)
    if waiting is None:
        return
    if settled.due is None:
        del held.recipients[settled.number]
        return
    held.recipients[settled.number] = replace(
        waiting,
        due=settled.due,
        attempts=waiting.attempts + settled.counts,
        last=settled.outcome,
        delay_told=waiting.delay_told or settled.delay_told,
    )


def _make_due(matching: list[_Held], now: float) -> int:
    for held in matching:
        for number, waiting in held.recipients.items():
            held.recipients[number] = replace(waiting, due=min(waiting.due, now))
    return len(matching)


def _matches(held: _Held, search: Search) -> bool:
    message = held.message
    return (
        (search.ids is None or message.id in search.ids)
        and (search.login is None or message.login == search.login)
        and (search.held is None or message.held == search.held)
        and (search.arrived_before is None or message.arrived < search.arrived_before)
        and (search.sender is None or _sender_matches(message, search.sender))
        and (
            (search.recipient is None and search.route is None)
            or any(_recipient_matches(one, search) for one in held.recipients.values())
        )
    )


def _sender_matches(message: QueuedMessage, sender: str) -> bool:
    if sender in {"", "<>"}:
        return message.reverse_path is None
    path = message.reverse_path
    return path is not None and _fits(sender, path.local, domain_key(path.domain))


def _recipient_matches(waiting: QueuedRecipient, search: Search) -> bool:
    mailbox = waiting.recipient.mailbox
    return (search.route is None or waiting.route == search.route) and (
        search.recipient is None or _fits(search.recipient, mailbox.local, domain_key(mailbox.domain))
    )


def _fits(pattern: str, local: str, domain: str) -> bool:
    wanted_local, wanted_domain = split_pattern(pattern)
    return wanted_domain == domain and (wanted_local is None or wanted_local.lower() == local.lower())


def _done(result: _T) -> asyncio.Future[_T]:
    future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
    future.set_result(result)
    return future


def _failed(failure: TemporaryFailure) -> asyncio.Future[tuple[Work, ...]]:
    future: asyncio.Future[tuple[Work, ...]] = asyncio.get_running_loop().create_future()
    future.set_exception(failure)
    return future
