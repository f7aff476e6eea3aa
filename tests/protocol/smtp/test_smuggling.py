"""An end of DATA that is none is never one, neither for us nor for who is behind us (docs/security.md rule 1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sams.protocol.smtp.settings import BareNewlines
from tests.fuzz import relay
from tests.fuzz.target import pieces
from tests.protocol.smtp.harness import SETTINGS, Session, session
from tests.protocol.smtp.model import read_replies

ENDS = [
    b"\n.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\0\r\n.\n\0",
]
SMUGGLED = b"MAIL FROM:<ceo@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nSubject: y\r\n\r\nz\r\n"
WAYS = {"DATA": 0, "BDAT": 2}


def said(way: str, content: bytes) -> bytes:
    if way == "BDAT":
        return b"BDAT %d LAST\r\n" % len(content) + content
    return b"DATA\r\n" + content + b"\r\n.\r\n"


def hand_in(way: str, content: bytes, newlines: BareNewlines, style: int) -> Session:
    it = session(replace(SETTINGS, bare_newlines=newlines), signed_in=True)
    it.receive(relay.ENVELOPE)
    it.take()
    for piece in pieces(said(way, content), style):
        it.receive(piece)
    return it


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("style", range(4))
def test_a_false_end_is_refused_with_its_message_and_what_follows_is_no_command(
    way: str, end: bytes, style: int
) -> None:
    it = hand_in(way, b"Subject: x\r\n\r\nhello" + end + SMUGGLED, BareNewlines.REJECT, style)
    *_, last = replies = read_replies(it.output)
    assert last.what == (550, "5.6.11")
    assert len(replies) == (2 if way == "DATA" else 1)
    assert it.message == b""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", [end for end in ENDS if b"\0" not in end])
@pytest.mark.parametrize("style", range(4))
def test_where_newlines_are_normalised_a_false_end_is_text_for_everybody(
    way: str, end: bytes, style: int
) -> None:
    it = hand_in(way, b"Subject: x\r\n\r\nhello" + end + SMUGGLED, BareNewlines.NORMALISE, style)
    *_, last = replies = read_replies(it.output)
    assert last.what == (250, "2.0.0")
    assert len(replies) == (2 if way == "DATA" else 1)
    assert SMUGGLED.removesuffix(b"\r\n") in it.message
    relay.check(it.message)


@pytest.mark.parametrize(
    "content", [b".", b"..", b".\r\n", b"\r\n.", b"\r\n..\r\n", b"a\r\n.\r\n.", b"a\r\n.b"]
)
def test_dots_that_are_text_go_out_as_text(content: bytes) -> None:
    relay.check(content)
    relay.check(b"Subject: x\r\n\r\n" + content)


@pytest.mark.parametrize("end", ENDS)
def test_the_check_itself_sees_a_false_end(end: bytes) -> None:
    assert relay.END_FOR_ANYBODY.search(b"hello" + end + b"MAIL FROM:<>\r\n")
