"""The server engine against the model: any octets, in any state, cut in any way."""

from __future__ import annotations

from dataclasses import replace

from sams.protocol.smtp.settings import BareNewlines, ServerSettings
from sams.protocol.smtp.states import State
from tests.fuzz.target import Target, pieces, split_head
from tests.protocol.smtp.harness import SETTINGS, SIGN_IN, session, story
from tests.protocol.smtp.refereed import Refereed

SMALL = replace(
    SETTINGS,
    message_size=200,
    discard=100,
    max_recipients=3,
    command_line=128,
    auth_line=160,
    data_line=50,
    errors=5,
    commands_before_auth=12,
    idle_commands=8,
    refusals=6,
)
"""Limits that a short input can meet."""
BEFORE = (b"", b"EHLO c\r\n", SIGN_IN, SIGN_IN + b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n")
WORDS = (
    b"\r\n",
    b"EHLO c\r\n",
    b"HELO c\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n",
    b"AUTH LOGIN\r\n",
    b"AUTH PLAIN\r\n",
    b"YWxpY2U=\r\n",
    b"c2VzYW1l\r\n",
    b"MAIL FROM:<a@example.org>",
    b"MAIL FROM:<>\r\n",
    b"MAIL FROM:<nodata@x>\r\n",
    b" SIZE=190\r\n",
    b" BODY=BINARYMIME\r\n",
    b" BODY=8BITMIME\r\n",
    b" SMTPUTF8\r\n",
    b" RET=HDRS ENVID=a+2Bb\r\n",
    b" AUTH=<>\r\n",
    b"RCPT TO:<b@example.net>",
    b"RCPT TO:<Postmaster>\r\n",
    b" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+40x\r\n",
    b"DATA\r\n",
    b"\r\n.\r\n",
    b"\r\n..\r\n",
    b"\n.\n",
    b"BDAT 4\r\nab\r\n",
    b"BDAT 5 LAST\r\nabc\r\n",
    b"BDAT 0 LAST\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"HELP\r\n",
    b"VRFY a\r\n",
    b"EXPN a\r\n",
    b"QUIT\r\n",
    b"refused",
    b"later",
    b"\0",
    b"*\r\n",
    b"GET / HTTP/1.1\r\n",
)


def run(data: bytes) -> None:
    """The first octet chooses state and settings, the second the cuts."""
    (choice, cuts), stream = split_head(data, 2)
    settings = replace(
        SMALL,
        bare_newlines=BareNewlines.NORMALISE if choice & 8 else BareNewlines.REJECT,
        binarymime=bool(choice & 16),
        starttls=not choice & 64,
        max_transactions=2 if choice & 128 else None,
    )
    it = Refereed(settings, tls=bool(choice & 4))
    if it.tls:
        it.say([BEFORE[choice & 3]])
    for piece in pieces(stream, cuts):
        if it.referee.state == "shake":
            it.secure()
        it.say([piece])
    if not it.was_secured:
        _the_cut_decides_nothing(settings, BEFORE[choice & 3] if it.tls else b"", stream, tls=it.tls)


def _the_cut_decides_nothing(settings: ServerSettings, before: bytes, stream: bytes, *, tls: bool) -> None:
    """But at STARTTLS, where it does."""
    if not tls and b"STARTTLS" in stream.upper():
        return
    told = []
    for style in (0, 3):
        it = session(settings, tls=tls)
        for piece in pieces(before + stream, style):
            it.receive(piece)
        events = [] if it.engine.in_body else story(it.events)
        told.append((events, it.output, it.engine.state, it.engine.state is State.CLOSED))
    assert told[0] == told[1]


TARGET = Target(run, WORDS, 800)
