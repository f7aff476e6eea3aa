"""What joins a commit: new mail, settlements, and changes that a person asked for."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import TypeAlias

import apsw

from sams.spool.interface import Content, NewMessage, QueuedRecipient, Settlement, Work
from sams.spool.keys import row_of
from sams.spool.records import message_row, outcome_text, queued, queued_recipients, recipient_row, works_of
from sams.spool.statements import Files, Rows
from sams.spool.storedbody import FileBody

HOUR = 3600
Lately: TypeAlias = dict[str, tuple[int, int]]
"""Of messages that were accepted lately, with their bodies in the database: row, and number of recipients."""
UNKNOWN = (0, 0)


class Accept:
    """A message that is to be stored."""

    __slots__ = ("_lately", "_on_refused", "_row", "future", "message", "octets", "shard")

    is_new_mail = True
    may_wait = False

    def __init__(
        self,
        message: NewMessage,
        shard: int,
        future: asyncio.Future[tuple[Work, ...]],
        lately: Lately,
        on_refused: Callable[[NewMessage], None],
    ) -> None:
        """Keep the parts.

        Args:
            message: what is to be stored.
            shard: the one that made its id.
            future: done when it is on disk.
            lately: where it is noted then, for its settlement.
            on_refused: called when it is not stored.
        """
        self.message = message
        self.shard = shard
        self.future = future
        self.octets = take(message)
        self._row = 0
        self._lately = lately
        self._on_refused = on_refused

    def add_to(self, rows: Rows) -> None:
        """Its rows."""
        self._row = add_message(self.message, self.shard, rows)

    def committed(self) -> None:
        """250 may be said."""
        message = self.message
        if message.body.in_memory() is not None:
            self._lately[message.id] = (self._row, len(message.recipients))
        if not self.future.done():
            self.future.set_result(work_of(message))

    def refused(self, failure: Exception) -> None:
        """Nothing is stored."""
        self._on_refused(self.message)
        _refuse(self.future, failure)


class Settle:
    """The result of an attempt, with the reports that come of it."""

    __slots__ = ("_all", "_row", "future", "octets", "settlement", "shard")

    is_new_mail = False
    may_wait = True

    def __init__(
        self,
        settlement: Settlement,
        shard: int,
        future: asyncio.Future[tuple[Work, ...]],
        known: tuple[int, int] = UNKNOWN,
    ) -> None:
        """Keep the parts.

        Args:
            settlement: what is to be stored.
            shard: where reports are accepted.
            future: done when it is on disk.
            known: the message's entry of `Lately`: it goes with so many recipients, and nothing has to be looked up.
        """
        self.settlement = settlement
        self.shard = shard
        self.future = future
        self.octets = sum(map(take, settlement.reports)) if settlement.reports else 0
        self._row, self._all = known

    def add_to(self, rows: Rows) -> None:
        """Its rows."""
        settlement = self.settlement
        gone = {settled.number for settled in settlement.recipients if settled.due is None}
        if gone and len(gone) == self._all > max(gone):
            rows.whole.append(self._row)
        else:
            self._add_changes(gone, rows)
        for report in settlement.reports:
            add_message(report, self.shard, rows)

    def committed(self) -> None:
        """The reports are work."""
        if not self.future.done():
            reports = self.settlement.reports
            self.future.set_result(
                tuple(work for report in reports for work in work_of(report)) if reports else ()
            )

    def refused(self, failure: Exception) -> None:
        """The queue is as it was."""
        _refuse(self.future, failure)

    def _add_changes(self, gone: set[int], rows: Rows) -> None:
        row, _ = row_of(self.settlement.message_id)
        if gone:
            rows.left += [(row, number) for number in gone]
            rows.touched.append(row)
        rows.deferred += [
            (one.due, int(one.counts), outcome_text(one.outcome), int(one.delay_told), row, one.number)
            for one in self.settlement.recipients
            if one.due is not None
        ]


class Change:
    """Something seldom, with statements of its own; the result is what `apply` counted."""

    __slots__ = ("_apply", "_count", "future", "octets")

    is_new_mail = False
    may_wait = False

    def __init__(
        self, apply: Callable[[apsw.Connection], tuple[int, Files]], future: asyncio.Future[int]
    ) -> None:
        """Keep the parts.

        Args:
            apply: runs statements; gives a number for the future, and messages whose body files go.
            future: done when it is on disk.
        """
        self._apply = apply
        self._count = 0
        self.future = future
        self.octets = 0

    def add_to(self, rows: Rows) -> None:
        """Run behind the rows of the others."""
        rows.calls.append(self._run)

    def _run(self, connection: apsw.Connection) -> Files:
        self._count, files = self._apply(connection)
        return files

    def committed(self) -> None:
        """The change is made."""
        if not self.future.done():
            self.future.set_result(self._count)

    def refused(self, failure: Exception) -> None:
        """Nothing is changed."""
        _refuse(self.future, failure)


def add_message(message: NewMessage, shard: int, rows: Rows) -> int:
    """The rows of a new message; the result is the number of its row."""
    row, made_by = row_of(message.id)
    if made_by != shard:
        raise ValueError(f"{message.id} is an id of shard {made_by}, not of {shard}")
    head, octets = message.head, message.body.in_memory()
    if octets is not None:
        body_size, body_sum = len(octets), zlib.crc32(octets)
    else:
        body_size, body_sum = _file_of(message)
    rows.messages += message_row(message, row, shard, len(head) + body_size)
    rows.contents += (row, zlib.crc32(head), body_sum, body_size, head, octets)
    for number, new in enumerate(message.recipients):
        rows.recipients += recipient_row(row, number, new, message.arrived)
    if message.charge:
        use = (int(message.arrived // HOUR), message.login)
        rows.uses[use] = rows.uses.get(use, 0) + len(message.recipients)
    return row


def work_of(message: NewMessage) -> tuple[Work, ...]:
    """The work of a message that was just stored, with its content at hand."""
    head, body, recipients = message.head, message.body, message.recipients
    waiting, content = queued(message, len(head) + body.size), Content(head, body)
    if len(recipients) > 1:
        return works_of(waiting, queued_recipients(message), content)
    one = recipients[0]
    return (
        Work(waiting, one.route, (QueuedRecipient(0, one.recipient, one.route, message.arrived),), content),
    )


def take(message: NewMessage) -> int:
    """Take charge of a message; the result is the octets it brings to its batch.

    From here on the body file is the spool's: discarding its writer does not remove it.
    """
    octets = message.body.in_memory()
    if octets is not None:
        return len(message.head) + len(octets)
    if isinstance(message.body, FileBody):
        message.body.is_handed_over = True
    return len(message.head)


def _file_of(message: NewMessage) -> tuple[int, int]:
    """The size and checksum of a body in a file."""
    body = message.body
    if not isinstance(body, FileBody) or body.path.name != message.id:
        raise ValueError(f"the body of {message.id} is neither in memory nor in its file")
    return body.size, body.checksum


def _refuse(future: asyncio.Future[int] | asyncio.Future[tuple[Work, ...]], failure: Exception) -> None:
    if not future.done():
        future.set_exception(failure)
