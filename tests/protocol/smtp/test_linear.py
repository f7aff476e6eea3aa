"""What the engines do grows with the octets and no faster (docs/security.md rule 11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sams.protocol.smtp.client_message import DotStuffer
from sams.protocol.smtp.remote_reply import ReplyReader
from tests.message.costs import LINEAR, growth
from tests.protocol.smtp.harness import SETTINGS, session

MANY = 10**9
PATIENT = replace(
    SETTINGS,
    errors=MANY,
    commands_before_auth=MANY,
    idle_commands=MANY,
    refusals=MANY,
    max_recipients=MANY,
)
ENVELOPE = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n"


def in_steps(step: int) -> Callable[[bytes], None]:
    """Hands octets to a session that has signed in and named a recipient."""

    def said(stream: bytes) -> None:
        it = session(PATIENT, signed_in=True)
        it.receive(ENVELOPE)
        for at in range(0, len(stream), step):
            it.engine.receive(stream[at : at + step])
            it.drive()
            it.events.clear()
            it.message = b""

    return said


def unread(stream: bytes) -> None:
    """The session is slow: all has come in small pieces before it looks."""
    it = session(PATIENT, signed_in=True)
    for at in range(0, len(stream), 3):
        it.engine.receive(stream[at : at + 3])
    it.drive()


def replies(stream: bytes) -> None:
    reader = ReplyReader()
    for at in range(0, len(stream), 7):
        reader.feed(stream[at : at + 7], MANY)


def stuff(stream: bytes) -> None:
    stuffer = DotStuffer()
    for at in range(0, len(stream), 5):
        stuffer.stuff(stream[at : at + 5])


CASES: dict[str, tuple[Callable[[bytes], object], Callable[[int], bytes], int]] = {
    "commands in one piece": (in_steps(MANY), lambda n: b"NOOP\r\n" * n, 1_500),
    "commands in lower case": (in_steps(MANY), lambda n: b"noop\r\n" * n, 1_500),
    "recipients": (in_steps(MANY), lambda n: b"RCPT TO:<c@example.net>\r\n" * n, 700),
    "empty lines": (in_steps(MANY), lambda n: b"\r\n" * n, 1_000),
    "bare newlines in dropped lines": (in_steps(1), lambda n: b"\n" * n, 4_000),
    "carriage returns": (in_steps(1), lambda n: b"\r" * n, 4_000),
    "a line without end": (in_steps(1), lambda n: b"x" * n, 4_000),
    "pieces that wait": (unread, lambda n: b"NOOP\r\n" * n, 1_500),
    "chunks of one octet": (in_steps(MANY), lambda n: b"BDAT 1\r\na" * n, 1_000),
    "octets of DATA": (in_steps(1), lambda n: b"DATA\r\n" + b"a" * n, 4_000),
    "dots": (in_steps(MANY), lambda n: b"DATA\r\n" + b"\r\n.." * n, 20_000),
    "dots one by one": (in_steps(1), lambda n: b"DATA\r\n" + b"\r\n.." * n, 1_000),
    "newlines of DATA": (in_steps(1), lambda n: b"DATA\r\n" + b"\r\n" * n, 2_000),
    "replies in small pieces": (replies, lambda n: b"250-a\r\n250 ok\r\n" * n, 500),
    "stuffed dots": (stuff, lambda n: b"\r\n." * n, 8_000),
}


@pytest.mark.parametrize("name", CASES)
def test_eight_times_the_octets_cost_about_eight_times(name: str) -> None:
    assert growth(*CASES[name]) < LINEAR
