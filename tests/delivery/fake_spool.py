"""A spool in memory whose commits take their time and can be made to fail."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec.structs import replace

from sams.core.address import domain_key
from sams.core.clock import Clock
from sams.core.ids import IdMaker
from sams.spool.interface import (
    BodyWriter,
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
    Settlement,
    StoredBody,
    Use,
    Work,
)

T = TypeVar("T")


@dataclass
class MemoryBody:
    octets: bytes

    @property
    def size(self) -> int:
        return len(self.octets)

    def in_memory(self) -> bytes | None:
        return self.octets

    async def chunks(self, size: int = 65_536) -> AsyncIterator[bytes]:
        for chunk in self.blocking_chunks(size):
            yield chunk

    def blocking_chunks(self, size: int = 65_536) -> Iterator[bytes]:
        for start in range(0, len(self.octets), size):
            yield self.octets[start : start + size]


@dataclass
class MemoryWriter:
    octets: bytearray = field(default_factory=bytearray)
    is_congested: bool = False

    @property
    def size(self) -> int:
        return len(self.octets)

    def write(self, chunk: bytes) -> None:
        self.octets += chunk

    def drained(self) -> asyncio.Future[None]:
        return _done(None)

    def finish(self) -> StoredBody | asyncio.Future[StoredBody]:
        return MemoryBody(bytes(self.octets))

    def discard(self) -> None:
        self.octets.clear()


class FakeSpool:
    """Rows are kept as values; `claims`, `loads` and `searches` count what was asked of it."""

    def __init__(self, clock: Clock, shard: int = 1) -> None:
        self.shard = shard
        self.clock = clock
        self.commit_seconds = 0.001
        self.settle_failures: deque[Exception] = deque()
        self.read_failures: deque[Exception] = deque()
        self.messages: dict[str, QueuedMessage] = {}
        self.recipients: dict[str, dict[int, QueuedRecipient]] = {}
        self.contents: dict[str, Content] = {}
        self.settlements: list[Settlement] = []
        self.claims = self.loads = self.searches = 0
        self._ids = IdMaker(clock, shard)
        self._commits: list[asyncio.TimerHandle] = []

    def crash(self) -> None:
        """Lose every commit that is under way."""
        for handle in self._commits:
            handle.cancel()
        self._commits.clear()

    def next_id(self) -> str:
        return self._ids.next()

    def new_body(self, message_id: str) -> BodyWriter:
        return MemoryWriter()

    def accept(self, message: NewMessage) -> asyncio.Future[tuple[Work, ...]]:
        return self._commit(lambda: self._store(message))

    def settle(self, settlement: Settlement, stored: OnStored, refused: OnRefused) -> None:
        if self.settle_failures:
            refused(self.settle_failures.popleft())
            return
        handle = asyncio.get_running_loop().call_later(
            self.commit_seconds, lambda: stored(self._settle(settlement))
        )
        self._commits.append(handle)

    def claim(
        self, route: str, now: float, after: Cursor | None, limit: int
    ) -> tuple[Sequence[Work], Cursor | None]:
        self.claims += 1
        if self.read_failures:
            raise self.read_failures.popleft()
        start = (after.due, after.message_id) if after else (float("-inf"), "")
        rows = sorted(
            (one.due, key, number)
            for key, all_of in self.recipients.items()
            if not self.messages[key].held
            for number, one in all_of.items()
            if one.route == route and one.due <= now and (one.due, key) > start
        )
        chosen: dict[str, list[int]] = {}
        last = start
        for due, key, number in rows:
            if key not in chosen and len(chosen) >= limit:
                return self._works(route, chosen), Cursor(*last)
            chosen.setdefault(key, []).append(number)
            last = (due, key)
        return self._works(route, chosen), None

    def next_due(self, route: str, after: float) -> float | None:
        dues = [
            one.due
            for key, all_of in self.recipients.items()
            if not self.messages[key].held
            for one in all_of.values()
            if one.route == route and one.due > after
        ]
        return min(dues, default=None)

    def load(self, message_id: str) -> Content:
        self.loads += 1
        return self.contents[message_id]

    def reroute(self, route_of: Iterable[tuple[str, str]]) -> None:
        moves = dict(route_of)
        for all_of in self.recipients.values():
            for number, one in all_of.items():
                key = domain_key(one.recipient.mailbox.domain)
                all_of[number] = replace(one, route=moves.get(key, one.route))

    def waiting_domains(self) -> Sequence[tuple[str, str]]:
        return sorted(
            {
                (domain_key(one.recipient.mailbox.domain), one.route)
                for all_of in self.recipients.values()
                for one in all_of.values()
            }
        )

    def search(self, search: Search, after: str | None, limit: int) -> asyncio.Future[Sequence[Entry]]:
        self.searches += 1
        found = [
            Entry(message, tuple(self.recipients[key].values()))
            for key, message in sorted(self.messages.items())
            if key > (after or "") and self._matches(search, message)
        ]
        return self._later(found[:limit])

    def hold(self, search: Search) -> asyncio.Future[int]:
        return self._commit(lambda: self._set_held(search, held=True))

    def release(self, search: Search) -> asyncio.Future[int]:
        return self._commit(lambda: self._set_held(search, held=False))

    def retry(self, search: Search, now: float) -> asyncio.Future[int]:
        return self._commit(lambda: self._retry(search, now))

    def delete(self, search: Search) -> asyncio.Future[int]:
        return self._commit(lambda: self._delete(search))

    def damaged(self, after: str | None, limit: int) -> asyncio.Future[Sequence[DamagedMessage]]:
        return _done(())

    def put_back(self, message_id: str) -> asyncio.Future[int]:
        return _done(0)

    def discard(self, message_id: str) -> asyncio.Future[int]:
        return _done(0)

    def depth(self, now: float) -> Sequence[RouteDepth]:
        return ()

    def usage(self, since_hour: int) -> Iterable[Use]:
        return ()

    def backup(self, target: str) -> asyncio.Future[None]:
        return _done(None)

    def close(self) -> asyncio.Future[None]:
        return _done(None)

    def _store(self, new: NewMessage) -> tuple[Work, ...]:
        message = QueuedMessage(
            id=new.id,
            login=new.login,
            session=new.session,
            reverse_path=new.reverse_path,
            arrived=new.arrived,
            size=len(new.head) + new.body.size,
            facts=new.facts,
            declared=new.declared,
            smtputf8=new.smtputf8,
            ret=new.ret,
            envid=new.envid,
        )
        self.messages[new.id] = message
        self.contents[new.id] = Content(new.head, new.body)
        self.recipients[new.id] = {
            number: QueuedRecipient(number, one.recipient, one.route, new.arrived)
            for number, one in enumerate(new.recipients)
        }
        by_route: dict[str, list[QueuedRecipient]] = {}
        for one in self.recipients[new.id].values():
            by_route.setdefault(one.route, []).append(one)
        return tuple(
            Work(message, route, tuple(its), self.contents[new.id]) for route, its in by_route.items()
        )

    def _settle(self, settlement: Settlement) -> tuple[Work, ...]:
        self.settlements.append(settlement)
        waiting = self.recipients.get(settlement.message_id, {})
        for one in settlement.recipients:
            old = waiting.pop(one.number, None)
            if old is not None and one.due is not None:
                waiting[one.number] = replace(
                    old,
                    due=one.due,
                    attempts=old.attempts + one.counts,
                    last=one.outcome,
                    delay_told=old.delay_told or one.delay_told,
                )
        if not waiting:
            self._forget(settlement.message_id)
        return tuple(work for report in settlement.reports for work in self._store(report))

    def _forget(self, key: str) -> None:
        for table in (self.messages, self.recipients, self.contents):
            table.pop(key, None)

    def _works(self, route: str, chosen: dict[str, list[int]]) -> list[Work]:
        return [
            Work(self.messages[key], route, tuple(self.recipients[key][number] for number in numbers))
            for key, numbers in chosen.items()
        ]

    def _matches(self, search: Search, message: QueuedMessage) -> bool:
        routes = {one.route for one in self.recipients[message.id].values()}
        return (
            (search.ids is None or message.id in search.ids)
            and (search.login is None or message.login == search.login)
            and (search.route is None or search.route in routes)
            and (search.held is None or message.held == search.held)
            and (search.arrived_before is None or message.arrived < search.arrived_before)
        )

    def _matching(self, search: Search) -> list[str]:
        return [key for key, message in self.messages.items() if self._matches(search, message)]

    def _set_held(self, search: Search, *, held: bool) -> int:
        found = self._matching(search)
        for key in found:
            self.messages[key] = replace(self.messages[key], held=held)
            if not held:
                self._make_due(key, self.clock.now())
        return len(found)

    def _retry(self, search: Search, now: float) -> int:
        found = self._matching(search)
        for key in found:
            self._make_due(key, now)
        return len(found)

    def _make_due(self, key: str, now: float) -> None:
        its = self.recipients[key]
        for number, one in its.items():
            its[number] = replace(one, due=now)

    def _delete(self, search: Search) -> int:
        found = self._matching(search)
        for key in found:
            self._forget(key)
        return len(found)

    def _commit(self, change: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def commit() -> None:
            if not future.cancelled():
                future.set_result(change())

        self._commits.append(loop.call_later(self.commit_seconds, commit))
        return future

    def _later(self, value: T) -> asyncio.Future[T]:
        return self._commit(lambda: value)


def _done(value: T) -> asyncio.Future[T]:
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future
