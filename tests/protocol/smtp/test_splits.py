"""What the peer says counts, never how it is cut (docs/security.md rule 1); and garbage raises nothing (R12)."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sams.protocol.smtp.events import BodyChunk, Need
from sams.protocol.smtp.settings import BareNewlines
from sams.protocol.smtp.states import State
from tests.protocol.smtp.harness import SETTINGS, Session, session, story

SMALL = replace(SETTINGS, command_line=64, auth_line=96, data_line=30, message_size=60, discard=50, errors=6)

FRAGMENTS = [
    b"EHLO c\r\n",
    b"HELO c\r\n",
    b"AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n",
    b"AUTH PLAIN\r\n",
    b"AGFsaWNlAHNlc2FtZQ==\r\n",
    b"*\r\n",
    b"AUTH LOGIN\r\n",
    b"YWxpY2U=\r\n",
    b"c2VzYW1l\r\n",
    b"d3Jvbmc=\r\n",
    b"MAIL FROM:<alice@example.org>\r\n",
    b"MAIL FROM:<refused@example.org> BODY=8BITMIME\r\n",
    b"MAIL FROM:<alice@example.org> SIZE=61\r\n",
    b"MAIL FROM:<j\xc3\xbc@example.org> SMTPUTF8 SMTPUTF8\r\n",
    b"RCPT TO:<bob@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+40x\r\n",
    b"RCPT TO:<bob@example.net>\r\n",
    b"RCPT TO:<refused@example.net>\r\n",
    b'RCPT TO:<"\r\n',
    b"DATA\r\n",
    b"one\r\n",
    b"..two\r\n",
    b".\r\n",
    b".\n",
    b"\r",
    b"\n",
    b"\0",
    b"BDAT 4\r\nab\r\n",
    b"BDAT 6 LAST\r\nab\r\nc\n",
    b"BDAT 0 LAST\r\n",
    b"BDAT 70\r\n",
    b"BDAT 200\r\n",
    b"BDAT x\r\n",
    b"RSET\r\n",
    b"NOOP x\r\n",
    b"HELP\r\n",
    b"VRFY a\r\n",
    b"EXPN a\r\n",
    b"STARTTLS\r\n",
    b"QUIT\r\n",
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01",
    50 * b"x",
    b"AUTH " + 50 * b"A",
    b"\xff\xfe\r\n",
]
SIGNED_IN = b"".join([FRAGMENTS[0], FRAGMENTS[2]])
LINE = re.compile(rb"(\d{3})([ -])(?:(\d\.\d{1,3}\.\d{1,3}) )?([ -~]*)")

streams = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=8), max_size=25).map(b"".join)


def told(it: Session) -> tuple[object, ...]:
    """What a session knows at a time; of a message on its way, how much was passed on is not told yet."""
    events, message = story(it.events), it.message
    if it.engine.in_body:
        events, message = [event for event in events if not isinstance(event, BodyChunk)], b""
    return events, message, it.output, it.engine.state, it.engine._talk.inbox.size


def play(pieces: list[bytes], *, tls: bool, newlines: BareNewlines) -> Session:
    it = session(replace(SMALL, bare_newlines=newlines), tls=tls)
    for piece in pieces:
        need = it.receive(piece)
        assert need in {Need.DATA, Need.HANDSHAKE, Need.NOTHING}
    return it


@settings(max_examples=400)
@given(streams, st.booleans(), st.sampled_from(list(BareNewlines)), st.data())
def test_any_cut_of_the_same_octets_gives_the_same_events_and_the_same_output(
    stream: bytes, begun: bool, newlines: BareNewlines, data: st.DataObject
) -> None:
    stream = (SIGNED_IN if begun else b"") + stream
    whole = play([stream], tls=True, newlines=newlines)
    octets = play([bytes([octet]) for octet in stream], tls=True, newlines=newlines)
    bounds = [0, *sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6))), len(stream)]
    pieces = play([stream[a:b] for a, b in itertools.pairwise(bounds)], tls=True, newlines=newlines)
    assert told(octets) == told(whole)
    assert told(pieces) == told(whole)


@pytest.mark.parametrize("first", FRAGMENTS)
def test_each_pair_of_fragments_is_told_alike_whole_and_octet_by_octet(first: bytes) -> None:
    for second in FRAGMENTS:
        stream = (
            SIGNED_IN + b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\n" + first + second
        )
        whole = play([stream], tls=True, newlines=BareNewlines.REJECT)
        octets = play([bytes([octet]) for octet in stream], tls=True, newlines=BareNewlines.REJECT)
        assert told(octets) == told(whole), second


def says_what_replies_must(output: bytes) -> None:
    assert not output or output.endswith(b"\r\n")
    for line in output.split(b"\r\n")[:-1]:
        match = LINE.fullmatch(line)
        assert match is not None, line
        code, status = match[1], match[3]
        assert len(line) + 2 <= 512 or code == b"334"
        if code[:1] == b"3":
            assert status is None, line
        elif not _is_greeting_or_hello(line):
            assert status is not None, line
            assert status[:1] == code[:1], line
        if code[:1] in b"45" and match[2] == b" ":
            assert line.endswith(b" (ref K7Q2-4F)"), line


def _is_greeting_or_hello(line: bytes) -> bool:
    hello = rb"220 submit\.example\.org .*|250[ -](submit\.example\.org|[A-Z0-9]+( .*)?)|501 Syntax: EHLO .*"
    return re.fullmatch(hello, line) is not None


@settings(max_examples=300)
@given(streams, st.booleans(), st.booleans())
def test_whatever_is_said_is_answered_by_well_formed_replies_or_a_close(
    stream: bytes, begun: bool, tls: bool
) -> None:
    it = session(SMALL, tls=tls)
    it.engine.greet()
    it.receive((SIGNED_IN if begun else b"") + stream)
    says_what_replies_must(it.output)


@given(st.binary(max_size=200))
def test_garbage_never_raises_in_any_state_and_mail_never_begins_without_a_sign_in(garbage: bytes) -> None:
    for before in (b"", b"EHLO c\r\n", b"EHLO c\r\nAUTH LOGIN\r\n"):
        for tls in (False, True):
            it = session(SMALL, tls=tls)
            it.receive(before + garbage)
            assert not it.engine.in_transaction
            assert not it.engine.authenticated


@given(streams)
def test_nothing_said_before_starttls_is_remembered_after_it(stream: bytes) -> None:
    it = session(replace(SMALL, errors=1_000, commands_before_auth=1_000), tls=False)
    it.receive(stream)
    if it.engine.state is not State.CLOSED:
        it.receive(b"\r\nSTARTTLS\r\n")
    if it.engine.state is State.HANDSHAKE:
        it.engine.tls_established()
        fresh = session(SMALL, tls=True)
        for one in (it, fresh):
            one.take()
            one.events.clear()
            one.receive(
                b"MAIL FROM:<alice@example.org>\r\nEHLO c\r\nMAIL FROM:<alice@example.org>\r\nAUTH LOGIN\r\n"
            )
        assert told(it) == told(fresh)
        assert it.engine.helo_name == fresh.engine.helo_name
