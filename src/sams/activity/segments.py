"""The index of a journal: which rows have a term, in segments of a few hundred rows of one kind.

Theory of operation. What costs a journal most is not its rows, which append, but an index of their terms: in one
tree over all rows a login, a recipient and an address have a page each that is read and written anew, and the
more the deeper the journal. So terms lie in segments, and each segment is two arrays in one row of the database:
the numbers of its rows, and for each term its hash and the place of its row among them, sorted. A batch writes
the newest segment of a kind anew, which is small; one that has enough rows is not touched again until rows go.

A search walks the segments from the newest, and halves each. A hash says only that a row may be meant: its record
names its terms. A row that is written again is named in the segment that is the newest then, so that segments
overlap in numbers; each knows its first and last.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from zlib import crc32

import apsw

from sams.activity.rows import Keep, Row

SCHEMA = """
CREATE TABLE segment(
    id INTEGER PRIMARY KEY, keep INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    numbers BLOB NOT NULL, terms BLOB NOT NULL
) STRICT;
CREATE INDEX segment_last ON segment(last);
CREATE INDEX segment_first ON segment(keep, first);
"""
ROWS = 512
_PLACES = 2**32 - 1
_STORE = "INSERT OR REPLACE INTO segment(id, keep, first, last, numbers, terms) VALUES(?, ?, ?, ?, ?, ?)"


class OpenSegment:
    """The newest segment of one kind, in memory as on disk. When a transaction fails it has to be made anew."""

    def __init__(self, connection: apsw.Connection, keep: Keep) -> None:
        self._connection = connection
        self._keep = keep
        self._id: int | None = None
        self._numbers: list[int] = []
        self._terms: list[int] = []
        self._running: dict[int, tuple[int, int]] = {}
        self._is_saved = True
        newest = "SELECT id, numbers, terms FROM segment WHERE keep = ? ORDER BY id DESC LIMIT 1"
        for found, numbers, terms in connection.execute(newest, (int(keep),)):
            self._id = int(found)
            self._numbers, self._terms = list(array("q", numbers)), list(array("Q", terms))

    def add(self, row: Row) -> None:
        """Name the row, under those of its terms that are not here yet. Within a transaction."""
        place, known = self._running.pop(row.number, (len(self._numbers), 0))
        if not known:
            if place >= ROWS:
                self.save()
                self._begin()
                place = 0
            self._numbers.append(row.number)
        self._terms += [one << 32 | place for one in _hashes(row.terms[known:])]
        if not row.ended:
            self._running[row.number] = place, len(row.terms)
        self._is_saved = False

    def save(self) -> None:
        """Write it, where something was added."""
        if self._is_saved:
            return
        self._is_saved = True
        self._terms.sort()
        self._id = _store(self._connection, self._id, self._keep, self._numbers, self._terms)

    def _begin(self) -> None:
        """The next one, which is on disk when it is saved."""
        self._id, self._numbers, self._terms, self._running = None, [], [], {}


def expire(connection: apsw.Connection, keep: Keep, before: int) -> bool:
    """Remove rows of a kind with numbers less than `before`, of one segment; False: there were none."""
    oldest = "SELECT id, numbers, terms FROM segment WHERE keep = ? AND first < ? ORDER BY first LIMIT 1"
    found = connection.execute(oldest, (int(keep), before)).fetchone()
    if found is None:
        return False
    segment, numbers, terms = found[0], array("q", found[1]), array("Q", found[2])
    gone = array("q", [number for number in numbers if number < before])
    connection.execute(
        "DELETE FROM entry WHERE keep = ? AND number IN (SELECT value FROM carray(?))",
        (int(keep), apsw.carray(gone)),
    )
    connection.execute("DELETE FROM segment WHERE id = ?", (segment,))
    if len(gone) < len(numbers):
        _store(connection, segment, keep, *_since(before, numbers, terms))
    return True


def _since(before: int, numbers: Sequence[int], terms: Sequence[int]) -> tuple[list[int], list[int]]:
    """What a segment has of rows that stay."""
    stay = [place for place, number in enumerate(numbers) if number >= before]
    moved = {place: new for new, place in enumerate(stay)}
    return [numbers[place] for place in stay], [
        term - place + moved[place] for term in terms if (place := term & _PLACES) in moved
    ]


def _store(
    connection: apsw.Connection, segment: int | None, keep: Keep, numbers: list[int], terms: list[int]
) -> int:
    """Write a segment, under a new id for None; its id."""
    values = (array("q", numbers).tobytes(), array("Q", terms).tobytes())
    connection.execute(_STORE, (segment, int(keep), min(numbers), max(numbers), *values))
    return segment or connection.last_insert_rowid()


def candidates(
    connection: apsw.Connection, terms: list[str], first: int, below: int
) -> Iterator[tuple[int, list[int]]]:
    """Rows that may have all terms, segment by segment, in the order of their last numbers from the greatest.

    Yields that last number and the numbers of the rows, greatest first, of those that are at least `first` and
    less than `below`.
    """
    hashes = _hashes(terms)
    walk = "SELECT last, numbers, terms FROM segment WHERE last >= ? AND first < ? ORDER BY last DESC"
    for last, numbers, found in connection.execute(walk, (first, below)):
        places = _places(memoryview(found).cast("Q"), hashes)
        if places:
            all_numbers = array("q", numbers)
            named = {all_numbers[place] for place in places}
            yield last, sorted([number for number in named if first <= number < below], reverse=True)


def _places(terms: memoryview, hashes: list[int]) -> set[int]:
    """The places of the rows that have all hashes."""
    places = _places_of(terms, hashes[0])
    for one in hashes[1:]:
        if places:
            places &= _places_of(terms, one)
    return places


def _places_of(terms: memoryview, one: int) -> set[int]:
    start = bisect_left(terms, one << 32)
    end = bisect_left(terms, (one + 1) << 32, start)
    return {term & _PLACES for term in terms[start:end]}


def _hashes(terms: Sequence[str]) -> list[int]:
    return [crc32(term.encode("utf-8", "surrogatepass")) for term in terms]
