"""What a batch changes, gathered as rows and run as few statements as there are kinds of rows.

A statement for each row of each message would cost more in calls than in work: a batch of 64 messages is
some 20 statements here. New rows go by statements of many rows, what leaves by its numbers in one array.
RETURNING costs more than a DELETE itself, so it is used only where it is not known what will be found.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import apsw

from sams.spool.records import CONTENT_COLUMNS, MESSAGE_COLUMNS, RECIPIENT_COLUMNS, Row, Value

Files: TypeAlias = list[tuple[int, int]]
"""Row and shard of messages whose body files are no longer wanted."""

_ROWS_AT_ONCE = (16, 4, 1)
"""Rows of one INSERT: few texts, so that they all stay prepared."""
_ON_CONFLICT = "ON CONFLICT DO UPDATE SET recipients = recipients + excluded.recipients"
_DELETE_RECIPIENT = "DELETE FROM recipient WHERE message = ? AND number = ?"
_DEFER_RECIPIENT = (
    "UPDATE recipient SET due = ?, attempts = attempts + ?, last = ?, delay_told = max(delay_told, ?) "
    "WHERE message = ? AND number = ?"
)
_DELETE_IF_DONE = (
    "DELETE FROM message WHERE id IN carray(?) AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = message.id) "
    "RETURNING id, shard"
)
_DELETE_CONTENTS = "DELETE FROM content WHERE message IN carray(?) RETURNING message, body IS NULL"
_DELETE_WHOLE = (
    "DELETE FROM recipient WHERE message IN carray(?)",
    "DELETE FROM message WHERE id IN carray(?)",
    "DELETE FROM content WHERE message IN carray(?)",
)


class Insert:
    """An INSERT of any number of rows, whose values lie one behind the other in one list."""

    __slots__ = ("_texts", "_width")

    def __init__(self, table: str, columns: str, end: str = "") -> None:
        self._width = columns.count(",") + 1
        head, row = f"INSERT INTO {table} ({columns})", f"({','.join('?' * self._width)})"
        self._texts = [
            (count * self._width, f"{head} VALUES {','.join([row] * count)} {end}") for count in _ROWS_AT_ONCE
        ]

    def run(self, connection: apsw.Connection, values: Sequence[Value]) -> None:
        """Insert all rows."""
        start, end = 0, len(values)
        for step, text in self._texts:
            while end - start >= step:
                connection.execute(text, values[start : start + step])
                start += step


_MESSAGES = Insert("message", MESSAGE_COLUMNS)
_CONTENTS = Insert("content", CONTENT_COLUMNS)
_RECIPIENTS = Insert("recipient", RECIPIENT_COLUMNS)
_NO_ROWS = array("q", (-1,))
_USES = Insert("use_of_login", "hour, login, recipients", _ON_CONFLICT)


class Rows:
    """The rows of a batch.

    messages, contents, recipients: values of new rows, one row behind the other.
    uses: recipients by hour and login.
    left, deferred: parameters of recipients that leave or wait on.
    touched: messages that may have lost their last recipient.
    whole: messages that go with all their recipients, and that have no body file.
    calls: changes that come seldom and bring their own statements.
    """

    __slots__ = (
        "calls",
        "contents",
        "deferred",
        "left",
        "messages",
        "recipients",
        "touched",
        "uses",
        "whole",
    )

    def __init__(self) -> None:
        self.messages: list[Value] = []
        self.contents: list[Value] = []
        self.recipients: list[Value] = []
        self.uses: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.left: list[Row] = []
        self.deferred: list[Row] = []
        self.touched: list[int] = []
        self.whole: list[int] = []
        self.calls: list[Callable[[apsw.Connection], Files]] = []

    def run(self, connection: apsw.Connection) -> Files:
        """Stage all rows; the result is the messages whose body files are no longer wanted once it is committed."""
        if self.messages:
            _MESSAGES.run(connection, self.messages)
            _CONTENTS.run(connection, self.contents)
            _RECIPIENTS.run(connection, self.recipients)
        if self.uses:
            add_uses(connection, [(hour, login, count) for (hour, login), count in self.uses.items()])
        if self.whole:
            numbers = array_of(self.whole)
            for statement in _DELETE_WHOLE:
                connection.execute(statement, (numbers,))
        return self._run_changes(connection)

    def _run_changes(self, connection: apsw.Connection) -> Files:
        if self.left:
            connection.executemany(_DELETE_RECIPIENT, self.left)
        if self.deferred:
            connection.executemany(_DEFER_RECIPIENT, self.deferred)
        files = delete_if_done(connection, self.touched) if self.touched else []
        for call in self.calls:
            files += call(connection)
        return files


def add_uses(connection: apsw.Connection, uses: Iterable[Row]) -> None:
    """Add to what logins have used: rows of hour, login, recipients."""
    _USES.run(connection, [value for use in uses for value in use])


def delete_contents(connection: apsw.Connection, messages: Iterable[Sequence[Any]]) -> Files:
    """Delete the contents of messages (row, shard); the result is those that had a body file."""
    shards: dict[int, int] = dict(messages)  # type: ignore[arg-type]  # two values each
    found = connection.execute(_DELETE_CONTENTS, (array_of(shards),))
    rows: list[Any] = [row for row, is_in_file in found if is_in_file]
    return [(row, shards[row]) for row in rows]


def array_of(numbers: Iterable[int]) -> apsw.CArrayBinding:
    """Row numbers as one parameter: `IN carray(?)`. For none stands one that no row has: apsw takes no empty one."""
    return apsw.carray(array("q", numbers) or _NO_ROWS, flags=apsw.SQLITE_CARRAY_INT64)


def delete_if_done(connection: apsw.Connection, messages: Iterable[int]) -> Files:
    """Delete those messages that have no recipient left; the result is those that had a body file."""
    gone = connection.execute(_DELETE_IF_DONE, (array_of(messages),)).fetchall()
    return delete_contents(connection, gone) if gone else []
