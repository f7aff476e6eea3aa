"""What the scheduler reads: due work, the next time, contents. Short index reads, on the loop.

A claim walks the index (route, due, message) of what is not held, from its cursor on: what it costs depends
on what it brings, not on what waits. Recipients of one message that become due at different times may come in
different claims; each place in the index is passed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import apsw

from sams.spool.interface import Cursor, DamagedEntry, QueuedMessage, Work
from sams.spool.keys import id_of, row_of
from sams.spool.records import (
    MESSAGE_COLUMNS,
    RECIPIENT_COLUMNS,
    DecodeError,
    Row,
    checksum,
    message_value,
    recipient_value,
)

_MAX_ROWS = 4_096
"""Recipients that one claim reads, but for the rest of the last message."""

_PLACES = (
    "SELECT message AS m, number AS n FROM recipient INDEXED BY recipient_due "
    "WHERE route = ? AND held = 0 AND due <= ? AND (due, message) > (?, ?) ORDER BY due, message"
)
CLAIM = f"SELECT {RECIPIENT_COLUMNS} FROM ({_PLACES}) CROSS JOIN recipient ON message = m AND number = n"  # noqa: S608 - constants
_RECIPIENT = f"SELECT {RECIPIENT_COLUMNS} FROM recipient WHERE message = ? AND number = ?"  # noqa: S608 - constants
_MESSAGE = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id = ?"  # noqa: S608 - the columns are a constant
_CONTENT = "SELECT head, head_sum, body, body_sum, body_size FROM content WHERE message = ?"
NEXT_DUE = (
    "SELECT due FROM recipient INDEXED BY recipient_due WHERE route = ? AND held = 0 AND due > ? "
    "ORDER BY due LIMIT 1"
)
_DOMAINS = "SELECT DISTINCT CAST(domain_key AS BLOB), CAST(route AS BLOB) FROM recipient"
_OF_DOMAIN = (
    "SELECT DISTINCT message FROM recipient WHERE CAST(domain_key AS BLOB) = ? AND CAST(route AS BLOB) = ?"
)
_BEFORE_ALL = (float("-inf"), -(2**63))


@dataclass(frozen=True, slots=True)
class RawContent:
    """The row of a content; `body` None: it is in a file."""

    row: int
    head: bytes
    body: bytes | None
    body_size: int
    body_sum: int


@dataclass(slots=True)
class _Found:
    """A message whose due recipients are being gathered."""

    row: int
    rows: list[Row]


class Claims:
    """Reads of one connection."""

    def __init__(
        self, connection: apsw.Connection, shard: int, on_damaged: Callable[[int, str], None]
    ) -> None:
        """Keep the parts.

        Args:
            connection: for reading, used on the loop alone.
            shard: the number of the shard.
            on_damaged: told of a row that cannot be read, with the reason.
        """
        self._connection = connection
        self._shard = shard
        self._on_damaged = on_damaged
        self._bad: set[int] = set()

    def claim(
        self, route: str, now: float, after: Cursor | None, limit: int
    ) -> tuple[Sequence[Work], Cursor | None]:
        """See `interface.Spool.claim`."""
        start = _BEFORE_ALL if after is None else (after.due, row_of(after.message_id)[0])
        with self._connection:
            try:
                rows = self._connection.execute(CLAIM, (route, now, *start))
                found, last = self._gather(rows, start, limit)
            except UnicodeDecodeError:
                found, last = self._gather(self._one_by_one(route, now, start), start, limit)
                found = [each for each in found if each.row not in self._bad]
            works = [work for each in found if (work := self._work(route, each)) is not None]
        cursor = None if last is None else Cursor(last[0], id_of(last[1], self._shard))
        return works, cursor

    def _gather(
        self, rows: Iterable[Row], start: tuple[float, int], limit: int
    ) -> tuple[list[_Found], tuple[float, int] | None]:
        """Rows by message, in the order of the index; and where it stopped, unless there is no more."""
        found: dict[int, _Found] = {}
        place, count = start, 0
        for row in rows:
            message: int = row[0]  # type: ignore[assignment]
            due: float = row[9]  # type: ignore[assignment]
            if message not in found and message not in self._bad:
                if len(found) >= limit or (count >= _MAX_ROWS and (due, message) != place):
                    return list(found.values()), place
                found[message] = _Found(message, [])
            if message in found:
                found[message].rows.append(row)
            place, count = (due, message), count + 1
        return list(found.values()), None

    def _one_by_one(self, route: str, now: float, start: tuple[float, int]) -> Iterator[Row]:
        """The rows of a claim, without those that hold something that is no text."""
        for message, number in self._connection.execute(_PLACES, (route, now, *start)):
            try:
                rows = self._connection.execute(_RECIPIENT, (message, number)).fetchall()
            except UnicodeDecodeError as error:
                self.set_aside(int(message), _no_text(error))
            else:
                yield from rows

    def _work(self, route: str, found: _Found) -> Work | None:
        try:
            message = self._message(found.row)
            recipients = tuple(map(recipient_value, found.rows))
        except UnicodeDecodeError as error:
            self.set_aside(found.row, _no_text(error))
            return None
        except DecodeError as error:
            self.set_aside(found.row, str(error))
            return None
        return Work(message, route, recipients)

    def _message(self, row: int) -> QueuedMessage:
        for values in self._connection.execute(_MESSAGE, (row,)):
            return message_value(values)
        raise DecodeError("recipients are there, but their message is not")

    def set_aside(self, row: int, reason: str) -> None:
        """Leave a message out from now on, and tell of it."""
        if row not in self._bad:
            self._bad.add(row)
            self._on_damaged(row, reason)

    def is_bad(self, row: int) -> bool:
        """Whether it is being set aside."""
        return row in self._bad

    def was_set_aside(self, row: int) -> None:
        """It is out of the tables: no claim can meet it again."""
        self._bad.discard(row)

    def has(self, row: int) -> bool:
        """Whether the message waits here."""
        return self._connection.execute("SELECT 1 FROM message WHERE id = ?", (row,)).fetchone() is not None

    def has_content(self, row: int) -> bool:
        """Whether its octets are here, too."""
        return (
            self._connection.execute("SELECT 1 FROM content WHERE message = ?", (row,)).fetchone() is not None
        )

    def shard_of(self, row: int) -> int:
        """The shard that made the message's id."""
        found = self._connection.execute("SELECT shard FROM message WHERE id = ?", (row,)).fetchone()
        return self._shard if found is None else int(found[0])

    def waiting_domains(self) -> Sequence[tuple[str, str]]:
        """See `interface.Spool.waiting_domains`."""
        found = []
        for domain, route in self._connection.execute(_DOMAINS).fetchall():
            try:
                found.append((domain.decode(), route.decode()))  # type: ignore[union-attr]
            except UnicodeDecodeError as error:
                for (row,) in self._connection.execute(_OF_DOMAIN, (domain, route)).fetchall():
                    self.set_aside(int(row), _no_text(error))  # type: ignore[arg-type]
        return found

    def next_due(self, route: str, after: float) -> float | None:
        """See `interface.Spool.next_due`."""
        for (due,) in self._connection.execute(NEXT_DUE, (route, after)):
            return float(due)
        return None

    def content(self, row: int, source: apsw.Connection | None = None) -> RawContent:
        """The content of a message that waits here; `source` is where its octets are, if elsewhere.

        Raises:
            KeyError: it is not here.
            DamagedEntry: it cannot be read.
        """
        if row in self._bad:
            raise DamagedEntry("the message was set aside")
        if source is not None and not self.has(row):
            raise KeyError(row)
        for values in (source or self._connection).execute(_CONTENT, (row,)):
            try:
                return checked_content(row, values)
            except DecodeError as error:
                self.set_aside(row, str(error))
                raise DamagedEntry(str(error)) from error
        if not self.has(row):
            raise KeyError(row)
        self.set_aside(row, "the message is there, but its content is not")
        raise DamagedEntry("the message is there, but its content is not")


def _no_text(error: UnicodeDecodeError) -> str:
    return f"a text in its rows cannot be read: {error}"


def checked_content(row: int, values: Row) -> RawContent:
    """A content whose header, and body where it is in the row, have their checksums.

    Raises:
        DecodeError: they have not.
    """
    head, head_sum, body, body_sum, body_size = values
    if not isinstance(head, bytes) or not isinstance(body, bytes | None):
        raise DecodeError("the content is no octets")
    if checksum(head) != head_sum:
        raise DecodeError("the header does not have its checksum")
    if body is not None and (len(body), checksum(body)) != (body_size, body_sum):
        raise DecodeError("the body does not have its size and checksum")
    return RawContent(row, head, body, body_size, body_sum)  # type: ignore[arg-type]
