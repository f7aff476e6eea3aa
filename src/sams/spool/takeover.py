"""A shard that failed, read to its end: the queue in it goes on in another shard, its contents stay where they are.

What waits (messages and recipients, some 200 octets each) is copied into the new shard in steps, each with the
place it reached, so that a restart goes on there. From then on everything about those messages happens in
the new shard alone: settlements, holds, searches. Only the octets are still read from the failed one. Its
files are never written: the connection is read-only, and no close copies its log.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import apsw

from sams.spool import connections
from sams.spool.claims import Claims, RawContent
from sams.spool.keys import id_of
from sams.spool.layout import Layout
from sams.spool.lock import ShardLock
from sams.spool.records import (
    CONTENT_COLUMNS,
    COPY_CONTENT,
    COPY_MESSAGE,
    COPY_RECIPIENT,
    MESSAGE_COLUMNS,
    RECIPIENT_COLUMNS,
    Row,
)
from sams.spool.statements import Files, add_uses

STEP = 500
_FIRST = -(2**63)
_PAGE = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - constants
_RECIPIENTS = f"SELECT {RECIPIENT_COLUMNS} FROM recipient WHERE message > ? AND message <= ?"  # noqa: S608 - constants
_FAILED_COLUMNS = "shard, failed, reason, taken_over, complete"
_BEGIN = f"INSERT OR IGNORE INTO failed_shard ({_FAILED_COLUMNS}) VALUES (?,?,?,?,?)"  # noqa: S608 - constants
UNFINISHED = (
    f"SELECT {_FAILED_COLUMNS} FROM failed_shard WHERE complete = 0 OR EXISTS ("  # noqa: S608 - constants
    "SELECT 1 FROM message WHERE message.shard = failed_shard.shard)"
)
_INHERITED = f"SELECT {_FAILED_COLUMNS} FROM failed_shard"  # noqa: S608 - constants
_CONTENT = f"SELECT {CONTENT_COLUMNS} FROM content WHERE message = ?"  # noqa: S608 - constants
_REACHED = "UPDATE failed_shard SET taken_over = ?, complete = ? WHERE shard = ?"


@dataclass(frozen=True, slots=True)
class Page:
    """A step's rows. `last`: the place it reached; the step is the last one when it `is_end`."""

    messages: list[Row]
    recipients: list[Row]
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
        """
        self.layout = layout
        self._lock = lock
        self._in_thread = connections.open_failed(layout.database, vfs)
        self._on_loop = connections.open_failed(layout.database, vfs)

    def page(self, after: int | None) -> Page:
        """The step behind a place. Blocks."""
        start = _FIRST if after is None else after
        with self._in_thread:
            messages = self._in_thread.execute(_PAGE, (start, STEP)).fetchall()
            last = int(messages[-1][0]) if messages else start  # type: ignore[arg-type]
            recipients = self._in_thread.execute(_RECIPIENTS, (start, last)).fetchall()
        return Page(messages, recipients, last, len(messages) < STEP)

    def failures(self) -> list[Row]:
        """The shards that this one had taken over, as rows of `failed_shard`."""
        return self._on_loop.execute(_INHERITED).fetchall()

    def last_row(self) -> int | None:
        """The row of its latest message that waits."""
        [(last,)] = self._on_loop.execute("SELECT max(id) FROM message")
        return None if last is None else int(last)

    def uses(self) -> list[Row]:
        """What logins used, as rows of `use_of_login`."""
        return self._on_loop.execute("SELECT hour, login, recipients FROM use_of_login").fetchall()

    def content(self, row: int, claims: Claims) -> RawContent:
        """The content of a message; `claims` are those of the shard where it waits.

        Raises:
            KeyError: it does not wait there (any more).
            DamagedEntry: it cannot be read.
        """
        return claims.content(row, self._on_loop)

    def copy_content(self, row: int, copy: apsw.Connection, bodies: Path) -> None:
        """Copy a message's octets into a backup. Blocks."""
        found = self._in_thread.execute(_CONTENT, (row,)).fetchall()
        copy.executemany(COPY_CONTENT, found)
        name = id_of(row, self.layout.shard)
        if found and found[0][5] is None:
            shutil.copyfile(self.layout.bodies / name, bodies / name)

    def close(self) -> None:
        """Let go of it."""
        self._in_thread.close()
        self._on_loop.close()
        if self._lock is not None:
            self._lock.release()


def begin(
    connection: apsw.Connection, failed: Row, inherited: list[Row], uses: list[Row]
) -> tuple[int, Files]:
    """Note that a shard is being taken over, with what it had taken over itself, and what logins used."""
    connection.executemany(_BEGIN, [failed, *inherited])
    add_uses(connection, uses)
    return 1, []


def take(connection: apsw.Connection, shard: int, page: Page) -> tuple[int, Files]:
    """Copy one step."""
    connection.executemany(COPY_MESSAGE, page.messages)
    connection.executemany(COPY_RECIPIENT, page.recipients)
    connection.execute(_REACHED, (page.last, int(page.is_end), shard))
    return len(page.messages), []
