"""What the tests of the spool share: a clock that stands, messages, and shards that are opened and closed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias

import apsw

from sams.core.address import Mailbox, parse_mailbox
from sams.core.envelope import Body, Notify, OriginalRecipient, Recipient, Ret
from sams.core.outcome import Outcome, Result
from sams.core.reply import reply
from sams.spool.hooks import Hooks
from sams.spool.interface import (
    MessageFacts,
    NewMessage,
    NewRecipient,
    Settled,
    Settlement,
    Spool,
    StoredBody,
    Work,
)
from sams.spool.layout import Layout
from sams.spool.memory import MemorySpool
from sams.spool.opening import open_files
from sams.spool.settings import KIB, Settings
from sams.spool.sqlite import SqliteSpool

P = ParamSpec("P")
Open: TypeAlias = "Callable[[Path, Clock], Spool]"

FIRST = "(SELECT min(id) FROM message)"
SECOND = "(SELECT id FROM message ORDER BY id LIMIT 1 OFFSET 1)"
START = 1_700_000_000.0
HEAD = b"From: Ann <ann@example.ac.uk>\r\nSubject: a message\r\n\r\n"
BODY = b"Some text.\r\n"
SENDER = parse_mailbox("ann@example.ac.uk")
SETTINGS = Settings(min_free=0, ballast=64 * KIB, body_threads=2)
DELIVERED = Outcome(Result.DELIVERED, reply(250, "2.0.0", "taken"), "hub:25", START)
DEFERRED = Outcome(Result.DEFERRED, reply(451, "4.3.0", "not now", "come again"), "hub:25", START)


@dataclass
class Clock:
    """Stands still until it is moved."""

    time: float = START

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@dataclass
class Told:
    """What the hooks were told."""

    batches: list[int] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    orphans: list[int] = field(default_factory=list)
    troubled: list[str] = field(default_factory=list)
    drained: list[tuple[int, str]] = field(default_factory=list)

    def hooks(self) -> Hooks:
        return Hooks(
            lambda members, _: self.batches.append(members),
            lambda shard, detail: self.failed.append((shard, detail)),
            lambda message, reason: self.damaged.append((message, reason)),
            self.orphans.append,
            self.troubled.append,
            lambda shard, folder: self.drained.append((shard, folder)),
        )


def on_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@asynccontextmanager
async def sqlite_spool(
    data_dir: Path,
    clock: Clock | None = None,
    settings: Settings = SETTINGS,
    told: Told | None = None,
    *,
    shard: int = 0,
    vfs: str | None = None,
) -> AsyncIterator[SqliteSpool]:
    """A shard in a folder, closed at the end."""
    opened = open_files(Layout(data_dir, shard), vfs=vfs)
    spool = SqliteSpool(opened, clock or Clock(), settings, (told or Told()).hooks())
    try:
        yield spool
    finally:
        await spool.close()


@asynccontextmanager
async def opened(kind: str, data_dir: Path, clock: Clock) -> AsyncIterator[Spool]:
    """A spool of either kind."""
    if kind == "memory":
        yield MemorySpool(clock)
    else:
        async with sqlite_spool(data_dir, clock) as spool:
            yield spool


async def stored(body: StoredBody | Awaitable[StoredBody]) -> StoredBody:
    """What `finish` gave, when it is there."""
    return await body if isinstance(body, Awaitable) else body


async def written(spool: Spool, message_id: str, octets: bytes) -> StoredBody:
    """A body that arrived."""
    writer = spool.new_body(message_id)
    for start in range(0, len(octets), 64 * KIB):
        writer.write(octets[start : start + 64 * KIB])
        if writer.is_congested:
            await writer.drained()
    return await stored(writer.finish())


async def new_message(
    spool: Spool, *recipients: str, body: bytes = BODY, login: str = "ann", route: str = "hub", **other: Any
) -> NewMessage:
    """A message to some recipients (`local@domain`, or `local@domain>route`)."""
    message_id = spool.next_id()
    values: dict[str, Any] = {"reverse_path": SENDER, "arrived": START} | other
    return NewMessage(
        id=message_id,
        login=login,
        session="S" * 15,
        recipients=tuple(_recipient(text, route) for text in recipients or ("bob@example.org",)),
        head=HEAD,
        body=await written(spool, message_id, body),
        **values,
    )


async def accepted(spool: Spool, *recipients: str, **other: Any) -> str:
    """The id of a message that was accepted."""
    message = await new_message(spool, *recipients, **other)
    await spool.accept(message)
    return message.id


def settle(spool: Spool, settlement: Settlement) -> asyncio.Future[tuple[Work, ...]]:
    """Store what an attempt brought, as something that can be waited for."""
    future: asyncio.Future[tuple[Work, ...]] = asyncio.get_running_loop().create_future()
    spool.settle(settlement, future.set_result, future.set_exception)
    return future


async def read(body: StoredBody) -> bytes:
    """All of a body."""
    return b"".join([chunk async for chunk in body.chunks()])


def gone(*numbers: int) -> tuple[Settled, ...]:
    """Recipients that were delivered."""
    return tuple(Settled(number, DELIVERED) for number in numbers)


def full_message(spool: Spool, body: StoredBody) -> NewMessage:
    """A message in which no field has its default."""
    return NewMessage(
        id=spool.next_id(),
        login="ann",
        session="S" * 15,
        reverse_path=Mailbox("änn", "exämple.org"),
        recipients=(
            NewRecipient(
                Recipient(
                    Mailbox("two words", "[192.0.2.1]"),
                    Notify.SUCCESS | Notify.DELAY,
                    OriginalRecipient("rfc822", "bob@old.example"),
                ),
                "hub",
            ),
            NewRecipient(Recipient(Mailbox("bob", "Example.ORG"), Notify.NEVER), "other"),
        ),
        head=HEAD,
        body=body,
        arrived=START + 0.25,
        facts=MessageFacts(has_8bit_body=True, has_8bit_header=True, is_binary=True, longest_line=998),
        declared=Body.BINARY_MIME,
        smtputf8=True,
        ret=Ret.HEADERS,
        envid="QQ 314159",
    )


def flip(database: apsw.Connection, table: str, column: str, where: str = "true") -> None:
    """Make a text `ann` of which a bit was flipped: it is no UTF-8 any more."""
    database.execute(f"UPDATE {table} SET {column} = CAST(x'e16e6e' AS TEXT) WHERE {where}")  # noqa: S608 - constants
    assert database.changes()


@contextmanager
def closed_database(data_dir: Path, shard: int = 0) -> Iterator[apsw.Connection]:
    """The database of a shard that nobody has open."""
    connection = apsw.Connection(str(Layout(data_dir, shard).database))
    try:
        yield connection
    finally:
        connection.close()


def _recipient(text: str, route: str) -> NewRecipient:
    address, _, own_route = text.partition(">")
    return NewRecipient(Recipient(parse_mailbox(address)), own_route or route)
