"""What joins a commit: new mail, settlements, and changes that a person asked for."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import TypeAlias

import apsw

from sams.spool import changes
from sams.spool.interface import Content, NewMessage, OnRefused, OnStored, QueuedRecipient, Settlement, Work
from sams.spool.keys import row_of
from sams.spool.records import message_row, outcome_text, queued, queued_recipients, recipient_row, works_of
from sams.spool.statements import Files, Rows
from sams.spool.stored_body import FileBody

HOUR = 3600
Lately: TypeAlias = dict[str, tuple[int, int]]
"""Of messages that were accepted lately, with their bodies in the database: row, and number of recipients."""
UNKNOWN = (0, 0)


class Arriving:
    """A message on its way into the tables.

    From here on its body's file is the spool's: discarding its writer does not remove it.
    """

    __slots__ = ("_body", "_row", "_size", "message", "octets", "shard")

    def __init__(self, message: NewMessage, shard: int) -> None:
        """Keep the parts.

        Args:
            message: what is to be stored.
            shard: the one that made its id.
        """
        self.message = message
        self.shard = shard
        self.octets = len(message.head)
        body = message.body
        self._body = octets = body.in_memory()
        if octets is not None:
            self.octets = self._size = self.octets + len(octets)
        else:
            self._size = self.octets + body.size
            if isinstance(body, FileBody):
                body.is_handed_over = True
        self._row = 0

    def add_to(self, rows: Rows) -> None:
        """Its rows."""
        message, shard = self.message, self.shard
        row, made_by = row_of(message.id)
        self._row = row
        if made_by != shard:
            raise ValueError(f"{message.id} is an id of shard {made_by}, not of {shard}")
        head, body = message.head, self._body
        body_sum = zlib.crc32(body) if body is not None else _file_of(message).checksum
        rows.messages += message_row(message, row, shard, self._size)
        rows.contents += (row, zlib.crc32(head), body_sum, self._size - len(head), head, body)
        for number, new in enumerate(message.recipients):
            rows.recipients += recipient_row(row, number, new, message.arrived)
        if message.charge:
            rows.uses[int(message.arrived // HOUR), message.login] += len(message.recipients)

    def work(self) -> tuple[Work, ...]:
        """The work of it when it is stored, with its content at hand."""
        return work_of(self.message, self._size)


class Accept(Arriving):
    """A message that a session waits for."""

    __slots__ = ("_lately", "_on_refused", "future")

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
        super().__init__(message, shard)
        self.future = future
        self._lately = lately
        self._on_refused = on_refused

    def committed(self) -> None:
        """250 may be said."""
        if self._body is not None:
            self._lately[self.message.id] = (self._row, len(self.message.recipients))
        if not self.future.done():
            self.future.set_result(work_of(self.message, self._size))

    def refused(self, failure: Exception) -> None:
        """Nothing is stored."""
        self._on_refused(self.message)
        _refuse(self.future, failure)


class AcceptLarge(Accept):
    """One whose sender can wait a moment longer, for small mail beside it waits for the same disk."""

    __slots__ = ()

    may_wait = True


class Settle:
    """The result of an attempt, with the reports that come of it."""

    __slots__ = ("_all", "_refused", "_reports", "_row", "_stored", "octets", "settlement")

    is_new_mail = False
    may_wait = True

    def __init__(
        self,
        settlement: Settlement,
        shard: int,
        stored: OnStored,
        refused: OnRefused,
        known: tuple[int, int] = UNKNOWN,
    ) -> None:
        """Keep the parts.

        Args:
            settlement: what is to be stored.
            shard: where reports are accepted.
            stored: called when it is on disk.
            refused: called when it is not stored.
            known: the message's entry of `Lately`: it goes with so many recipients, and nothing has to be looked up.
        """
        self.settlement = settlement
        self._reports = [Arriving(each, shard) for each in settlement.reports] if settlement.reports else ()
        self.octets = sum([each.octets for each in self._reports]) if self._reports else 0
        self._stored = stored
        self._refused = refused
        self._row, self._all = known

    def hand_on(self, settle: Callable[[Settlement, OnStored, OnRefused], None]) -> None:
        """Let another spool store it, or this one look at it again."""
        settle(self.settlement, self._stored, self._refused)

    def add_to(self, rows: Rows) -> None:
        """Its rows."""
        gone = {settled.number for settled in self.settlement.recipients if settled.due is None}
        is_whole = self._all > 0 and gone == set(range(self._all))
        if is_whole:  # nothing of the message is left: it goes by its row alone
            rows.whole.append(self._row)
        else:
            self._add_changes(gone, rows)
        for report in self._reports:
            report.add_to(rows)

    def committed(self) -> None:
        """The reports are work."""
        works = tuple([work for each in self._reports for work in each.work()]) if self._reports else ()
        try:
            self._stored(works)
        except Exception as error:  # noqa: BLE001 - a bug of one that hears must not keep it from the others
            _tell_of_bug("a settlement was stored, but not taken note of", error)

    def refused(self, failure: Exception) -> None:
        """The queue is as it was."""
        try:
            self._refused(failure)
        except Exception as error:  # noqa: BLE001 - as above
            _tell_of_bug("a settlement was refused, but not taken note of", error)

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


class SettleAside(Settle):
    """The result of an attempt at a message that was set aside while it was being sent."""

    __slots__ = ()

    def add_to(self, rows: Rows) -> None:
        """Where it lies now."""
        super().add_to(rows)
        rows.calls.append(self._take_out)

    def _take_out(self, connection: apsw.Connection) -> Files:
        row, _ = row_of(self.settlement.message_id)
        gone = [settled.number for settled in self.settlement.recipients if settled.due is None]
        return changes.settle_aside(connection, row, gone)


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


def work_of(message: NewMessage, size: int) -> tuple[Work, ...]:
    """The work of a message that was just stored, with its content (so many octets) at hand."""
    recipients = message.recipients
    waiting, content = queued(message, size), Content(message.head, message.body)
    if len(recipients) > 1:
        return works_of(waiting, queued_recipients(message), content)
    one = recipients[0]
    return (
        Work(waiting, one.route, (QueuedRecipient(0, one.recipient, one.route, message.arrived),), content),
    )


def _file_of(message: NewMessage) -> FileBody:
    """A body that is in its file."""
    body = message.body
    if not isinstance(body, FileBody) or body.path.name != message.id:
        raise ValueError(f"the body of {message.id} is neither in memory nor in its file")
    return body


def _tell_of_bug(message: str, error: Exception) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})


def _refuse(future: asyncio.Future[int] | asyncio.Future[tuple[Work, ...]], failure: Exception) -> None:
    if not future.done():
        future.set_exception(failure)
