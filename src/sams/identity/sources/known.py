"""What directories last said of members, for all workers and across restarts: one SQLite file that may be deleted.

Theory of operation. A worker that asked a directory notes the answer here, so that the others need not ask as well,
and so that every worker knows whom to let in while the directory is down (`[[accounts.source]] grace`). Nothing here
lets anybody in by itself: there is no password in it, only who somebody is. So it is written without a sync, some
answers at a time on a thread, and what is lost by a crash is asked for once more. A damaged file is begun anew.

    members: source, key (`Login.address` of what was typed) -> answer (JSON of `Known`), asked (UNIX seconds)
    lost: source, login of members with app passwords who are gone -> since when (UNIX seconds)
    sweeps: when they were last looked for (UNIX seconds)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from sams.identity.sources.interface import Member
from sams.identity.sqlite_files import DAMAGED, inode_of, open_expendable, remove_damaged

MOST_OCTETS = 65_536
"""Of one answer; a member with more addresses than that is asked for anew by each worker."""

Row = tuple[str, str, bytes, float]
_T = TypeVar("_T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS members (
    source TEXT NOT NULL, key TEXT NOT NULL, answer BLOB NOT NULL, asked REAL NOT NULL, PRIMARY KEY (source, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_by_time ON members (asked);
CREATE TABLE IF NOT EXISTS lost (
    source TEXT NOT NULL, login TEXT NOT NULL, since REAL NOT NULL, PRIMARY KEY (source, login)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sweeps (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL) STRICT;
"""
_READ = "SELECT answer, asked FROM members WHERE source = ? AND key = ?"
_WRITE = """
INSERT INTO members (source, key, answer, asked) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET answer = excluded.answer, asked = excluded.asked
WHERE excluded.asked >= asked OR excluded.asked < asked - 60
"""
"""A worker may be late by seconds. What is further ahead was noted before the clock was set back."""


class Known(msgspec.Struct, frozen=True):
    """An answer. member: None: there is nobody. asked: UNIX seconds."""

    member: Member | None
    asked: float


class KnownMembers:
    """The file, as one worker reads and writes it. What blocks is for threads, all else for the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: dict[tuple[str, str], Known] = {}
        self._writing = threading.Lock()
        self._open()

    def read(self, source: str, key: str) -> Known | None:
        """What was last said; None: nothing is known. Microseconds."""
        pending = self._pending.get((source, key))
        if pending is not None:
            return pending
        try:
            row = self._reader.execute(_READ, (source, key)).fetchone()
            return None if row is None else Known(_decode(row[0]), float(row[1]))
        except (apsw.Error, msgspec.DecodeError, ValueError):
            return None  # it is only what can be asked for again

    def note(self, source: str, key: str, known: Known) -> None:
        """To be written: taken by the next `take`."""
        self._pending[source, key] = known

    def take(self) -> list[Row]:
        """What was noted since the last time, for `write`. On the loop."""
        noted, self._pending = self._pending, {}
        return [(*place, octets, one.asked) for place, one in noted.items() if (octets := _encode(one))]

    def write(self, rows: list[Row]) -> None:
        """Write what was taken. Blocks.

        Raises:
            apsw.Error: it cannot be written.
        """
        self._change(lambda writer: writer.executemany(_WRITE, rows))

    def forget(self, before: float) -> None:
        """Forget what was said before, in UNIX seconds. Blocks.

        Raises:
            apsw.Error: it cannot be written.
        """
        self._change(lambda writer: writer.execute("DELETE FROM members WHERE asked < ?", (before,)))

    def begin_sweep(self, now: float, most: float) -> None:
        """Members with app passwords are looked for again. Blocks.

        Who was gone the last time is so for `most` seconds more at most, and for no less than then: while the
        service stood still nobody looked, and the clock may have jumped. now: UNIX seconds.

        Raises:
            apsw.Error: it cannot be written.
        """

        def begin(writer: apsw.Connection) -> None:
            row = writer.execute("SELECT at FROM sweeps").fetchone()
            passed = now - float(row[0]) if row else 0.0
            too_much = passed - min(max(0.0, passed), most)
            writer.execute("UPDATE lost SET since = since + ?", (too_much,))
            writer.execute("INSERT OR REPLACE INTO sweeps VALUES (1, ?)", (now,))

        self._change(begin)

    def lost(self, source: str, login: str, now: float) -> float:
        """A member with app passwords is not there any more; since when, UNIX seconds. Blocks.

        Raises:
            apsw.Error: it cannot be written.
        """

        def since(writer: apsw.Connection) -> float:
            writer.execute("INSERT OR IGNORE INTO lost VALUES (?, ?, ?)", (source, login, now))
            ((found,),) = writer.execute(
                "SELECT since FROM lost WHERE source = ? AND login = ?", (source, login)
            )
            return float(found)

        return self._change(since)

    def found(self, source: str, login: str) -> None:
        """The member is there. Blocks.

        Raises:
            apsw.Error: it cannot be written.
        """
        self._change(
            lambda writer: writer.execute("DELETE FROM lost WHERE source = ? AND login = ?", (source, login))
        )

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._writer.close()

    def _open(self) -> None:
        self._reader = open_expendable(self._path, _SCHEMA)
        self._writer = open_expendable(self._path, _SCHEMA)
        self._inode = inode_of(self._path)

    def _change(self, change: Callable[[apsw.Connection], _T]) -> _T:
        """One transaction. Where it meets with damage, the file is begun anew, once for all workers."""
        with self._writing:
            if inode_of(self._path) != self._inode:
                self._open()  # another worker has begun it anew
            try:
                return self._changed(change)
            except DAMAGED:
                remove_damaged(self._path, self._inode)
                self._open()  # the loop may be reading with the connection of before: it ends with its last use
            return self._changed(change)

    def _changed(self, change: Callable[[apsw.Connection], _T]) -> _T:
        with self._writer:
            result = change(self._writer)
        return result  # noqa: RET504 - by its type, a transaction might swallow what is raised in it


def _encode(known: Known) -> bytes:
    octets = msgspec.json.encode(known.member)
    return octets if len(octets) <= MOST_OCTETS else b""


def _decode(octets: bytes) -> Member | None:
    return msgspec.json.decode(octets, type=Member | None)
