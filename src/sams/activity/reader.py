"""Reads the journals of all shards as one: for `sams activity` and, later, the pages. Blocks."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import msgspec

from sams.activity import rows
from sams.activity.interface import Cursor, Entry, Page, Search, Step
from sams.activity.journal import FILE_NAME
from sams.activity.journal_file import VERSION, can_read
from sams.activity.segments import candidates
from sams.core.errors import OperatorError
from sams.core.stored_version import StoredVersion

MAX_PAGE = 1_000
TAIL_FIRST = 20
_MAX_RUNNING = 1_000
_BUSY_MS = 2_000
_COLUMNS = "entry.number, entry.ended, entry.record"
_END = 2**63 - 1


def journal_files(data_dir: Path) -> list[tuple[int, Path]]:
    """The journals below a data folder, each with the number of its shard."""
    found = (data_dir / "spool").glob(f"shard-*/{FILE_NAME}")
    return sorted(
        (int(number), path)
        for path in found
        if (number := path.parent.name.removeprefix("shard-")).isascii() and number.isdigit()
    )


class JournalReader:
    """Reads many journals as one.

    files: called before each page: shards may come while it is read.
    """

    def __init__(self, files: Callable[[], list[tuple[int, Path]]]) -> None:
        self._files = files
        self._shards: dict[int, _Shard] = {}

    def search(self, search: Search, after: Cursor | None = None, limit: int = 50) -> Page:
        """One page of what matches, newest first.

        Raises:
            apsw.Error: a journal cannot be read.
        """
        limit = max(1, min(limit, MAX_PAGE))
        pages = [shard.search(search, after, limit + 1) for shard in self._current()]
        newest = heapq.merge(*pages, key=lambda entry: (-entry.number, -entry.shard))
        entries = [entry for _, entry in zip(range(limit + 1), newest, strict=False)]
        if len(entries) <= limit:
            return Page(tuple(entries), None)
        last = entries[limit - 1]
        return Page(tuple(entries[:limit]), Cursor(last.number, last.shard))

    def tail(self) -> tuple[Entry, ...]:
        """What was written or changed since the last call, oldest first; at first the latest few.

        An entry that grows comes again with all its steps.

        Raises:
            apsw.Error: a journal cannot be read.
        """
        entries = [entry for shard in self._current() for entry in shard.tail()]
        return tuple(sorted(entries, key=lambda entry: (entry.number, entry.shard)))

    def close(self) -> None:
        """Let go of the files."""
        for shard in self._shards.values():
            shard.connection.close()
        self._shards.clear()

    def _current(self) -> list[_Shard]:
        for number, path in self._files():
            if number not in self._shards:
                self._shards[number] = _Shard(number, _open(path))
        return list(self._shards.values())


@dataclass(slots=True)
class _Shard:
    """One journal, and how far a tail has read it."""

    number: int
    connection: apsw.Connection
    seen: int = -1
    running: dict[int, int] = field(default_factory=dict)

    def search(self, search: Search, after: Cursor | None, limit: int) -> list[Entry]:
        first, below = _span(search, self.number, after)
        terms = _terms(search)
        if terms:
            return self._found(terms, first, below, limit)
        source = "entry WHERE number >= ? AND number < ? ORDER BY number DESC LIMIT ?"
        return self._all(source, (first, below, limit))

    def _found(self, terms: list[str], first: int, below: int, limit: int) -> list[Entry]:
        """Entries with all terms, newest first. Segments overlap: the page is full when none before can be newer."""
        found: dict[int, Entry] = {}
        for last, numbers in candidates(self.connection, terms, first, below):
            if len(found) >= limit and sorted(found)[-limit] > last:
                break
            meant = 0
            for number in numbers:
                for entry, has in self._entries("entry WHERE number = ?", (number,)):
                    if has.issuperset(terms):
                        found[number] = entry
                        meant += 1
                if meant >= limit:
                    break
        return [found[number] for number in sorted(found, reverse=True)[:limit]]

    def tail(self) -> list[Entry]:
        if self.seen < 0:
            entries = self._all("entry ORDER BY number DESC LIMIT ?", (TAIL_FIRST,))
        else:
            grown = self._all(
                "entry WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number",
                (msgspec.json.encode(list(self.running)).decode(),),
            )
            entries = [
                entry for entry in grown if len(entry.steps) > self.running[entry.number] or entry.ended
            ]
            entries += self._all("entry WHERE number > ? ORDER BY number LIMIT ?", (self.seen, MAX_PAGE))
        for entry in entries:
            self._remember(entry)
        return entries

    def _remember(self, entry: Entry) -> None:
        self.seen = max(self.seen, entry.number)
        self.running.pop(entry.number, None)
        if not entry.ended:
            self.running[entry.number] = len(entry.steps)
            if len(self.running) > _MAX_RUNNING:
                del self.running[next(iter(self.running))]

    def _all(self, source: str, values: tuple[object, ...]) -> list[Entry]:
        return [entry for entry, _ in self._entries(source, values)]

    def _entries(self, source: str, values: tuple[object, ...]) -> Iterator[tuple[Entry, frozenset[str]]]:
        """Entries, each with its terms."""
        query = f"SELECT {_COLUMNS} FROM {source}"  # noqa: S608 - of constants
        for number, ended, text in self.connection.execute(query, values):
            record = rows.decode_record(text)
            yield _entry(self.number, number, ended=bool(ended), record=record), frozenset(record.terms)


def _entry(shard: int, number: int, *, ended: bool, record: rows.Record) -> Entry:
    steps = tuple(Step(record.at + offset, event) for offset, event in record.steps)
    return Entry(shard, number, record.what, record.session, record.login, record.client, ended, steps)


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(_BUSY_MS)
    found = StoredVersion.of(connection.pragma("user_version"))
    if not can_read(found) or 0 < found.number < VERSION.number:  # 0: it is being made
        connection.close()
        raise OperatorError(f"{path} is of another version: start the service once with this one")
    return connection


def _span(search: Search, shard: int, after: Cursor | None) -> tuple[int, int]:
    """The numbers that a page may have: from the first, below the second."""
    below = _END if after is None else after.number + (shard < after.shard)
    if search.until is not None:
        below = min(below, _number(search.until))
    return (0 if search.since is None else _number(search.since)), below


def _number(at: float) -> int:
    return int(at * 1_000_000)


def _terms(search: Search) -> list[str]:
    """The terms of a search, the most telling first: its index is walked, the others are looked up."""
    makers = (
        (search.reference, rows.reference_term),
        (search.message, rows.message_term),
        (search.session, rows.session_term),
        (search.recipient, rows.recipient_term),
        (search.login, rows.login_term),
        (search.client, rows.client_term),
    )
    return [make(text) for text, make in makers if text]
