"""What can still be read of a queue whose database has damaged pages, or lies on a disk with unreadable places.

Theory of operation
-------------------
A damaged page hides a range of rows of one of the tables, and no statement passes it. The rows behind it are found
by asking for the first row behind ever later places, and then by halving between the last place that failed and the
first that did not: some hundred short reads for each hole.

The numbers of messages stand in three tables that have pages of their own (message, recipient, content). All numbers
that any of them still has are looked at, one by one: a message whose row and recipients can be read goes on; of any
other is noted that it was there, with what can be read of it. Contents are only read when they are sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import apsw

from sams.spool.failures import UNREADABLE
from sams.spool.records import MESSAGE_COLUMNS, RECIPIENT_COLUMNS, RECIPIENTS_OF, Row, as_octets

_LAST = 2**63 - 1
_TREES = (
    "SELECT id FROM message WHERE id > ? ORDER BY id LIMIT ?",
    "SELECT DISTINCT message FROM recipient WHERE message > ? ORDER BY message LIMIT ?",
    "SELECT message FROM content WHERE message > ? ORDER BY message LIMIT ?",
)
_MESSAGE = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id = ?"  # noqa: S608 - constants
_MESSAGE_OCTETS = f"SELECT {as_octets(MESSAGE_COLUMNS)} FROM message WHERE id = ?"  # noqa: S608 - constants
_RECIPIENTS_OCTETS = f"SELECT {as_octets(RECIPIENT_COLUMNS)} FROM recipient WHERE message = ?"  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A step. `damaged`: row and reason of messages of which not all is readable; `last`: the place it reached."""

    messages: list[Row]
    recipients: list[Row]
    damaged: list[tuple[int, str]]
    last: int
    is_end: bool


def salvage(connection: apsw.Connection, after: int, limit: int) -> Salvaged:
    """The step behind a place. Blocks.

    Raises:
        apsw.Error: nothing at all can be read.
    """
    found = [numbers(connection, tree, after, limit) for tree in _TREES]
    if all(error is not None and not rows for rows, error in found):
        error = found[0][1]
        assert error is not None
        raise error
    full = [rows[-1] for rows, _ in found if len(rows) == limit]
    last = min(full, default=None)
    rows = sorted({row for some, _ in found for row in some if last is None or row <= last})
    step = Salvaged([], [], [], rows[-1] if rows else after, last is None)
    for row in rows:
        _take(connection, row, step)
    return step


def _take(connection: apsw.Connection, row: int, step: Salvaged) -> None:
    """What is known of one message."""
    messages, trouble = _legible(connection, _MESSAGE, _MESSAGE_OCTETS, row)
    recipients, worse = _legible(connection, RECIPIENTS_OF, _RECIPIENTS_OCTETS, row)
    step.messages.extend(messages)
    step.recipients.extend(recipients)
    error = trouble or worse
    if error is not None:
        step.damaged.append((row, f"a part of the database cannot be read: {error}"))
    elif not messages or not recipients:
        missing = "its recipients are" if messages else "the row of the message is"
        step.damaged.append((row, f"{missing} not in the database any more"))


def _legible(
    connection: apsw.Connection, statement: str, octets: str, row: int
) -> tuple[list[Row], Exception | None]:
    """Rows; with texts as octets where one of them is none any more."""
    try:
        return _rows(connection, statement, row)
    except UnicodeDecodeError as error:
        return _rows(connection, octets, row)[0], error


def _rows(connection: apsw.Connection, statement: str, row: int) -> tuple[list[Row], Exception | None]:
    found: list[Row] = []
    try:
        found.extend(connection.execute(statement, (row,)))
    except UNREADABLE as error:
        return found, error
    return found, None


def numbers(
    connection: apsw.Connection, tree: str, after: int, limit: int
) -> tuple[list[int], Exception | None]:
    """Numbers behind a place that a table still has, rising; and the last error on the way.

    `tree` asks for the first ones behind a place, a limited number of them.
    """
    found: list[int] = []
    trouble: Exception | None = None
    place: int | None = after
    while place is not None and len(found) < limit:
        try:
            for (number,) in connection.execute(tree, (place, limit - len(found))):
                place = int(number)
                found.append(place)
        except UNREADABLE as error:
            trouble = error
            place = _beyond(lambda start: _can_read(connection, tree, start), found[-1] if found else place)
        else:
            break
    return found, trouble


def _can_read(connection: apsw.Connection, tree: str, start: int) -> bool:
    try:
        connection.execute(tree, (start, 1)).fetchall()
    except UNREADABLE:
        return False
    return True


def _beyond(can_read: Callable[[int], bool], place: int) -> int | None:
    """The first place behind a hole that begins at `place`; None: it has no end."""
    step = 1
    while not can_read(min(place + step, _LAST)):
        if place + step >= _LAST:
            return None
        step *= 2
    low, high = place + step // 2, min(place + step, _LAST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if can_read(middle) else (middle, high)
    return high
