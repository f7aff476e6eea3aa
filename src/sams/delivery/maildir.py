"""Final delivery into Maildirs.

Theory of operation
-------------------
A message is written to `tmp/`, synced, renamed into `new/`, and `new/` is synced: whoever reads the Maildir sees
all of it or nothing, and after a power cut it is there or was never reported as delivered. Folders that are made
are synced into their parents for the same reason. All of it runs in a small pool of threads that is handed in.

The folder comes from a template of the administrator and an address of the envelope. What an address puts into
the path is one name and never more: no separator, no leading dot, nothing invisible; an address that would need
that has no mailbox here. Two spellings of one address have one Maildir: names are case-folded and normalised.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

from sams.core.address import AddressError, Mailbox, domain_key
from sams.core.clock import Clock
from sams.core.envelope import Recipient
from sams.core.errors import OperatorError, TemporaryFailure
from sams.core.outcome import Outcome, Result
from sams.core.reply import Reply, reply
from sams.core.syncing import sync_folder
from sams.core.text import visible
from sams.delivery.interface import AttemptResult, Hop, Landed
from sams.spool.interface import Content, StoredBody, Work

_FOLDERS = ("cur", "new", "tmp")
"""`tmp` comes last: where it is, the others are."""
_PRIVATE = 0o700
_FILE = 0o600
_MAX_NAME = 255
_FIELDS = frozenset({"domain", "local"})
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]|\A\.|\A\Z")
_NO_HOST_CHARACTER = re.compile(r"[^A-Za-z0-9.-]")

LAST_WAIT = 5.0
"""Seconds that an attempt which is cut waits for its thread: a sync may be under way."""

_DELIVERED = reply(250, "2.0.0", "Stored in the mailbox")
_NO_MAILBOX = reply(550, "5.1.3", "There is no mailbox of this name here")
_FULL = reply(452, "4.3.1", "The disk with the mailboxes is full")
_QUOTA = reply(452, "4.2.2", "The mailbox is full")
_BROKEN = reply(451, "4.3.0", "The mailbox cannot be written")
_STOPPED = reply(451, "4.3.2", "The attempt was stopped before the message was stored for all")
_REPLIES = {errno.ENOSPC: _FULL, errno.EDQUOT: _QUOTA, errno.ENAMETOOLONG: _NO_MAILBOX}


class NoMailbox(Exception):
    """The address cannot be the name of a mailbox."""


@dataclass(frozen=True, slots=True)
class MaildirTemplate:
    """Where Maildirs are: a path with `{domain}` and `{local}`, or one without, for all recipients together.

    Raises:
        OperatorError: another field, a path that is not absolute, or a field among the path's first folders
            that would make the addresses choose where in the file system they are.
    """

    text: str

    def __post_init__(self) -> None:
        try:
            fields = {name for _, name, _, _ in string.Formatter().parse(self.text) if name is not None}
        except ValueError as error:
            raise OperatorError(f"Maildir path {self.text!r}: {error}") from None
        if not fields <= _FIELDS:
            raise OperatorError(f"Maildir path {self.text!r}: only {{domain}} and {{local}} may stand in it")
        parts = self.text.split("/")
        if not self.text.startswith("/") or len(parts) < 3 or "{" in parts[1] or ".." in parts:
            raise OperatorError(f"Maildir path {self.text!r} has to begin with a folder, such as /var/mail")

    def path(self, mailbox: Mailbox) -> Path:
        """The Maildir of a mailbox.

        Raises:
            NoMailbox: the address cannot name one.
        """
        if "{" not in self.text:
            return Path(self.text)
        try:
            domain = domain_key(mailbox.domain)
        except AddressError as error:
            raise NoMailbox(str(error)) from None
        return Path(self.text.format(domain=_safe(domain), local=_safe(mailbox.local)))


@dataclass(slots=True)
class _Delivery:
    """What the thread of one attempt has brought so far. is_cut: it stores for nobody else."""

    outcomes: list[tuple[int, Outcome]] = field(default_factory=list)
    is_cut: bool = False


class Maildir:
    """Implements `NextHop`.

    host: this machine's name, as file names carry it.
    """

    is_final = True

    def __init__(
        self, template: MaildirTemplate, executor: Executor, clock: Clock, *, host: str, connections: int = 4
    ) -> None:
        """Deliver into Maildirs.

        executor: threads that may block; `connections`: so many deliveries at once.
        """
        self._template = template
        self._executor = executor
        self._clock = clock
        self._names = _Names(clock, _NO_HOST_CHARACTER.sub("-", host))
        self.connections = connections

    @property
    def open_connections(self) -> int:
        """None: there is nothing to connect to."""
        return 0

    async def deliver(self, work: Work, content: Content) -> AttemptResult:
        """Store the message for each recipient of the work. See `NextHop.deliver`."""
        delivery = _Delivery()
        storing = self._executor.submit(self._store_all, delivery, work, content)
        try:
            await asyncio.wrap_future(storing)
        except asyncio.CancelledError:
            delivery.is_cut = True
            await _ended(storing)
            if not delivery.outcomes:
                raise
        return self._result(delivery, work)

    @property
    def group_size(self) -> int:
        """One: each work takes a thread."""
        return 1

    @property
    def has_idle_connection(self) -> bool:
        """None: there is nothing to connect to."""
        return False

    def deliver_group(
        self,
        parcels: Sequence[tuple[Work, Content]],
        landed: Landed,
        over: Callable[[Exception | None], None],
    ) -> None:
        """Nothing goes without a wait for a thread."""

    async def close(self) -> None:
        """Nothing is open."""

    def _result(self, delivery: _Delivery, work: Work) -> AttemptResult:
        if len(delivery.outcomes) == len(work.recipients):
            return AttemptResult(delivery.outcomes)
        stopped = Outcome(Result.DEFERRED, _STOPPED, "", self._clock.now())
        return AttemptResult(tuple(delivery.outcomes), Hop.DOWN, stopped)

    def _store_all(self, delivery: _Delivery, work: Work, content: Content) -> None:
        for queued in work.recipients:
            if delivery.is_cut:
                return
            outcome = self._store(work.message.reverse_path, queued.recipient, content)
            delivery.outcomes.append((queued.number, outcome))

    def _store(self, reverse_path: Mailbox | None, recipient: Recipient, content: Content) -> Outcome:
        answer, result = _DELIVERED, Result.DELIVERED
        try:
            folder = self._template.path(recipient.mailbox)
            trace = _trace(reverse_path, recipient.mailbox)
            store(folder, self._names.next(), itertools.chain((trace,), _unix_lines(content)))
        except NoMailbox:
            answer, result = _NO_MAILBOX, Result.FAILED
        except TemporaryFailure as failure:  # the message cannot be read from the spool now
            answer, result = failure.reply, Result.DEFERRED
        except OSError as error:
            answer = _reply_to(error)
            result = Result.FAILED if answer.is_permanent else Result.DEFERRED
        return Outcome(result, answer, "", self._clock.now())


def store(folder: Path, name: str, pieces: Iterable[bytes]) -> None:
    """Write one message into a Maildir, which is made where missing. Durable when it returns.

    Raises:
        OSError: it was not written, or it is not sure to stay.
    """
    waiting, shown = folder / "tmp" / name, folder / "new" / name
    try:
        file = _create(waiting)
    except FileNotFoundError:
        _make(folder)
        file = _create(waiting)
    try:
        try:
            _write_all(file, pieces)
            os.fsync(file)
        finally:
            os.close(file)
        waiting.rename(shown)
        sync_folder(shown.parent)
    except BaseException:
        for each in (waiting, shown):  # it is stored again, under another name
            with contextlib.suppress(OSError):
                each.unlink()
        raise


async def _ended(storing: Future[None]) -> None:
    """A thread cannot be cut, and what it stores must not be stored again: wait some seconds for it.

    Raises:
        CancelledError: told a second time.
    """
    if not storing.cancelled():
        await asyncio.wait([asyncio.wrap_future(storing)], timeout=LAST_WAIT)


class _Names:
    """Names that no other delivery, process or machine gives (the Maildir's own rule)."""

    def __init__(self, clock: Clock, host: str) -> None:
        self._clock = clock
        self._host = host
        self._count = itertools.count(1)

    def next(self) -> str:
        seconds, micro = divmod(int(self._clock.now() * 1_000_000), 1_000_000)
        unique = f"M{micro}P{os.getpid()}Q{next(self._count)}R{os.urandom(4).hex()}"
        return f"{seconds}.{unique}.{self._host}"


def _safe(name: str) -> str:
    """One name in a path.

    Raises:
        NoMailbox: it would be more than one, or none.
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    if _UNSAFE.search(folded) or visible(folded) != folded or len(folded.encode()) > _MAX_NAME:
        raise NoMailbox(f"no mailbox can have the name {visible(name)}")
    return folded


def _trace(reverse_path: Mailbox | None, mailbox: Mailbox) -> bytes:
    """What final delivery adds (RFC 5321 section 4.4); a new line in an address would end in the header."""
    path = f"<{reverse_path}>" if reverse_path is not None else "<>"
    return f"Return-Path: {visible(path)}\nDelivered-To: {visible(str(mailbox))}\n".encode()


def _unix_lines(content: Content) -> Iterator[bytes]:
    r"""The message with the ends of lines that Maildirs have; a CR at a cut waits for what follows."""
    held = b""
    for piece in itertools.chain((content.head,), _body(content.body)):
        whole = held + piece if held else piece
        held = b"\r" if whole.endswith(b"\r") else b""
        yield (whole[:-1] if held else whole).replace(b"\r\n", b"\n")
    if held:
        yield held


def _body(body: StoredBody) -> Iterable[bytes]:
    whole = body.in_memory()
    return body.blocking_chunks() if whole is None else (whole,)


def _write_all(file: int, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(file, rest) :]


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE)


def _make(folder: Path) -> None:
    """The Maildir and what of its parents is missing, each synced into the folder that holds it."""
    missing = list(itertools.takewhile(lambda each: not each.is_dir(), (folder, *folder.parents)))
    for each in [*reversed(missing), *(folder / name for name in _FOLDERS)]:
        with contextlib.suppress(FileExistsError):
            each.mkdir(_PRIVATE)
        sync_folder(each.parent)


def _reply_to(error: OSError) -> Reply:
    """ENOSPC and its kin pass; so does whatever else the administrator can mend."""
    return _REPLIES.get(error.errno or 0, _BROKEN)
