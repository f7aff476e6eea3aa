"""A shard that failed, read to its end: the queue in it goes on in another shard, its contents stay where they are.

What waits (messages and recipients, some 200 octets each) is copied into the new shard in steps, each with the
place it reached, so that a restart goes on there. From then on everything about those messages happens in
the new shard alone: settlements, holds, searches. Only the octets are still read from the failed one. Its
files are never written: the connection is read-only, and no close copies its log.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from sams.spool import changes, connections, damage, schema
from sams.spool.claims import Claims, RawContent
from sams.spool.failures import ILLEGIBLE, StorageFailed
from sams.spool.interface import DamagedEntry
from sams.spool.keys import time_of
from sams.spool.layout import Layout
from sams.spool.lock import ShardLock
from sams.spool.records import (
    CONTENT_COLUMNS,
    COPY_MESSAGE,
    COPY_RECIPIENT,
    MESSAGE_COLUMNS,
    RECIPIENT_COLUMNS,
    USES,
    Row,
    as_octets,
    copy_into,
    legible_uses,
)
from sams.spool.salvage import numbers, salvage
from sams.spool.statements import Files, add_uses, array_of

STEP = 500
FIRST_PLACE = -(2**63)
_PAGE = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - constants
_RECIPIENTS = f"SELECT {RECIPIENT_COLUMNS} FROM recipient WHERE message > ? AND message <= ?"  # noqa: S608 - constants
_FAILED_COLUMNS = "shard, failed, reason, taken_over, complete"
_BEGIN = copy_into("failed_shard", _FAILED_COLUMNS)
ASIDE_ELSEWHERE = "message NOT IN (SELECT message FROM damaged_content WHERE body IS NOT NULL)"
"""Whether the octets of a message that was set aside (a row of `damaged`) lie where it was made."""
UNFINISHED = (
    f"SELECT {as_octets(_FAILED_COLUMNS)} FROM failed_shard WHERE complete = 0 OR EXISTS ("  # noqa: S608 - constants
    "SELECT 1 FROM message WHERE message.shard = failed_shard.shard AND message.id <= failed_shard.taken_over) "
    f"OR EXISTS (SELECT 1 FROM damaged WHERE damaged.shard = failed_shard.shard AND {ASIDE_ELSEWHERE})"
)
"""The failed shards to be read: more is to be taken over, or octets of what waits or was set aside lie there."""
FAILED_SHARDS = f"SELECT {as_octets(_FAILED_COLUMNS)} FROM failed_shard"  # noqa: S608 - constants
_CONTENT = f"SELECT {CONTENT_COLUMNS} FROM content WHERE message = ?"  # noqa: S608 - constants
_CONTENT_ASIDE = f"SELECT {CONTENT_COLUMNS} FROM damaged_content WHERE message = ?"  # noqa: S608 - constants
_REACHED = "UPDATE failed_shard SET taken_over = ?, complete = ? WHERE shard = ?"
_REACHED_ALL = (
    "UPDATE failed_shard SET taken_over = "
    "max(taken_over, ifnull((SELECT max(message) FROM damaged WHERE damaged.shard = ?1), taken_over)) "
    "WHERE shard = ?1"
)
"""What was set aside is among what was taken over: put back, it is looked for there."""


@dataclass(frozen=True, slots=True)
class Page:
    """A step's rows. `last`: the place it reached; the step is the last one when it `is_end`.

    damaged: row and reason of messages that are not whole; their rows are among the others.
    """

    messages: list[Row]
    recipients: list[Row]
    last: int
    is_end: bool
    damaged: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True, slots=True)
class Aside:
    """A step of what was set aside: rows for each table (`damage.carried`), and the place it reached."""

    tables: list[list[Row]]
    last: int
    is_end: bool


class FailedShard:
    """A failed shard, for reading."""

    def __init__(self, layout: Layout, lock: ShardLock | None = None, vfs: str | None = None) -> None:
        """Open it.

        Args:
            layout: where it is.
            lock: its lock, to be kept as long as it is read; None where who failed still holds it.
            vfs: SQLite's layer below, other than the system's.

        Raises:
            OperatorError: it is no queue, or of a newer SAMS.
            apsw.Error: it cannot be read.
        """
        self.layout = layout
        self.takes_what_it_gets = False
        """Whether what cannot be read is left out. SQLite cannot tell a place that the disk does not give now
        from one that is damaged: so it is tried some times before."""
        self._lock = lock
        self._open: list[apsw.Connection] = []
        try:
            self._open += (connections.open_failed(layout.database, vfs) for _ in range(2))
            self._in_thread, self._on_loop = self._open
            self._check()
        except BaseException:
            self.close()
            raise

    def page(self, start: int) -> Page:
        """The step behind a place. Blocks.

        Raises:
            apsw.Error: it cannot be read now, or not at all.
        """
        try:
            return self._page(start)
        except ILLEGIBLE:
            if not self.takes_what_it_gets:
                raise
        found = salvage(self._in_thread, start, STEP)
        return Page(found.messages, found.recipients, found.last, found.is_end, found.damaged)

    def _page(self, start: int) -> Page:
        with self._in_thread:
            messages = self._in_thread.execute(_PAGE, (start, STEP)).fetchall()
            last = int(messages[-1][0]) if messages else start  # type: ignore[arg-type]
            recipients = self._in_thread.execute(_RECIPIENTS, (start, last)).fetchall()
        return Page(messages, recipients, last, len(messages) < STEP)

    def failures(self) -> list[Row]:
        """The shards that this one had taken over, as rows of `failed_shard`."""
        return _readable(self._on_loop, FAILED_SHARDS)

    def latest_id(self) -> int:
        """The time of the id of its latest message that waits, microseconds since 1970; 0 where none can be seen."""
        with contextlib.suppress(apsw.CorruptError):
            for (row,) in self._on_loop.execute("SELECT max(id) FROM message"):
                return 0 if row is None else time_of(int(row))
        return 0

    def set_aside(self, start: int) -> Aside:
        """What was set aside in it, a step behind a place. Blocks."""
        rows, _ = numbers(self._in_thread, damage.ROWS, start, damage.CARRIED)
        some = array_of(rows)
        tables = damage.carried(lambda statement: _readable(self._in_thread, statement, some))
        return Aside(tables, rows[-1] if rows else start, len(rows) < damage.CARRIED)

    def uses(self) -> list[Row]:
        """What logins used, as rows of `use_of_login`."""
        return legible_uses(_readable(self._on_loop, USES, 0))

    def content(self, row: int, claims: Claims) -> RawContent:
        """The content of a message; `claims` are those of the shard where it waits.

        Raises:
            KeyError: it does not wait there (any more).
            DamagedEntry: it cannot be read.
            StorageFailed: it cannot be read from the disk now.
        """
        try:
            return claims.content(row, self._on_loop)
        except (apsw.CorruptError, apsw.NotADBError) as error:
            reason = f"a part of {self.layout.database} cannot be read: {error}"
            claims.set_aside(row, reason)
            raise DamagedEntry(reason) from error
        except apsw.IOError as error:
            raise StorageFailed(f"{self.layout.database} cannot be read: {error}") from error

    def stored_content(self, row: int) -> list[Row]:
        """The row of a message's content, whether it waited there or was set aside. Blocks.

        Raises:
            apsw.Error: it cannot be read.
        """
        found = self._in_thread.execute(_CONTENT, (row,)).fetchall()
        return found or self._in_thread.execute(_CONTENT_ASIDE, (row,)).fetchall()

    def close(self) -> None:
        """Let go of it."""
        for connection in self._open:
            connection.close()
        if self._lock is not None:
            self._lock.release()

    def _check(self) -> None:
        """What is no queue at all is seen at once; what is one may have lost any of its pages."""
        with contextlib.suppress(apsw.CorruptError, apsw.SQLError, LookupError, UnicodeDecodeError):
            schema.check(self._in_thread, str(self.layout.database))


def begin(
    connection: apsw.Connection, failed: Row, inherited: list[Row], uses: list[Row]
) -> tuple[int, Files]:
    """Note that a shard is being taken over, with what it had taken over, and what logins used.

    What was set aside in it has gone along by then.
    """
    connection.executemany(_BEGIN, [failed, *inherited])
    damage.forget_place(connection, int(failed[0]))  # type: ignore[arg-type]
    add_uses(connection, uses)
    return 1, []


def take(connection: apsw.Connection, shard: int, page: Page, now: float) -> tuple[int, Files]:
    """Copy one step; what is damaged is set aside at `now`, UNIX seconds."""
    _refuse_collision(connection, page)
    connection.executemany(COPY_MESSAGE, page.messages)
    connection.executemany(COPY_RECIPIENT, page.recipients)
    for row, reason in page.damaged:
        changes.set_aside(connection, row, shard, reason, now)
    connection.execute(_REACHED, (page.last, int(page.is_end), shard))
    if page.is_end:
        connection.execute(_REACHED_ALL, (shard,))
    return len(page.messages), []


def _readable(connection: apsw.Connection, statement: str, *values: int | apsw.CArrayBinding) -> list[Row]:
    """All rows; of a damaged table, those before the damage."""
    found: list[Row] = []
    with contextlib.suppress(apsw.CorruptError):
        found.extend(connection.execute(statement, values))
    return found


def _refuse_collision(connection: apsw.Connection, page: Page) -> None:
    """Two shards may have made the same row number, where one is not the other's successor from the first."""
    made_by = {row[0]: row[1] for row in page.messages}
    numbers = array_of([int(row) for row in made_by])  # type: ignore[arg-type]
    for row, shard in connection.execute("SELECT id, shard FROM message WHERE id IN carray(?)", (numbers,)):
        if made_by[row] != shard:
            raise ValueError(f"row {row} is a message of shard {shard} here, and of {made_by[row]!r} there")
