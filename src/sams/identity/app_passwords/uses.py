"""When, from where and by what program each app password was used last: one SQLite file, which may be deleted.

Who finds an app password used from a place that is not theirs knows that it was stolen; one that was not used for a
year can go. Nothing is decided by it, so it stands beside accounts.db, whose every change has all workers read anew,
and is written without a sync, some uses at a time on a thread. A crash loses the last seconds, and a damaged file is
begun anew.

    uses: id (of the app password) -> at (UNIX seconds), address (the client's), program (empty: it named none)
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import apsw
import msgspec

from sams.core.clock import Clock
from sams.core.text import visible
from sams.identity.sqlite_files import DAMAGED, inode_of, open_expendable, remove_damaged

FILE: Final = "app-password-uses.db"
WRITE_EVERY = 10.0
"""Seconds between two writes of one worker, so that who sends all day costs no more than who sends once."""
MAX_PROGRAM = 100
"""Characters kept of a program's name."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS uses (id TEXT PRIMARY KEY, at REAL NOT NULL, address TEXT NOT NULL, program TEXT NOT NULL)
STRICT, WITHOUT ROWID;
"""
_WRITE = """
INSERT INTO uses (id, at, address, program) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET at = excluded.at, address = excluded.address,
    program = iif(excluded.program = '', program, excluded.program)
WHERE excluded.at >= at OR excluded.at < at - 60
"""
"""A worker may be late by seconds. What is further ahead was noted before the clock was set back."""

Row = tuple[str, float, str, str]


class Use(msgspec.Struct, frozen=True):
    """The last use. at: UNIX seconds. address: the client's. program: what its messages say; empty: nothing."""

    at: float
    address: str
    program: str


class AppPasswordUses:
    """Notes uses in a worker. `note` and `take` are for the loop, `write` for a thread."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._pending: dict[str, Use] = {}
        self._next = 0.0

    def note(self, password_id: str, address: str, program: str = "") -> None:
        """It is used now. Microseconds."""
        before = self._pending.get(password_id)
        shown = visible(program, MAX_PROGRAM) or (before.program if before is not None else "")
        self._pending[password_id] = Use(self._clock.now(), address, shown)

    def take(self, *, is_last: bool = False) -> list[Row]:
        """What is to be written, for `write`; nothing, where that was less than 10 s ago. is_last: all the same."""
        now = self._clock.monotonic()
        if not self._pending or (now < self._next and not is_last):
            return []
        noted, self._pending, self._next = self._pending, {}, now + WRITE_EVERY
        return [(key, use.at, use.address, use.program) for key, use in noted.items()]

    def write(self, rows: list[Row]) -> None:
        """Write what was taken. Blocks.

        Raises:
            apsw.Error, OSError: it cannot be written.
        """
        inode = inode_of(self._path)
        try:
            self._write(rows)
        except DAMAGED:
            remove_damaged(self._path, inode)
            self._write(rows)

    def _write(self, rows: list[Row]) -> None:
        connection = open_expendable(self._path, _SCHEMA)
        try:
            with connection:
                connection.executemany(_WRITE, rows)
        finally:
            connection.close()


def read_uses(path: Path, password_ids: Iterable[str]) -> dict[str, Use]:
    """The last uses of these, as far as they are known. Blocks."""
    if not path.exists():
        return {}
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(2_000)
            found = {one: _read(connection, one) for one in password_ids}
        finally:
            connection.close()
    except apsw.Error:
        return {}  # whoever writes next begins it anew
    return {one: use for one, use in found.items() if use is not None}


def forget_uses(path: Path, password_ids: Iterable[str]) -> None:
    """Forget those of app passwords that are gone. Blocks; what cannot be forgotten now stays, and says nothing."""
    if not path.exists():
        return
    try:
        connection = open_expendable(path, _SCHEMA)
        try:
            with connection:
                connection.executemany("DELETE FROM uses WHERE id = ?", [(one,) for one in password_ids])
        finally:
            connection.close()
    except (apsw.Error, OSError):
        return


def _read(connection: apsw.Connection, password_id: str) -> Use | None:
    row = connection.execute("SELECT at, address, program FROM uses WHERE id = ?", (password_id,)).fetchone()
    return None if row is None else Use(*row)
