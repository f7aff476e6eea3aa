"""What a batch changes, gathered as rows and run as few statements as there are kinds of rows.

A statement for each row of each message would cost more in calls than in work: a batch of 64 messages is
some seven statements here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import apsw

from sams.spool.records import INSERT_CONTENT, INSERT_MESSAGE, INSERT_RECIPIENT, Row

ADD_USE = (
    "INSERT INTO use_of_login (hour, login, recipients) VALUES (?,?,?) "
    "ON CONFLICT DO UPDATE SET recipients = recipients + excluded.recipients"
)
_DELETE_RECIPIENT = "DELETE FROM recipient WHERE message = ? AND number = ?"
_DEFER_RECIPIENT = (
    "UPDATE recipient SET due = ?, attempts = attempts + ?, last = ?, delay_told = max(delay_told, ?) "
    "WHERE message = ? AND number = ?"
)
_DELETE_MESSAGE = (
    "DELETE FROM message WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = ?1) "
    "RETURNING id, shard"
)
_DELETE_CONTENT = (
    "DELETE FROM content WHERE message = ?1 RETURNING CASE WHEN body IS NULL THEN message END, ?2"
)


Files: TypeAlias = list[tuple[int, int]]
"""Row and shard of messages whose body files are no longer wanted."""


@dataclass(slots=True)
class Rows:
    """The rows of a batch.

    left, deferred: parameters of recipients that leave or wait on.
    touched: messages that may have lost their last recipient.
    calls: changes that come seldom and bring their own statements.
    """

    messages: list[Row] = field(default_factory=list)
    contents: list[Row] = field(default_factory=list)
    recipients: list[Row] = field(default_factory=list)
    uses: dict[tuple[int, str], int] = field(default_factory=dict)
    left: list[Row] = field(default_factory=list)
    deferred: list[Row] = field(default_factory=list)
    touched: list[Row] = field(default_factory=list)
    calls: list[Callable[[apsw.Connection], Files]] = field(default_factory=list)

    def run(self, connection: apsw.Connection) -> Files:
        """Stage all rows; the result is the messages whose body files are no longer wanted once it is committed."""
        if self.messages:
            connection.executemany(INSERT_MESSAGE, self.messages)
            connection.executemany(INSERT_CONTENT, self.contents)
            connection.executemany(INSERT_RECIPIENT, self.recipients)
        if self.uses:
            connection.executemany(
                ADD_USE, [(hour, login, count) for (hour, login), count in self.uses.items()]
            )
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


def delete_if_done(connection: apsw.Connection, messages: list[Row]) -> Files:
    """Delete those messages that have no recipient left; the result is those that had a body file."""
    gone = connection.executemany(_DELETE_MESSAGE, messages).fetchall()
    return delete_contents(connection, gone)


def delete_contents(connection: apsw.Connection, messages: list[Row]) -> Files:
    """Delete the contents of messages (row, shard); the result is those that had a body file."""
    return [
        (row, shard) for row, shard in connection.executemany(_DELETE_CONTENT, messages) if row is not None
    ]
