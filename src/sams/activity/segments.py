"""The index of a journal: which rows have a term, in segments of a few hundred rows of one kind.

Theory of operation. What costs a journal most is not its rows, which append, but an index of their terms: in one
tree over all rows a login, a recipient and an address have a page each that is read and written anew, and the
more the deeper the journal. So terms lie in segments, and each segment is two arrays in one row of the database:
the numbers of its rows, and for each term its hash and the place of its row among them, sorted. A batch writes
the newest segment of a kind anew, which is small; one that has enough rows, or is a day old, is never touched again.

A search walks the segments from the newest, and halves each. A hash says only that a row may be meant: its record
names its terms. A row that is written again is named in the segment that is the newest then, so that segments
overlap in numbers; each knows its first and last.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from zlib import crc32

import apsw

from sams.activity.rows import Keep, Row

SCHEMA = """
CREATE TABLE segment(
    id INTEGER PRIMARY KEY, keep INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    numbers BLOB NOT NULL, terms BLOB NOT NULL
) STRICT;
CREATE INDEX segment_last ON segment(last);
"""
ROWS = 512
SPAN = 86_400 * 1_000_000
_PLACES = 2**32 - 1
_STORE = "INSERT OR REPLACE INTO segment(id, keep, first, last, numbers, terms) VALUES(?, ?, ?, ?, ?, ?)"


class OpenSegment:
    """The newest segment of one kind, in memory as on disk. When a transaction fails it has to be made anew."""

    def __init__(self, connection: apsw.Connection, keep: Keep) -> None:
        self._connection = connection
        self._keep = int(keep)
        self._id: int | None = None
        self._numbers: list[int] = []
        self._terms: list[int] = []
        self._known: dict[int, tuple[int, int]] = {}
        self._changed = False
        newest = "SELECT id, numbers, terms FROM segment WHERE keep = ? ORDER BY id DESC LIMIT 1"
        for found, numbers, terms in connection.execute(newest, (self._keep,)):
            self._id = int(found)
            self._numbers, self._terms = list(array("Q", numbers)), list(array("Q", terms))

    def add(self, row: Row) -> None:
        """Name the row, under those of its terms that are not here yet."""
        place, known = self._known.get(row.number) or self._placed(row.number)
        place_of_term = self._terms
        for term in row.terms[known:]:
            place_of_term.append(_hash(term) << 32 | place)
        self._known[row.number] = place, len(row.terms)
        self._changed = True

    def save(self) -> None:
        """Write it, where something was added; begin the next where it is full."""
        if not self._changed:
            return
        self._changed = False
        numbers = self._numbers
        self._terms.sort()
        first, last = min(numbers), max(numbers)
        values = (array("Q", numbers).tobytes(), array("Q", self._terms).tobytes())
        self._connection.execute(_STORE, (self._id, self._keep, first, last, *values))
        self._id = self._id or self._connection.last_insert_rowid()
        if len(numbers) >= ROWS or last - first > SPAN:
            self._id = None
            self._numbers, self._terms, self._known = [], [], {}

    def _placed(self, number: int) -> tuple[int, int]:
        self._numbers.append(number)
        return len(self._numbers) - 1, 0


def drop(connection: apsw.Connection, keep: Keep) -> None:
    """Remove the segments of a kind all of whose rows are gone."""
    oldest = connection.execute("SELECT min(number) FROM entry WHERE keep = ?", (int(keep),)).get
    connection.execute(
        "DELETE FROM segment WHERE keep = ? AND last < ?",
        (int(keep), 2**63 - 1 if oldest is None else oldest),
    )


def candidates(
    connection: apsw.Connection, terms: list[str], first: int, below: int
) -> Iterator[tuple[int, list[int]]]:
    """Rows that may have all terms, segment by segment, in the order of their last numbers from the greatest.

    Yields that last number and the numbers of the rows, greatest first, of those that are at least `first` and
    less than `below`.
    """
    hashes = [_hash(term) for term in terms]
    walk = "SELECT last, numbers, terms FROM segment WHERE last >= ? AND first < ? ORDER BY last DESC"
    for last, numbers, found in connection.execute(walk, (first, below)):
        places = _places(memoryview(found).cast("Q"), hashes)
        if places:
            all_numbers = array("Q", numbers)
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


def _hash(term: str) -> int:
    return crc32(term.encode("utf-8", "surrogatepass"))
