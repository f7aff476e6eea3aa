"""The client engine against a hop that says anything: what it sent is read as a hop reads it, reply by reply."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar, cast

from sams.core.address import Mailbox
from sams.core.envelope import Envelope, Recipient
from sams.core.errors import TemporaryFailure
from sams.core.outcome import Result
from sams.core.reply import Reply
from sams.protocol.smtp.client import SmtpClient
from sams.protocol.smtp.client_message import OutgoingMessage
from sams.protocol.smtp.client_opening import Credentials, Opening, TlsUse
from sams.protocol.smtp.client_result import OutgoingTransaction, TransactionResult, Verdict
from sams.protocol.smtp.client_waits import (
    ConversationEnded,
    Dialogue,
    ForPiece,
    ForReply,
    ForTls,
    Wait,
    lost,
)
from sams.protocol.smtp.remote_reply import DEFAULT_LIMITS
from tests.fuzz import replies
from tests.fuzz.target import Target, pieces, split_head
from tests.protocol.smtp.references import read_data

ME = Credentials("member", "the-secret")
SECRETS = (b64encode(b"\0member\0the-secret"), b64encode(b"the-secret"))
HEAD = b"Subject: x\r\n\r\n"
BODIES = (b"Hi\r\n", b".\r\n..\r\n\r\n.", b"", b"a.\r\n" * 20)
HELLO = (
    b"250 hop\r\n",
    b"250-hop\r\n250 PIPELINING\r\n",
    b"250-hop\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
    b"250-hop\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-LIMITS RCPTMAX=2 MAILMAX=2\r\n250 8BITMIME\r\n",
)
WORDS = (
    b"220 hi\r\n",
    b"250 2.1.0 ok\r\n",
    b"250-hop\r\n",
    b"250-STARTTLS\r\n",
    b"250 AUTH PLAIN LOGIN\r\n",
    b"235 2.7.0 ok\r\n",
    b"334 \r\n",
    b"354 go\r\n",
    b"452 4.5.3 too many\r\n",
    b"550 5.1.1 no\r\n",
    b"530 5.7.0 sign in\r\n",
    b"555 5.5.4 what\r\n",
    b"502 5.5.1 no\r\n",
    b"421 4.3.2 bye\r\n",
    b"451 4.3.0 later\r\n",
    b"\r\n",
)

_T = TypeVar("_T")


@dataclass(frozen=True)
class Body:
    """A body of a hundred octets or less, which may be one that has to be read in pieces."""

    content: bytes
    is_stored: bool

    @property
    def size(self) -> int:
        return len(self.content)

    def in_memory(self) -> bytes | None:
        return None if self.is_stored else self.content

    async def chunks(self, size: int = 5) -> AsyncIterator[bytes]:
        """Never run: the driver hands over `pieces` of the content."""
        for start in range(0, len(self.content), size):
            yield self.content[start : start + size]


@dataclass
class Driver:
    """Drives dialogues with what the hop says, and keeps what it was sent."""

    client: SmtpClient
    said: Iterator[bytes]
    verified: bool
    body: bytes = b""
    heard: bytes = b""
    sent: bytes = b""
    tls: bool = False
    steps: int = 0

    def run(self, dialogue: Dialogue[_T]) -> _T:
        """To its end."""
        source = iter(pieces(self.body, 2))
        try:
            wait = next(dialogue)
            while True:
                self.steps += 1
                assert self.steps < 3_000, "a dialogue without end"
                self.take()
                wait = self._go_on(dialogue, wait, source)
        except StopIteration as stop:
            self.take()
            return cast("_T", stop.value)

    def _go_on(self, dialogue: Dialogue[_T], wait: Wait, source: Iterator[bytes]) -> Wait:
        if isinstance(wait, ForTls):
            self.tls = True
            self.client.secured(verified=self.verified)
            return next(dialogue)
        if isinstance(wait, ForPiece):
            return dialogue.send(next(source, b""))
        is_reply = isinstance(wait, ForReply)
        piece = next(self.said, None)
        while piece is not None:
            self.heard += piece
            if self.client.receive(piece) or not is_reply:
                return next(dialogue)
            piece = next(self.said, None)
        return dialogue.throw(lost(wait.stage)) if is_reply else next(dialogue)

    def take(self) -> None:
        """What is written, which is no secret but in TLS whose name was verified."""
        outgoing = b"".join(self.client.take_outgoing())
        if not (self.tls and self.verified):
            assert not any(secret in outgoing for secret in SECRETS), "a password in clear"
        self.sent += outgoing


@dataclass
class Heard:
    """One transaction as the hop sees it: its replies to our commands. content: None where it did not end.

    Behind a refused RSET the transaction before may go on: RCPT and the message count without a MAIL.
    """

    mail: int = 0
    reset: int = 250
    rcpts: list[int] = field(default_factory=list)
    data: int = 0
    end: int = 0
    content: bytes | None = None

    @property
    def took(self) -> list[bool]:
        """For whom the hop took the message."""
        is_open = 200 <= self.mail < 300 or self.reset >= 300
        is_taken = 200 <= self.end < 300 and is_open
        return [is_taken and 200 <= code < 300 for code in self.rcpts]


def as_the_hop_sees_it(sent: bytes, codes: list[int]) -> list[Heard]:
    """Read our octets with the hop's replies: each command has the next reply."""
    transactions: list[Heard] = []
    answers, reset = iter(codes), 250
    while sent:
        line, _, sent = sent.partition(b"\r\n")
        verb, code = line[:4].upper(), next(answers, 0)
        if verb == b"MAIL":
            transactions.append(Heard(code, reset))
            reset = 250
        elif verb == b"RCPT":
            transactions[-1].rcpts.append(code)
        elif verb == b"DATA":
            transactions[-1].data = code
            if code == 354:
                content, behind = read_data(sent)
                sent = behind or b""
                transactions[-1].content = content if behind is not None else None
                transactions[-1].end = next(answers, 0)
        elif verb == b"BDAT":
            size = int(line.split()[1])
            transactions[-1].content = sent[:size] if len(sent) >= size else None
            transactions[-1].end, sent = code, sent[size:]
        else:
            assert line == b"RSET", f"the hop would take this for a command: {line!r}"
            reset = code
    return transactions


def agree(
    transaction: OutgoingTransaction, result: TransactionResult, heard: Heard | None, body: bytes
) -> None:
    """What we tell of a transaction is what the hop did."""
    message = HEAD + body
    count = len(transaction.envelope.recipients)
    assert len(result.verdicts) == count
    taken = heard.took if heard is not None else []
    taken += [False] * (count - len(taken))
    for verdict, is_taken in zip(result.verdicts, taken, strict=True):
        assert (verdict is not None and verdict.result is Result.DELIVERED) == is_taken, (result, heard)
        if verdict is not None:
            agree_verdict(verdict.result, verdict.reply)
    if heard is not None and heard.content is not None:
        whole = {message, message + b"\r\n"} if heard.data else {message}
        assert heard.content in whole or (heard.content == b"" and not any(taken)), heard
    if None in result.verdicts and not result.distrust:  # else a conversation without that follows
        assert result.broke_off is None
        assert any(verdict is not None for verdict in result.verdicts), (
            "nobody got a verdict: this never ends"
        )


def agree_verdict(result: Result, reply: Reply) -> None:
    """The class of the reply is that of the result, and its text is bounded."""
    assert result is {2: Result.DELIVERED, 4: Result.DEFERRED, 5: Result.FAILED}[reply.code // 100] or (
        result is Result.DEFERRED
    )
    assert sum(map(len, reply.lines)) <= 4 * DEFAULT_LIMITS.total_kept


class Listener:
    """Hears what came of a group."""

    def __init__(self, transactions: list[OutgoingTransaction]) -> None:
        self.results: list[TransactionResult] = []
        self._transactions = transactions

    def taken(self, end: Reply) -> None:
        """The hop took the next one."""
        verdict = Verdict(Result.DELIVERED, end, by_peer=True)
        count = len(self._transactions[len(self.results)].envelope.recipients)
        self.results.append(TransactionResult((verdict,) * count))

    def ended(self, result: TransactionResult) -> None:
        """Something else came of it."""
        self.results.append(result)


def run(data: bytes) -> None:
    """Four octets choose the opening, the hop's offer, the message and the cuts."""
    (how, offer, shape, cuts), stream = split_head(data, 4)
    opening = Opening(
        "me.example.org",
        list(TlsUse)[how % 4],
        ME if how & 4 else None,
        frozenset({"CHUNKING"}) if how & 8 else frozenset(),
    )
    if how & 64:
        opening = replace(opening, tls=TlsUse.NEVER, credentials=None)
        stream = b"220 hi\r\n" + HELLO[offer % 4] + stream
    driver = Driver(SmtpClient(opening), iter(pieces(stream, cuts)), verified=bool(how & 16))
    try:
        driver.run(driver.client.opening())
    except ConversationEnded:
        return
    assert driver.client.is_reusable
    assert opening.tls in {TlsUse.NEVER, TlsUse.IF_OFFERED} or driver.tls, "TLS was demanded"
    _transactions(driver, shape)


def _transactions(driver: Driver, shape: int) -> None:
    driver.body = BODIES[shape & 3]
    body = Body(driver.body, is_stored=bool(shape & 4))
    recipients = [
        Recipient(Mailbox(f"r{number}", f"d{number % 2}.example")) for number in range(1 + (shape >> 4) % 6)
    ]
    transaction = OutgoingTransaction(Envelope(None, tuple(recipients)), OutgoingMessage(HEAD, body))
    for _ in range(3):
        if not driver.client.is_reusable:
            return
        driver.sent = b""
        heard = replies.reference(driver.heard, 1_000, DEFAULT_LIMITS)[0]
        before = len(heard)
        if shape & 8 and driver.client.takes_groups:
            _group(driver, transaction, before)
        else:
            _one(driver, transaction, before)


def _codes(driver: Driver, before: int) -> list[int]:
    """The replies to what was sent since."""
    heard = replies.reference(driver.heard, 10_000, DEFAULT_LIMITS)[0]
    return [code for code, _, _ in islice(heard, before, None)]


def _one(driver: Driver, transaction: OutgoingTransaction, before: int) -> None:
    try:
        result = driver.run(driver.client.transaction(transaction))
    except TemporaryFailure:
        return
    heard = as_the_hop_sees_it(driver.sent, _codes(driver, before))
    assert len(heard) <= 1
    agree(transaction, result, heard[0] if heard else None, driver.body)


def _group(driver: Driver, transaction: OutgoingTransaction, before: int) -> None:
    listener = Listener([transaction] * 3)
    group = driver.client.group(listener, 3)
    while group.say(transaction):
        pass
    if not group.count:
        _one(driver, transaction, before)
        return
    driver.run(driver.client.send(group))
    heard = as_the_hop_sees_it(driver.sent, _codes(driver, before))
    assert len(listener.results) == group.count == len(heard)
    for result, one in zip(listener.results, heard, strict=True):
        agree(transaction, result, one, driver.body)


TARGET = Target(run, WORDS, 500)
