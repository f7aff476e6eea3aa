"""What joins a commit: new mail, settlements, and changes that a person asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import apsw

from sams.spool.interface import Content, NewMessage, Settlement, Work
from sams.spool.keys import row_of
from sams.spool.records import (
    checksum,
    message_row,
    outcome_text,
    queued,
    queued_recipients,
    recipient_rows,
    works_of,
)
from sams.spool.statements import Files, Rows
from sams.spool.storedbody import FileBody

HOUR = 3600


class Accept:
    """A message that is to be stored."""

    __slots__ = ("_on_refused", "future", "message", "octets", "shard")

    is_new_mail = True

    def __init__(
        self,
        message: NewMessage,
        shard: int,
        future: asyncio.Future[tuple[Work, ...]],
        on_refused: Callable[[NewMessage], None],
    ) -> None:
        self.message = message
        self.shard = shard
        self.future = future
        self.octets = stored_octets(message)
        hand_over(message)
        self._on_refused = on_refused

    def add_to(self, rows: Rows) -> None:
        """Its rows."""
        add_message(self.message, self.shard, rows)

    def committed(self) -> None:
        """250 may be said."""
        if not self.future.done():
            self.future.set_result(work_of(self.message))

    def refused(self, failure: Exception) -> None:
        """Nothing is stored."""
        self._on_refused(self.message)
        _refuse(self.future, failure)


class Settle:
    """The result of an attempt, with the reports that come of it."""

    __slots__ = ("future", "octets", "settlement", "shard")

    is_new_mail = False

    def __init__(self, settlement: Settlement, shard: int, future: asyncio.Future[tuple[Work, ...]]) -> None:
        self.settlement = settlement
        self.shard = shard
        self.future = future
        self.octets = sum(map(stored_octets, settlement.reports))
        for report in settlement.reports:
            hand_over(report)

    def add_to(self, rows: Rows) -> None:
        """Its rows."""
        row, _ = row_of(self.settlement.message_id)
        before = len(rows.left)
        for settled in self.settlement.recipients:
            if settled.due is None:
                rows.left.append((row, settled.number))
            else:
                last = outcome_text(settled.outcome)
                rows.deferred.append(
                    (settled.due, int(settled.counts), last, int(settled.delay_told), row, settled.number)
                )
        if len(rows.left) > before:
            rows.touched.append((row,))
        for report in self.settlement.reports:
            add_message(report, self.shard, rows)

    def committed(self) -> None:
        """The reports are work."""
        if not self.future.done():
            self.future.set_result(
                tuple(work for report in self.settlement.reports for work in work_of(report))
            )

    def refused(self, failure: Exception) -> None:
        """The queue is as it was."""
        _refuse(self.future, failure)


class Change:
    """Something seldom, with statements of its own; the result is what `apply` counted."""

    __slots__ = ("_apply", "_count", "future", "octets")

    is_new_mail = False

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


def add_message(message: NewMessage, shard: int, rows: Rows) -> None:
    """The rows of a new message."""
    row, made_by = row_of(message.id)
    if made_by != shard:
        raise ValueError(f"{message.id} is an id of shard {made_by}, not of {shard}")
    body, octets = message.body, message.body.in_memory()
    if octets is not None:
        body_sum = checksum(octets)
    elif isinstance(body, FileBody) and body.path.name == message.id:
        body_sum = body.checksum
    else:
        raise ValueError(f"the body of {message.id} is neither in memory nor in its file")
    rows.messages.append(message_row(message, row, shard, len(message.head) + body.size))
    rows.contents.append((row, checksum(message.head), body_sum, body.size, message.head, octets))
    rows.recipients += recipient_rows(message, row)
    if message.charge:
        use = (int(message.arrived // HOUR), message.login)
        rows.uses[use] = rows.uses.get(use, 0) + len(message.recipients)


def work_of(message: NewMessage) -> tuple[Work, ...]:
    """The work of a message that was just stored, with its content at hand."""
    waiting = queued(message, len(message.head) + message.body.size)
    return works_of(waiting, queued_recipients(message), Content(message.head, message.body))


def hand_over(message: NewMessage) -> None:
    """From here on the body file is the spool's: discarding its writer does not remove it."""
    if isinstance(message.body, FileBody):
        message.body.is_handed_over = True


def stored_octets(message: NewMessage) -> int:
    """What a message brings to its batch."""
    octets = message.body.in_memory()
    return len(message.head) + (0 if octets is None else len(octets))


def _refuse(future: asyncio.Future[int] | asyncio.Future[tuple[Work, ...]], failure: Exception) -> None:
    if not future.done():
        future.set_exception(failure)
