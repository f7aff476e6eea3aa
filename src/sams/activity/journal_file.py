"""One journal file: opening, writing a batch, keeping to times and size. Blocks; used by one thread at a time.

A batch of rows goes to SQLite in one statement, as an array of texts that SQLite takes apart itself (number,
flags and record one behind the other): SQLite then works without the GIL, and a row costs a third of what it does
with parameters of its own beside a busy loop. What rows are found by goes to the index in `segments`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import apsw

from sams.activity import segments
from sams.activity.rows import Keep, Row, decode_record
from sams.core.stored_version import StoredVersion

VERSION = StoredVersion(2, readable_from=2)
_BUSY_MS = 5_000
_PAGE = 16_384
"""Octets, of a new file. Rows are long and come one behind another: a third of the writes that 4 KiB take."""
_ALL = 2**63 - 1
DAMAGED = (apsw.CorruptError, apsw.NotADBError)

_ENTRIES = """
CREATE TABLE entry(
    number INTEGER PRIMARY KEY, keep INTEGER NOT NULL, ended INTEGER NOT NULL, record TEXT NOT NULL
) STRICT;
CREATE INDEX entry_running ON entry(number) WHERE NOT ended;
"""
_STORE = """
INSERT OR REPLACE INTO entry(number, keep, ended, record)
SELECT CAST(substr(value, 1, 16) AS INTEGER), CAST(substr(value, 17, 1) AS INTEGER),
    CAST(substr(value, 18, 1) AS INTEGER), substr(value, 19)
FROM carray(?)
"""


class JournalFull(Exception):
    """The disk has less room than is left to mail."""


class JournalFile:
    """An open journal.

    Raises (from every method):
        apsw.Error, OSError: the file cannot be used now, and has to be opened anew.
    """

    def __init__(self, path: Path, *, keep: Mapping[Keep, float], max_octets: int, min_free: int) -> None:
        self._path = path
        self._keep = keep
        self._max_octets = max_octets
        self._min_free = min_free
        self._connection = _connect(path)
        self._index = {kind: segments.OpenSegment(self._connection, kind) for kind in Keep}

    @property
    def last_number(self) -> int:
        """The greatest number in use; 0 in a new file."""
        return int(self._connection.execute("SELECT coalesce(max(number), 0) FROM entry").get)

    def end_running(self) -> None:
        """Mark the sessions that a killed process left running as ended."""
        self._connection.execute("UPDATE entry SET ended = 1 WHERE NOT ended")

    def write(self, rows: Sequence[Row]) -> None:
        """Store rows in one transaction; a row takes the place of one with its number.

        Raises:
            JournalFull: less than `min_free` is free; nothing was stored.
        """
        space = os.statvfs(self._path.parent)
        if space.f_bavail * space.f_frsize < self._min_free:
            raise JournalFull(f"less than {self._min_free} octets are free for mail")
        entries = tuple(
            ["%016d%d%d%s" % (row.number, row.keep, row.ended, row.record) for row in rows]  # noqa: UP031 - half the time
        )
        with self._connection:
            for row in rows:
                self._index[row.keep].add(row)
            self._connection.execute(_STORE, (apsw.carray(entries),))
            for segment in self._index.values():
                segment.save()

    def clean(self, now: float) -> bool:
        """Remove some of what is too old or too much; True: there may be more. Short transactions."""
        for keep, seconds in self._keep.items():
            if self._drop(keep, int((now - seconds) * 1_000_000)):
                return True
        if self._octets() <= self._max_octets:
            return False
        return any(self._drop(keep, _ALL) for keep in Keep)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _drop(self, keep: Keep, before: int) -> bool:
        with self._connection:
            dropped = segments.expire(self._connection, keep, before)
        if dropped:
            self._index[keep] = segments.OpenSegment(self._connection, keep)
        return dropped

    def _octets(self) -> int:
        """The octets in use; free pages inside the file are no use."""
        pages, free, size = (
            self._connection.pragma(name) for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def set_aside(path: Path) -> None:
    """Give a damaged file another name, for whoever wants to look at it; an older one goes."""
    path.replace(path.with_name(f"{path.name}.damaged"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: Path) -> apsw.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(_BUSY_MS)
        connection.pragma("page_size", _PAGE)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "normal")
        connection.pragma("journal_size_limit", 16 * 2**20)
        _make_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_schema(connection: apsw.Connection) -> None:
    """Make the tables, or bring those of an older version up to date."""
    found = StoredVersion.of(connection.pragma("user_version"))
    if not can_read(found):
        raise apsw.NotADBError(
            f"a newer SAMS wrote it (version {found.number}; this SAMS knows up to {VERSION.number})"
        )
    if found.number >= VERSION.number:
        return
    with connection:
        if found.number == 0:
            connection.execute(_ENTRIES + segments.SCHEMA)
        else:
            connection.execute("DROP TABLE term; DROP INDEX entry_keep;" + segments.SCHEMA)
            _index_all(connection)
        connection.pragma("user_version", VERSION.user_version)


def can_read(found: StoredVersion) -> bool:
    """Whether this version understands a journal, perhaps once it was brought up to date."""
    return found.readable_from <= VERSION.number


def _index_all(connection: apsw.Connection) -> None:
    """Make the index of what is there: version 1 had another."""
    index = {kind: segments.OpenSegment(connection, kind) for kind in Keep}
    for number, kind, record in connection.execute("SELECT number, keep, record FROM entry ORDER BY number"):
        keep = Keep(kind)
        index[keep].add(Row(number, keep, ended=True, record="", terms=decode_record(record).terms))
    for segment in index.values():
        segment.save()
