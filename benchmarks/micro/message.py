"""A message from MAIL to what a spool would take: policy, header, composition, and the quota charged. No disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from benchmarks.micro.samples import CONTENT
from sams.config.model import Senders, Trace
from sams.core.address import parse_mailbox
from sams.core.clock import SystemClock
from sams.core.envelope import Body, Recipient
from sams.identity.interface import Identity
from sams.message.header import HeaderLimits
from sams.message.mime import MimeLimits
from sams.policy.quota import Quota, QuotaBooks, QuotaSettings
from sams.policy.senders import SenderPolicy
from sams.protocol.smtp.events import Mail, MailParameters
from sams.spool.interface import NewRecipient, StoredBody
from sams.spool.stored_body import MemoryBody
from sams.submission.composition import Arrival, Composed, Composer
from sams.submission.transaction import Transaction

_ALICE = parse_mailbox("alice@example.org")
_MEMBER = Identity("alice", ("alice@example.org",), (), _ALICE, 1)
_MAIL = Mail(_ALICE, MailParameters(body=Body.EIGHT_BIT_MIME))
_RECIPIENT = NewRecipient(Recipient(parse_mailbox("bob@example.net")), "hub")
_TLS = ("_TLSv1.3", "TLS_AES_256_GCM_SHA384")
_NO_LIMIT = 1 << 40


class Kept:
    """A body writer that keeps the pieces in a list."""

    is_congested = False

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        """Take a piece."""
        self._pieces.append(chunk)

    def drained(self) -> asyncio.Future[None]:
        """It is never congested."""
        raise AssertionError

    def finish(self) -> StoredBody:
        """All pieces as one."""
        return MemoryBody(b"".join(self._pieces))

    def discard(self) -> None:
        """Forget it."""
        self._pieces.clear()


class Path:
    """The steps of one message."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.senders = SenderPolicy(Senders())
        self.quota = Quota(QuotaBooks(b"k" * 32, 1_024), self.clock, QuotaSettings(_NO_LIMIT, _NO_LIMIT))
        self.composer = Composer("smtp.example.org", self.senders, Trace())
        self.header_limits, self.mime_limits = HeaderLimits(), MimeLimits()
        self.complete = self.data()

    def envelope(self) -> Transaction:
        """MAIL and one RCPT."""
        assert self.senders.check_envelope(_MEMBER, _ALICE).reply is None
        transaction = Transaction(_MAIL)
        assert self.quota.foresee(_MEMBER, 1) is None
        transaction.recipients.append(_RECIPIENT)
        return transaction

    def data(self) -> tuple[Transaction, StoredBody]:
        """The content, in one piece; with the envelope before it."""
        transaction = self.envelope()
        transaction.begin("6C3V0ZCYZ1G0M00", Kept(), self.header_limits, self.mime_limits)
        transaction.feed(CONTENT)
        body = transaction.finish()
        assert isinstance(body, MemoryBody)
        return transaction, body

    def compose(self, transaction: Transaction, body: StoredBody) -> Composed:
        """Whose it is, and its new header."""
        arrival = Arrival("6C3V0ZCYZ1G0M01", "client", "192.0.2.1", True, _TLS, self.clock.now())
        return self.composer.compose(arrival, _MEMBER, transaction, body)

    def whole(self) -> Composed:
        """Everything."""
        composed = self.compose(*self.data())
        assert self.quota.charge(_MEMBER, 1).reply is None
        return composed


def _timed(loops: int, *, step: Callable[[Path], object]) -> float:
    path = Path()
    began = time.perf_counter()
    for _ in range(loops):
        step(path)
    return time.perf_counter() - began


PARTS: dict[str, Callable[[int], float]] = {
    "message, from MAIL to what is stored": partial(_timed, step=Path.whole),
    "message, envelope and content": partial(_timed, step=Path.data),
    "message, composition": partial(_timed, step=lambda path: path.compose(*path.complete)),
}
