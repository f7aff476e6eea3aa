"""What we take as one message is one message for everybody behind us, however lenient (docs/security.md rule 1).

Octets go in by DATA or BDAT, and what was accepted goes out through the client engine to a hop with and without BDAT.
Hops that take other line ends than CRLF, or drop NUL, must see the end where we put it, and no sooner.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

from sams.core.address import Mailbox
from sams.core.envelope import Envelope, Recipient
from sams.message.header import HeaderReader
from sams.protocol.smtp.client_capabilities import Capabilities
from sams.protocol.smtp.client_exchange import Exchange
from sams.protocol.smtp.client_message import OutgoingMessage
from sams.protocol.smtp.client_result import OutgoingTransaction
from sams.protocol.smtp.client_transaction import TransactionDialogue
from sams.protocol.smtp.client_waits import ForPiece, ForReply, Stage, Timeouts, Waits
from sams.protocol.smtp.events import BodyEnd
from sams.protocol.smtp.remote_reply import DEFAULT_LIMITS
from sams.protocol.smtp.settings import BareNewlines
from tests.fuzz.client import Body
from tests.fuzz.target import Target, pieces, split_head
from tests.protocol.smtp.harness import SETTINGS, session
from tests.protocol.smtp.references import read_data

END_FOR_ANYBODY = re.compile(rb"(?:\A|[\r\n])\0*\.\0*(?=[\r\n])")
"""A dot that any reader known takes for the end of DATA: between newlines of whatever kind, with or without NUL."""
ENVELOPE = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n"
WORDS = (
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n..\r\n",
    b"MAIL FROM:<c@example.org>\r\nRCPT TO:<d@example.net>\r\nDATA\r\n",
    b"Subject: x\r\n\r\n",
)


def run(data: bytes) -> None:
    """The first octet chooses the way in, the second the cuts."""
    (choice, cuts), content = split_head(data, 2)
    newlines = BareNewlines.NORMALISE if choice & 1 else BareNewlines.REJECT
    settings = replace(SETTINGS, bare_newlines=newlines)
    it = session(settings, signed_in=True)
    it.receive(ENVELOPE)
    chunk = b"BDAT %d LAST\r\n" % len(content) + content
    stream = chunk if choice & 2 else b"DATA\r\n" + content + b"\r\n.\r\n"
    for piece in pieces(stream, cuts):
        it.receive(piece)
        if any(isinstance(event, BodyEnd) for event in it.events):
            check(it.message)
            return


def check(accepted: bytes) -> None:
    """Send it on both ways."""
    assert not any(octet in accepted.replace(b"\r\n", b"") for octet in b"\r\n\0")
    head, body = _as_composed(accepted)
    message = head + body
    for is_stored in (False, True):
        wire = _sent(head, Body(body, is_stored), Capabilities())
        content, behind = read_data(wire)
        assert content in {message, message + b"\r\n"}
        assert behind == b""
        ends = [match.start() for match in END_FOR_ANYBODY.finditer(wire)]
        assert len(ends) == 1, f"somebody sees an end at {ends} in {wire!r}"
        assert wire[ends[0] :].lstrip(b"\r\n") == b".\r\n"
        chunk = _sent(head, Body(body, is_stored), Capabilities(chunking=True))
        assert chunk == message


def _as_composed(accepted: bytes) -> tuple[bytes, bytes]:
    """Header with an empty line, and body, as submission puts them together."""
    reader = HeaderReader()
    body = reader.feed(accepted)
    if body is None:
        body = reader.finish()
    return reader.header.raw + b"\r\n", body


def _sent(head: bytes, body: Body, offered: Capabilities) -> bytes:
    """What a hop that says yes to all gets as the message."""
    exchange = Exchange(Waits(Timeouts()), DEFAULT_LIMITS)
    envelope = Envelope(None, (Recipient(Mailbox("b", "example.net")),))
    transaction = OutgoingTransaction(envelope, OutgoingMessage(head, body))
    dialogue = TransactionDialogue(exchange, offered, transaction, needs_reset=False).run()
    source = iter(pieces(body.content, 2))
    with suppress(StopIteration):
        wait = next(dialogue)
        while True:
            if isinstance(wait, ForReply):
                exchange.receive(b"354 go\r\n" if wait.stage is Stage.DATA else b"250 ok\r\n")
            wait = dialogue.send(next(source, b"") if isinstance(wait, ForPiece) else None)
    command = b"\r\nBDAT " if offered.chunking else b"\r\nDATA"
    return b"".join(exchange.outgoing).partition(command)[2].partition(b"\r\n")[2]


TARGET = Target(run, WORDS, 300)
