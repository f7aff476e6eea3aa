"""What a spool is to the rest of the house: the values that go in and out, and one Protocol class.

A message is accepted once, in one commit with all its recipients; after that it only shrinks: recipients are
settled (delivered, failed) or get a new time, and with its last recipient the message goes. What must happen
together is one call: a failed recipient leaves in the very commit that accepts the report about it.

Storage and time are two things. A spool knows when a recipient is due and for which route, and nothing of
connections, back-off or attempts under way: that is the scheduler's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from sams.core.address import Mailbox
from sams.core.envelope import Body, Recipient, Ret
from sams.core.outcome import Outcome


class DamagedEntry(Exception):
    """A message that cannot be read: a row or a body file is missing, cut or changed. It is set aside."""


class StoredBody(Protocol):
    """The octets behind the header, in memory or in a file. Ends of lines are CRLF."""

    @property
    def size(self) -> int:
        """Octets."""
        ...

    def in_memory(self) -> bytes | None:
        """All of it where it is held in memory anyway, else None: read it by `chunks`."""
        ...

    def chunks(self, size: int = 65_536) -> AsyncIterator[bytes]:
        """Read it from the start, in pieces of at most `size`, without blocking the loop."""
        ...

    def blocking_chunks(self, size: int = 65_536) -> Iterator[bytes]:
        """The same for a thread that may block."""
        ...


class BodyWriter(Protocol):
    """Takes a body while it arrives: in memory up to 128 KiB, then in a file of the spool."""

    @property
    def size(self) -> int:
        """Octets taken so far."""
        ...

    @property
    def is_congested(self) -> bool:
        """More is waiting for the disk than it should: stop reading from the peer until `drained` is done."""
        ...

    def write(self, chunk: bytes) -> None:
        """Take a piece. Never blocks. A failure to store is kept and raised by `finish`."""
        ...

    def drained(self) -> asyncio.Future[None]:
        """Done when the writer is no longer congested (or has failed)."""
        ...

    def finish(self) -> StoredBody | asyncio.Future[StoredBody]:
        """The body is complete: at once where it is in memory, else when file and directory are synced.

        Raises (or the future does):
            TemporaryFailure: 452 4.3.1 when the disk is full, 451 4.3.0 when storing failed otherwise.
        """
        ...

    def discard(self) -> None:
        """Forget it, and remove its file. Allowed at any time before the body was accepted."""
        ...


class MessageFacts(msgspec.Struct, frozen=True, gc=False):
    """What reading the content told, so that delivery need not read it again."""

    has_8bit_body: bool = False
    has_8bit_header: bool = False
    is_binary: bool = False
    longest_line: int = 0


class NewRecipient(msgspec.Struct, frozen=True, gc=False):
    """A recipient to be stored: where it goes is decided before it is stored."""

    recipient: Recipient
    route: str


class NewMessage(msgspec.Struct, frozen=True, gc=False):
    """A message to be accepted.

    id: from `Spool.next_id`, already in the Received field.
    login: whose message it is, by the account's prepared login; empty for the service's own reports.
    reverse_path: None is `<>`.
    head: the header as it is passed on, with the empty line behind it.
    charge: whether its recipients count for the login's use (reports do not).
    """

    id: str
    login: str
    session: str
    reverse_path: Mailbox | None
    recipients: tuple[NewRecipient, ...]
    head: bytes
    body: StoredBody
    arrived: float
    facts: MessageFacts = MessageFacts()
    declared: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    charge: bool = True


class QueuedMessage(msgspec.Struct, frozen=True, gc=False):
    """A message as it waits, without its recipients and its octets; `Spool.load` brings those."""

    id: str
    login: str
    session: str
    reverse_path: Mailbox | None
    arrived: float
    size: int
    facts: MessageFacts
    declared: Body
    smtputf8: bool
    ret: Ret | None
    envid: str | None
    held: bool = False


class QueuedRecipient(msgspec.Struct, frozen=True, gc=False):
    """A recipient as it waits.

    number: its place in the message, from 0; stays when others leave.
    due: not before this time, UNIX seconds.
    attempts: of its own, so far. A dead route costs its recipients none.
    last: what the last attempt brought.
    delay_told: a delay notice about it was sent.
    """

    number: int
    recipient: Recipient
    route: str
    due: float
    attempts: int = 0
    last: Outcome | None = None
    delay_told: bool = False


class Content(msgspec.Struct, frozen=True, gc=False):
    """The octets of a message."""

    head: bytes
    body: StoredBody


class Work(msgspec.Struct, frozen=True, gc=False):
    """Recipients of one message and one route that are due.

    content: only where the message is still in memory from its acceptance; otherwise None, and `Spool.load`
        brings it when the attempt begins.
    """

    message: QueuedMessage
    route: str
    recipients: tuple[QueuedRecipient, ...]
    content: Content | None = None


class Settled(msgspec.Struct, frozen=True, gc=False):
    """What an attempt changed for one recipient.

    due: for a deferred recipient its next time; None takes the recipient out of the queue.
    """

    number: int
    outcome: Outcome
    due: float | None = None
    delay_told: bool = False
    counts: bool = True


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """The result of one attempt: recipients that leave or wait on, and the reports that come of it."""

    message_id: str
    recipients: tuple[Settled, ...]
    reports: tuple[NewMessage, ...] = ()


OnStored = Callable[[tuple[Work, ...]], None]
"""Hears that a settlement is on disk, with the work of its reports."""
OnRefused = Callable[[Exception], None]
"""Hears why it could not be stored."""


class DamagedMessage(msgspec.Struct, frozen=True, gc=False):
    """A message that was set aside, as far as it can be read.

    found: when, UNIX seconds. reason: why.
    login, sender: empty where unknown (sender also for `<>`). arrived, size: None where unknown.
    body_file: where its body is, if it is a file; the rest is in the shard's database.
    """

    id: str
    found: float
    reason: str
    login: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    arrived: float | None = None
    size: int | None = None
    body_file: str = ""


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """Where a claim stopped; the next one goes on behind it."""

    due: float
    message_id: str


class Search(msgspec.Struct, frozen=True, gc=False):
    """Which messages a person means. Fields that are None do not narrow."""

    ids: tuple[str, ...] | None = None
    login: str | None = None
    sender: str | None = None
    recipient: str | None = None
    route: str | None = None
    held: bool | None = None
    arrived_before: float | None = None


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A message with its recipients, for lists."""

    message: QueuedMessage
    recipients: tuple[QueuedRecipient, ...]


class RouteDepth(msgspec.Struct, frozen=True, gc=False):
    """How much waits for one route."""

    route: str
    recipients: int
    due: int
    oldest: float | None


class Use(msgspec.Struct, frozen=True, gc=False):
    """Recipients that a login sent to within one clock hour (`hour` = UNIX seconds // 3600)."""

    login: str
    hour: int
    recipients: int


class Spool(Protocol):
    """One shard, owned by this process for as long as it is open. Methods are called on the loop."""

    @property
    def shard(self) -> int:
        """The number of the shard that takes new mail; another one after it failed."""
        ...

    def next_id(self) -> str:
        """An id for the next message of this shard."""
        ...

    def new_body(self, message_id: str, /) -> BodyWriter:
        """A writer for the body of a message that arrives.

        Raises:
            TemporaryFailure: 452 4.3.1, less than `min_free` is free; 451 4.3.0, this shard takes no more.
        """
        ...

    def accept(self, message: NewMessage, /) -> asyncio.Future[tuple[Work, ...]]:
        """Store it. Done when the commit that holds it is on disk: only then may 250 be said.

        The result is the work that came of it, one per route, with the content still in memory: the caller
        hands it to the scheduler. A claim would bring it too: who claims leaves out what it has in hand.

        Raises (in the future):
            TemporaryFailure: 452 4.3.1 or 451 4.3.0; nothing of it is stored.
        """
        ...

    def settle(self, settlement: Settlement, stored: OnStored, refused: OnRefused, /) -> None:
        """Store what an attempt brought; one of the two is called, at once or later: `stored` when it is on disk.

        An exception of `stored` goes to the loop's handler of exceptions.
        """
        ...

    def claim(
        self, route: str, now: float, after: Cursor | None, limit: int
    ) -> tuple[Sequence[Work], Cursor | None]:
        """What is due for a route, oldest due first, at most `limit` messages, not held.

        The caller passes the cursor of the last claim to go on behind it, or None to begin at the front; it
        leaves out what it has in hand already. A None cursor in the result: there is no more.
        """
        ...

    def next_due(self, route: str, after: float) -> float | None:
        """When the first recipient of a route becomes due later than `after`; None: none waits."""
        ...

    def load(self, message_id: str) -> Content:
        """The octets of a message.

        Raises:
            KeyError: it is not here (any more).
            DamagedEntry: it cannot be read; it was set aside and an alarm was raised.
        """
        ...

    def reroute(self, route_of: Iterable[tuple[str, str]]) -> None:
        """Routes changed: (recipient domain key, route) for each domain that waits. See `waiting_domains`."""
        ...

    def waiting_domains(self) -> Sequence[tuple[str, str]]:
        """Each (recipient domain key, route) of which something waits."""
        ...

    def search(self, search: Search, after: str | None, limit: int) -> asyncio.Future[Sequence[Entry]]:
        """Messages by rising id behind `after`: a page at a time, each in a short transaction.

        A future, because a search that finds little has to read much: that is a thread's work. What was
        accepted or settled before the call is seen. A page shorter than `limit` is the last one.
        """
        ...

    def hold(self, search: Search) -> asyncio.Future[int]:
        """Stop delivery of what matches; the result is the number of messages. Lasts until `release`."""
        ...

    def release(self, search: Search) -> asyncio.Future[int]:
        """Let it go on, due at once."""
        ...

    def retry(self, search: Search, now: float) -> asyncio.Future[int]:
        """Make it due now."""
        ...

    def delete(self, search: Search) -> asyncio.Future[int]:
        """Remove it for good, without a report."""
        ...

    def damaged(self, after: str | None, limit: int) -> asyncio.Future[Sequence[DamagedMessage]]:
        """What was set aside, by rising id behind `after`: a page at a time."""
        ...

    def put_back(self, message_id: str) -> asyncio.Future[int]:
        """Let a message that was set aside wait in the queue again; 0 where none has this id.

        Raises (in the future):
            OperatorError: it still cannot be read.
        """
        ...

    def discard(self, message_id: str) -> asyncio.Future[int]:
        """Remove a message that was set aside, for good; 0 where none has this id."""
        ...

    def depth(self, now: float) -> Sequence[RouteDepth]:
        """How much waits, by route."""
        ...

    def usage(self, since_hour: int) -> Iterable[Use]:
        """What logins have used, of each hour from `since_hour`: kept in the commits that accepted it."""
        ...

    def backup(self, target: str) -> asyncio.Future[None]:
        """Write a consistent copy of the shard into the new folder `target`, while it runs."""
        ...

    def close(self) -> asyncio.Future[None]:
        """Finish what waits for a commit, then let go of the lock."""
        ...
