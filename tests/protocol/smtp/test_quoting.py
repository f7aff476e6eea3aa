"""What of refused lines may be told: never what could be a secret, wherever it stands."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.smtp.events import CommandRefused, Need
from sams.protocol.smtp.quoting import MAX_QUOTED, quoted_mechanism, quoted_stranger
from sams.protocol.smtp.server import ServerEngine
from tests.protocol.smtp.harness import SETTINGS


def said(*lines: bytes, tls: bool = False) -> list[str]:
    """What is told of each of these lines that is refused."""
    engine = ServerEngine(SETTINGS, tls=tls, reference=lambda: "K7Q2-4F")
    told = []
    for line in lines:
        engine.receive(line + b"\r\n")
        while not isinstance(event := engine.next_event(), Need):
            if isinstance(event, CommandRefused):
                told.append(event.said)
    return told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"XXXXXXXX", "XXXXXXXX"),
        (b"xstarttls", "XSTARTTLS"),
        (b"STARTTLSX now", "STARTTLSX"),
        (b"****", "****"),
        (b"LHLO client.example.org", "LHLO"),
        (b"USER alice", "USER"),
        (b"PASS secret", "PASS"),
        (b"GET / HTTP/1.1", "GET"),
        (b"SSH-2.0-OpenSSH_9.2p1", "SSH-2.0-OPENSSH_9.2P1"),
        (b"a1 LOGIN alice secret", ""),
        (b"AUTH=PLAIN AGFsaWNlAHNlY3JldA==", ""),
        (b"AUTH\tPLAIN\tAGFsaWNlAHNlY3JldA==", ""),
        (b"AGFsaWNlAHNlY3JldA==", ""),
        (b"COOKIE:secret", ""),
        (b"MAIL FROM:<alice@example.org>", ""),
        (b"AUTH PLAIN AGFsaWNlAHNlY3JldA==", ""),
        (b"X" * 40, "X" * 40),
        (b"X" * 41, ""),
        (b"Q" * 41, ""),
        (b"\xff\xfe", ""),
        (b"ST\x1b[2JART", ""),
    ],
)
def test_a_word_that_is_no_command_is_told_where_it_looks_like_one(line: bytes, told: str) -> None:
    assert said(b"EHLO x", line) == [told]


@pytest.mark.parametrize(
    "before",
    [
        b"AUTH PLAIN",
        b"auth login",
        b"AUTH",
        b"AUTH LOGIN\rAUTH",
        b"AUTH " + b"x" * 20_000,
        b"AUTHENTICATE PLAIN",
        b"XXXX LOGIN",
        b"XXXX XXXXX",
        b"**** *****",
        b"a1 login",
        b"FOO SCRAM-SHA-256 biwsbj1hbGljZQ==",
        b"USER alice",
        b"EHLO x\nAUTH LOGIN",
    ],
)
@pytest.mark.parametrize("between", [(), (b"NOOP",), (b"EHLO again",)])
def test_what_may_follow_a_sign_in_is_not_told(before: bytes, between: tuple[bytes, ...]) -> None:
    assert set(said(b"EHLO x", before, *between, b"SECRET", b"c2VjcmV0")[1:]) == {""}


def test_a_mask_is_told_whatever_came_before() -> None:
    assert said(b"XXXX XXXXXXXX", b"AUTH PLAIN", b"XXXXXXXX") == ["XXXX", "", "XXXXXXXX"]


def test_inside_tls_no_word_is_told() -> None:
    assert said(b"XXXXXXXX", b"STARTTLSX", tls=True) == ["", ""]


@pytest.mark.parametrize(
    ("mechanism", "told"),
    [
        (b"CRAM-MD5", "CRAM-MD5"),
        (b"ntlm", "NTLM"),
        (b"NTLM TlRMTVNTUAABAAAA", "NTLM"),
        (b"DIGEST-MD5", "DIGEST-MD5"),
        (b"SCRAM-SHA-512 biwsbj1hbGljZQ==", "SCRAM-SHA-512"),
        (b"XOAUTH2 dXNlcj1hbGljZQ==", "XOAUTH2"),
        (b"AGFsaWNlAHNlY3JldA", ""),
        (b"c2VjcmV0", ""),
        (b"secret", ""),
    ],
)
def test_a_mechanism_that_is_not_offered_is_told_where_there_is_one_of_that_name(
    mechanism: bytes, told: str
) -> None:
    assert said(b"EHLO x", b"AUTH " + mechanism, tls=True) == [told]


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60))
def test_a_password_in_base64_is_told_by_none_of_its_lines(password: str) -> None:
    plain = base64.b64encode(f"\0alice\0{password}".encode())
    alone = base64.b64encode(password.encode())
    for lines in (
        (b"AUTH PLAIN " + plain,),
        (b"AUTH LOGIN", b"YWxpY2U=", alone),
        (b"XXXX LOGIN", b"YWxpY2U=", alone),
        (b"XXXX PLAIN " + plain, plain),
    ):
        assert set(said(b"EHLO x", *lines)) <= {"", "XXXX"}
    assert set(said(b"EHLO x", b"AUTH " + plain[:20].rstrip(b"=+/"), tls=True)) <= {""}


@given(st.binary(max_size=80))
def test_what_is_told_is_short_and_visible(word: bytes) -> None:
    line = word.replace(b"\r", b"").replace(b"\n", b"")
    for told in (*said(line), quoted_stranger(word.upper()), quoted_mechanism(word.decode("latin-1"))):
        assert len(told) <= MAX_QUOTED
        assert told.isascii()
        assert told == "" or told.isprintable()
