"""How MAIL and RCPT are written, and how the dots of a message are doubled."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import AddressError, Mailbox, parse_mailbox
from sams.core.envelope import Envelope, Notify, OriginalRecipient, Recipient, Ret
from sams.delivery.fitting import BytesBody
from sams.protocol.smtp.client_capabilities import NONE, Capabilities
from sams.protocol.smtp.client_commands import Form, mail, rcpt, utf8_addr_xtext, xtext
from sams.protocol.smtp.client_message import DotStuffer, OutgoingMessage

ALL = Capabilities(
    eight_bit_mime=True,
    binary_mime=True,
    chunking=True,
    dsn=True,
    smtputf8=True,
    has_size=True,
    auth=frozenset({"PLAIN"}),
)
BOB = parse_mailbox("bob@example.com")
EIGHT = parse_mailbox("jürgen@bücher.example")
DOMAIN = parse_mailbox("bob@bücher.example")


def form(offered: Capabilities = ALL, *, smtputf8: bool = False, says_auth: bool = False) -> Form:
    return Form(smtputf8=smtputf8, says_auth=says_auth, capabilities=offered)


def message(*, has_8bit: bool = False, is_binary: bool = False) -> OutgoingMessage:
    return OutgoingMessage(b"A: b\r\n\r\n", BytesBody(b"x\r\n"), has_8bit=has_8bit, is_binary=is_binary)


def envelope(path: Mailbox | None = BOB, ret: Ret | None = None, envid: str | None = None) -> Envelope:
    return Envelope(path, (), ret=ret, envid=envid)


@pytest.mark.parametrize(
    ("line", "given_envelope", "given_message", "given_form"),
    [
        (b"MAIL FROM:<>", envelope(None), message(), form(NONE)),
        (b"MAIL FROM:<bob@example.com>", envelope(), message(has_8bit=True), form(NONE)),
        (b"MAIL FROM:<bob@example.com> SIZE=11", envelope(), message(), form()),
        (b"MAIL FROM:<bob@example.com> SIZE=11 BODY=8BITMIME", envelope(), message(has_8bit=True), form()),
        (
            b"MAIL FROM:<bob@example.com> SIZE=11 BODY=BINARYMIME",
            envelope(),
            message(has_8bit=True, is_binary=True),
            form(),
        ),
        (
            "MAIL FROM:<jürgen@bücher.example> SIZE=11 SMTPUTF8".encode(),
            envelope(EIGHT),
            message(),
            form(smtputf8=True),
        ),
        (b"MAIL FROM:<bob@xn--bcher-kva.example>", envelope(DOMAIN), message(), form(NONE)),
        (
            b"MAIL FROM:<bob@example.com> SIZE=11 RET=HDRS ENVID=a+2Bb+3Dc+20d",
            envelope(ret=Ret.HEADERS, envid="a+b=c d"),
            message(),
            form(),
        ),
        (b"MAIL FROM:<bob@example.com>", envelope(ret=Ret.FULL, envid="x"), message(), form(NONE)),
        (b"MAIL FROM:<bob@example.com> SIZE=11 AUTH=<>", envelope(), message(), form(says_auth=True)),
        (b"MAIL FROM:<bob@example.com>", envelope(), message(), form(NONE, says_auth=True)),
        (b'MAIL FROM:<"a b"@example.com>', envelope(Mailbox("a b", "example.com")), message(), form(NONE)),
    ],
)
def test_mail_tells_the_hop_what_it_understands(
    line: bytes, given_envelope: Envelope, given_message: OutgoingMessage, given_form: Form
) -> None:
    assert mail(given_envelope, given_message, given_message.size, given_form) == line


@pytest.mark.parametrize(
    ("line", "recipient", "given_form"),
    [
        (b"RCPT TO:<bob@example.com>", Recipient(BOB), form()),
        (b"RCPT TO:<bob@example.com>", Recipient(BOB, Notify.NEVER), form(NONE)),
        (b"RCPT TO:<bob@example.com> NOTIFY=NEVER", Recipient(BOB, Notify.NEVER), form()),
        (
            b"RCPT TO:<bob@example.com> NOTIFY=SUCCESS,FAILURE,DELAY",
            Recipient(BOB, Notify.DELAY | Notify.SUCCESS | Notify.FAILURE),
            form(),
        ),
        (
            b"RCPT TO:<bob@example.com> NOTIFY=DELAY ORCPT=rfc822;Bob+2Bx@example.com",
            Recipient(BOB, Notify.DELAY, OriginalRecipient("rfc822", "Bob+x@example.com")),
            form(),
        ),
        (
            rb"RCPT TO:<bob@example.com> ORCPT=utf-8;j\x{FC}rgen\x{2B}x@example.com",
            Recipient(BOB, None, OriginalRecipient("rfc822", "jürgen+x@example.com")),
            form(),
        ),
        ("RCPT TO:<jürgen@bücher.example>".encode(), Recipient(EIGHT), form(smtputf8=True)),
        (b"RCPT TO:<bob@xn--bcher-kva.example>", Recipient(DOMAIN), form()),
    ],
)
def test_rcpt_tells_the_hop_what_it_understands(line: bytes, recipient: Recipient, given_form: Form) -> None:
    assert rcpt(recipient, given_form) == line


def test_a_local_part_in_utf8_cannot_be_written_without_smtputf8() -> None:
    with pytest.raises(AddressError):
        rcpt(Recipient(EIGHT), form())
    with pytest.raises(AddressError):
        mail(envelope(EIGHT), message(), 0, form())


@given(st.text(max_size=60))
def test_xtext_is_printable_ascii_and_can_be_undone(text: str) -> None:
    encoded = xtext(text)
    assert re.fullmatch(rb"[!-*,-<>-~]*(?:\+[0-9A-F]{2}[!-*,-<>-~]*)*", encoded)
    undone = re.sub(rb"\+([0-9A-F]{2})", lambda match: bytes((int(match[1], 16),)), encoded)
    assert undone == text.encode("utf-8", "replace")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_utf8_addr_xtext_is_printable_ascii_and_can_be_undone(text: str) -> None:
    encoded = utf8_addr_xtext(text).decode("ascii")
    assert re.fullmatch(r"(?:[!-*,-<>-\[\]-~]|\\x\{[0-9A-F]{2,6}\})*", encoded)
    assert re.sub(r"\\x\{([0-9A-F]+)\}", lambda match: chr(int(match[1], 16)), encoded) == text


def by_the_book(text: bytes) -> bytes:
    """RFC 5321 section 4.5.2, line by line."""
    lines = text.split(b"\r\n")
    stuffed = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)
    return stuffed + (b".\r\n" if text.endswith(b"\r\n") or not text else b"\r\n.\r\n")


PIECES = st.lists(
    st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"..", b"x", b"\r\n.", b".\r\n", b"yz"]), max_size=30
)


@given(PIECES)
def test_dots_are_doubled_however_the_message_is_cut(pieces: list[bytes]) -> None:
    stuffer = DotStuffer()
    done = b"".join(stuffer.stuff(piece) for piece in pieces) + stuffer.end()
    assert done == by_the_book(b"".join(pieces))


@given(PIECES)
def test_no_message_ends_before_its_end(pieces: list[bytes]) -> None:
    stuffer = DotStuffer()
    done = b"\r\n" + b"".join(stuffer.stuff(piece) for piece in pieces) + stuffer.end()
    assert done.find(b"\r\n.\r\n") == len(done) - 5


def test_a_piece_without_dots_is_not_copied() -> None:
    piece = b"a line\r\n" * 1_000
    assert DotStuffer().stuff(piece) is piece
