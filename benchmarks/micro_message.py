# ruff: noqa: T201 - a script of its own, which prints
"""What is done to the octets of one message, and what policy answers about it: CPU and calls, in one process.

Run it as `python benchmarks/micro_message.py [OCTETS]` (4096). No network, no disk: from MAIL to the `NewMessage`
that a spool would take, with the quota charged. `PARTS` names the steps, for whoever times them in another way.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import sys
import time
from collections.abc import Callable

from sams.config.model import Senders, Trace
from sams.core.address import parse_mailbox
from sams.core.clock import SystemClock
from sams.core.envelope import Body, Recipient
from sams.identity.interface import Identity
from sams.message.addresses import plain_address
from sams.message.header import HeaderLimits, take_header
from sams.message.mime import MimeLimits
from sams.policy.quota import Quota, QuotaBooks, QuotaSettings
from sams.policy.senders import SenderPolicy
from sams.protocol.smtp.events import Mail, MailParameters
from sams.spool.interface import NewRecipient, StoredBody
from sams.spool.storedbody import MemoryBody
from sams.submission.composition import Arrival, Composed, Composer
from sams.submission.transaction import Transaction

HEAD = (
    b"From: Ann Lee <ann@example.org>\r\nTo: Bob <bob@example.net>\r\nSubject: of a certain length\r\n"
    b"Date: Thu, 2 Jan 2025 10:00:00 +0000\r\nMessage-ID: <0123456789abcdef@client.example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nUser-Agent: a program/1.0\r\n\r\n"
)
LINE = b"x" * 70 + b"\r\n"
ANN = parse_mailbox("ann@example.org")
MEMBER = Identity("ann", ("ann@example.org",), (), ANN, 1)
MAIL = Mail(ANN, MailParameters(body=Body.EIGHT_BIT_MIME))
RECIPIENT = NewRecipient(Recipient(parse_mailbox("bob@example.net")), "hub")
TLS = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
NO_LIMIT = 1 << 40
ROUNDS, RUNS = 60, 200


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

    def __init__(self, octets: int) -> None:
        self.content = HEAD + LINE * ((octets - len(HEAD)) // len(LINE))
        self.clock = SystemClock()
        self.senders = SenderPolicy(Senders())
        self.quota = Quota(QuotaBooks(b"k" * 32, 1_024), self.clock, QuotaSettings(NO_LIMIT, NO_LIMIT))
        self.composer = Composer("smtp.example.org", self.senders, Trace())
        self.header_limits, self.mime_limits = HeaderLimits(), MimeLimits()
        self.author = b" Ann Lee <ann@example.org>"
        self.complete = self.data()

    def envelope(self) -> Transaction:
        """MAIL and one RCPT."""
        assert self.senders.check_envelope(MEMBER, ANN).reply is None
        transaction = Transaction(MAIL)
        assert self.senders.check_recipient_count(ANN, 1) is None
        assert self.quota.foresee(MEMBER, 1) is None
        transaction.recipients.append(RECIPIENT)
        return transaction

    def data(self) -> tuple[Transaction, StoredBody]:
        """The content, in one piece; with the envelope before it."""
        transaction = self.envelope()
        transaction.begin("6C3V0ZCYZ1G0M00", Kept(), self.header_limits, self.mime_limits)
        transaction.feed(self.content)
        body = transaction.finish()
        assert isinstance(body, MemoryBody)
        return transaction, body

    def compose(self, transaction: Transaction, body: StoredBody) -> Composed:
        """Whose it is, and its new header."""
        arrival = Arrival("6C3V0ZCYZ1G0M01", "client", "192.0.2.1", True, TLS, self.clock.now())
        return self.composer.compose(arrival, MEMBER, transaction, body)

    def whole(self) -> Composed:
        """Everything."""
        composed = self.compose(*self.data())
        assert self.quota.charge(MEMBER, 1).reply is None
        return composed

    def question_and_charge(self) -> None:
        """The quota alone."""
        self.quota.foresee(MEMBER, 1)
        self.quota.charge(MEMBER, 1)


PARTS: dict[str, Callable[[Path], object]] = {
    "whole": Path.whole,
    "envelope": Path.envelope,
    "envelope and content": Path.data,
    "header": lambda path: take_header(path.content),
    "composition": lambda path: path.compose(*path.complete),
    "author": lambda path: plain_address(path.author),
    "quota": Path.question_and_charge,
}


def seconds(part: Callable[[Path], object], path: Path) -> float:
    """The least of many short runs: what the machine does besides only adds."""
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(RUNS):
            part(path)
        least = min(least, (time.perf_counter() - began) / RUNS)
    return least


def calls(part: Callable[[Path], object], path: Path) -> float:
    """Calls of Python and C functions: a measure that no other load moves."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(RUNS):
        part(path)
    profile.disable()
    stats = pstats.Stats(profile)
    return float(getattr(stats, "total_calls", 0)) / RUNS


def main() -> None:
    """Measure each part."""
    path = Path(int(sys.argv[1]) if len(sys.argv) > 1 else 4096)
    for name, part in PARTS.items():
        print(f"{name:22} {seconds(part, path) * 1e6:8.2f} us {calls(part, path):7.1f} calls")


if __name__ == "__main__":
    main()
