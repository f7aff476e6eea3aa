"""The SMTP engines alone: bytes in, events and bytes out, answered with a plain yes."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.micro.samples import CONTENT, HEAD, TEXT
from sams.core.address import Mailbox, parse_mailbox
from sams.core.envelope import Envelope, Recipient
from sams.core.reply import Reply
from sams.delivery.fitting import BytesBody
from sams.protocol.smtp.client import SmtpClient
from sams.protocol.smtp.client_message import OutgoingMessage
from sams.protocol.smtp.client_opening import Opening
from sams.protocol.smtp.client_result import OutgoingTransaction, TransactionResult
from sams.protocol.smtp.client_waits import Dialogue, ForReply
from sams.protocol.smtp.events import Auth, BodyEnd, BodyStart, Event, Mail, Need, Rcpt
from sams.protocol.smtp.server import ServerEngine
from sams.protocol.smtp.settings import ServerSettings

_ANSWERS: dict[type[Event], Callable[[ServerEngine], object]] = {
    Auth: ServerEngine.accept_sign_in,
    Mail: ServerEngine.accept_sender,
    Rcpt: ServerEngine.accept_recipient,
    BodyStart: ServerEngine.accept_body,
    BodyEnd: lambda engine: engine.accept_message(b"250 2.0.0 Accepted\r\n"),
}
_SETTINGS = ServerSettings("smtp.example.org", Mailbox("postmaster", "example.org"))
_BEFORE = (b"EHLO client.example.org\r\n", b"STARTTLS\r\n")
_SIGN_IN = (b"EHLO client.example.org\r\n", b"AUTH PLAIN AGFsaWNlAGEtc2VjcmV0\r\n")
_ENVELOPE = b"MAIL FROM:<alice@example.org> SIZE=4096\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n"
_MESSAGE = (_ENVELOPE, CONTENT + b".\r\n")
_REPLIES = (
    b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go on\r\n",
    b"250 2.0.0 Ok: taken\r\n",
)
_GROUP = 8
_OK_LINE = b"250 2.0.0 Ok\r\n"
_EHLO = b"250-hop.example.net\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 52428800\r\n"
_EHLO_WITH_CHUNKING = _EHLO.replace(b"250 SIZE", b"250-CHUNKING\r\n250 SIZE")


def _say(engine: ServerEngine, *parts: bytes) -> None:
    """Hand the parts to the engine one by one, answer what it asks, and take its replies."""
    for part in parts:
        engine.receive(part)
        while not isinstance(event := engine.next_event(), Need):
            if type(event) in _ANSWERS:
                _ANSWERS[type(event)](engine)
        assert engine.take_output()


def _signed_in() -> ServerEngine:
    engine = ServerEngine(_SETTINGS, tls=False, reference=lambda: "0000-00")
    engine.greet()
    _say(engine, *_BEFORE)
    engine.tls_established()
    _say(engine, *_SIGN_IN)
    return engine


def server_fresh(loops: int) -> float:
    """Sessions of one message each, from the greeting to QUIT, with STARTTLS and sign-in."""
    began = time.perf_counter()
    for _ in range(loops):
        engine = _signed_in()
        _say(engine, *_MESSAGE, b"QUIT\r\n")
    return time.perf_counter() - began


def server_message(loops: int) -> float:
    """Further messages of a session."""
    engine = _signed_in()
    began = time.perf_counter()
    for _ in range(loops):
        _say(engine, *_MESSAGE)
    return time.perf_counter() - began


def _converse(client: SmtpClient, dialogue: Dialogue[object], replies: tuple[bytes, ...]) -> None:
    """Give the hop's replies, one whenever one is awaited; other waits come true at once."""
    waiting = iter(replies)
    for wait in dialogue:
        if isinstance(wait, ForReply):
            client.take_outgoing()
            client.receive(next(waiting))


def _opened(ehlo: bytes) -> SmtpClient:
    client = SmtpClient(Opening("smtp.example.org"))
    _converse(client, client.opening(), (b"220 hop.example.net\r\n", ehlo))
    return client


def _transaction() -> OutgoingTransaction:
    envelope = Envelope(parse_mailbox("alice@example.org"), (Recipient(parse_mailbox("bob@example.net")),))
    return OutgoingTransaction(envelope, OutgoingMessage(HEAD, BytesBody(TEXT)))


def client_message(loops: int) -> float:
    """Messages to one next hop that has no CHUNKING, over one connection."""
    transaction, client = _transaction(), _opened(_EHLO)
    began = time.perf_counter()
    for _ in range(loops):
        _converse(client, client.transaction(transaction), _REPLIES)
    assert client.transactions == loops
    return time.perf_counter() - began


class _Landed:
    """Counts what the hop took."""

    def __init__(self) -> None:
        self.count = 0

    def taken(self, _end: Reply) -> None:
        self.count += 1

    def ended(self, result: TransactionResult) -> None:
        raise AssertionError(result)


def client_group(loops: int) -> float:
    """Messages in groups to one next hop that has CHUNKING, over one connection; the replies come at once."""
    transaction, client, landed = _transaction(), _opened(_EHLO_WITH_CHUNKING), _Landed()
    began = time.perf_counter()
    while landed.count < loops:
        group = client.group(landed, min(_GROUP, loops - landed.count))
        while group.say(transaction):
            pass
        replies = 4 * group.count - 1  # to MAIL, RCPT and BDAT, and to the RSET between two messages
        _converse(client, client.send(group), (_OK_LINE * replies,))
    return time.perf_counter() - began


PARTS: dict[str, Callable[[int], float]] = {
    "server engine, fresh session with one message": server_fresh,
    "server engine, further message": server_message,
    "client engine, message": client_message,
    "client engine, message of a group": client_group,
}
