"""A message re-encoded for a lesser hop says the same, and what may not be changed is refused."""

from __future__ import annotations

import email
from collections.abc import Iterable
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.errors import PermanentFailure
from sams.message.encoding import Carries, Planner, encode, needs_encoding
from sams.message.header import read_header
from sams.message.mime import StructureScanner

SEVEN = Carries(eight_bit=False, binary=False)
EIGHT = Carries(eight_bit=True, binary=False)
BINARY = Carries(eight_bit=True, binary=True)


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def encoded(message: bytes, carries: Carries = SEVEN, step: int = 7) -> bytes:
    head, _, body = message.partition(b"\r\n\r\n")

    def pieces() -> Iterable[bytes]:
        return (body[at : at + step] for at in range(0, len(body), step))

    return b"".join(encode(head + b"\r\n\r\n", pieces, carries))


def leaves(message: bytes) -> list[tuple[str, bytes]]:
    found = []
    for part in email.message_from_bytes(message).walk():
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append((part.get_content_type(), payload))
    return found


def is_seven_bit(message: bytes) -> bool:
    return message.isascii() and all(len(line) <= 998 for line in message.split(b"\r\n"))


def outline(message: bytes) -> list[tuple[int, str]]:
    head, _, body = message.partition(b"\r\n\r\n")
    scanner = StructureScanner(read_header(head + b"\r\n\r\n"))
    scanner.feed(body)
    return [(part.depth, part.content_type.name) for part in scanner.finish().parts]


MIXED = crlf("""MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=o
Content-Transfer-Encoding: 8bit
Subject: x

préamble
--o
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Grüße = gut \n.\n
--o

no héader
--o
Content-Type: image/png
X: y

ÿÿ
--o
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Subject: inner
Content-Type: multipart/alternative; boundary=i

--i
Content-Type: text/html
Content-Transfer-Encoding: 7bit

<p>é</p>
--i
Content-Type: text/plain

plain ASCII
--i--
--o
Content-Transfer-Encoding: 8bit

also ASCII
--o--
épilogue
""")


def test_each_part_says_the_same_as_before() -> None:
    result = encoded(MIXED)
    assert is_seven_bit(result)
    assert leaves(result) == leaves(MIXED)
    assert b"8bit" not in result.replace(b"unknown-8bit", b"")
    assert b"pr??amble\r\n" in result
    assert b"??pilogue\r\n" in result
    assert (
        b"Content-Type: image/png\r\nX: y\r\nContent-Transfer-Encoding: base64\r\n\r\nw7/Dvw==\r\n--o"
        in result
    )
    assert b"plain ASCII\r\n--i--" in result


@pytest.mark.parametrize("step", [1, 2, 3, 50, 1_000_000])
def test_the_cut_of_the_pieces_decides_nothing(step: int) -> None:
    assert encoded(MIXED, step=step) == encoded(MIXED)


@pytest.mark.parametrize("carries", [EIGHT, BINARY])
def test_a_hop_that_takes_it_gets_every_octet_as_it_was(carries: Carries) -> None:
    assert encoded(MIXED, carries) == MIXED


def test_text_without_mime_gets_the_fields_it_needs() -> None:
    assert encoded("Subject: x\r\n\r\nhé\r\n".encode()) == (
        b"Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=unknown-8bit\r\n\r\nh=C3=A9\r\n"
    )


def test_a_label_in_the_middle_of_the_header_is_replaced_in_its_place() -> None:
    message = crlf("Content-Type: image/x\nContent-transfer-encoding:\n 8bit\nMIME-Version: 1.0\n\né\n")
    assert encoded(message) == (
        b"Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n\r\nw6kNCg==\r\n"
    )


def test_a_part_without_header_and_empty_line_gets_both() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=o\n\n--o\nhé llo\n--o--\n")
    assert b"--o\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=A9 llo\r\n--o--" in encoded(
        message
    )


@pytest.mark.parametrize("carries", [SEVEN, EIGHT])
def test_long_lines_are_a_reason_to_encode(carries: Carries) -> None:
    message = b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + b"x" * 5_000 + b"\r\n"
    result = encoded(message, carries)
    assert is_seven_bit(result)
    assert leaves(result) == leaves(message)
    assert encoded(message, BINARY) == message


def test_base64_on_one_line_is_wrapped() -> None:
    message = b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 1_000
    result = encoded(message, EIGHT)
    assert is_seven_bit(result)
    assert leaves(result) == leaves(message)


def test_raw_octets_in_quoted_printable_are_repaired() -> None:
    message = "Content-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=A9 é\r\n".encode()
    assert encoded(message) == b"Content-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=A9 =C3=A9\r\n"


@pytest.mark.parametrize("carries", [SEVEN, EIGHT])
@pytest.mark.parametrize("kind", [b"text/plain", b"application/octet-stream"])
def test_binary_content_becomes_base64(carries: Carries, kind: bytes) -> None:
    body = b"a\0b\nc\rd"
    message = (
        b"MIME-Version: 1.0\r\nContent-Type: "
        + kind
        + b"\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        + body
    )
    ((_, payload),) = leaves(encoded(message, carries))
    assert payload == body


def test_a_label_of_binary_becomes_what_the_hop_takes() -> None:
    message = b"Content-Transfer-Encoding: binary\r\n\r\nascii\r\n"
    head = b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n\r\nascii\r\n"
    assert encoded(message, EIGHT) == b"Content-Transfer-Encoding: 8bit" + head
    assert encoded(message, SEVEN) == b"Content-Transfer-Encoding: 7bit" + head


SIGNED = """Content-Type: multipart/signed; boundary=o; protocol=x
Content-Transfer-Encoding: {label}

--o
Content-Type: text/plain
Content-Transfer-Encoding: 8bit

{text}
--o
Content-Type: application/pgp-signature

abc
--o--
"""


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (SIGNED.format(label="8bit", text="hé"), "5.6.3"),
        ("Content-Type: multipart/encrypted; boundary=o\n\n--o\n\né\n--o--\n", "5.6.3"),
        ("Content-Type: application/pkcs7-mime\n\né\n", "5.6.3"),
        (
            "Content-Type: multipart/mixed; boundary=a\n\n--a\n" + SIGNED.format(label="8bit", text="é"),
            "5.6.3",
        ),
        ("Content-Type: message/partial\n\né\n", "5.6.3"),
        ("Content-Type: multipart/mixed\n\né\n", "5.6.3"),
        ("Content-Transfer-Encoding: x-uuencode\n\né\n", "5.6.3"),
        ("Content-Type: multipart/mixed; boundary=a\n\n--a\nX: é\n\nascii\n--a--\n", "5.6.7"),
        ("Content-Type: multipart/mixed; boundary=a\n\n--a\nX: a\r.\rb\n\nascii\n--a--\n", "5.6.3"),
        ("Content-Type: multipart/mixed; boundary=a\n\n--a\nX: a\0b\n\nascii\n--a--\n", "5.6.3"),
        ("Content-Type: multipart/mixed; boundary*=''a%0D\n\n--a\r\n\nascii\n--a\r--\n", "5.6.3"),
        ("Content-Type: multipart/mixed; boundary*=''%C3%A9\n\n--é\n\nascii\n--é--\n", "5.6.3"),
    ],
)
def test_what_may_not_be_changed_is_refused(message: str, status: str) -> None:
    with pytest.raises(PermanentFailure) as caught:
        encoded(crlf(message))
    assert str(caught.value.reply.status) == status
    assert caught.value.reply.code == 554


def test_ascii_in_a_signed_message_is_not_touched_but_for_the_outer_label() -> None:
    message = crlf(SIGNED.format(label="8bit", text="ascii"))
    result = encoded(message)
    assert result.partition(b"\r\n\r\n")[2] == message.partition(b"\r\n\r\n")[2]
    assert b"Content-Transfer-Encoding: 7bit\r\n" in result.partition(b"\r\n\r\n")[0]


def test_long_lines_in_a_signed_message_are_left() -> None:
    message = crlf(SIGNED.format(label="7bit", text="x" * 2_000))
    assert encoded(message) == message


def test_a_plan_says_what_body_has_to_declare() -> None:
    def plan(carries: Carries) -> tuple[bool, bool]:
        planner = Planner(b"Subject: x\r\n\r\n", carries)
        planner.feed(b"\xe9\0")
        done = planner.finish()
        return done.has_8bit, done.is_binary

    assert [plan(SEVEN), plan(EIGHT), plan(BINARY)] == [(False, False), (True, False), (True, True)]


@pytest.mark.parametrize(
    ("has_8bit", "is_binary", "longest", "carries", "needed"),
    [
        (False, False, 0, SEVEN, False),
        (True, False, 0, SEVEN, True),
        (True, False, 0, EIGHT, False),
        (True, True, 0, EIGHT, True),
        (False, False, 999, EIGHT, True),
        (True, True, 999, BINARY, False),
    ],
)
def test_facts_tell_whether_encoding_is_needed(
    has_8bit: bool, is_binary: bool, longest: int, carries: Carries, needed: bool
) -> None:
    assert (
        needs_encoding(has_8bit_body=has_8bit, is_binary=is_binary, longest_line=longest, carries=carries)
        is needed
    )


BITS = st.sampled_from(
    [
        b"\r\n",
        b"--o",
        b"\r\n--o\r\n",
        b"\r\n--o--\r\n",
        b"Content-Type: multipart/mixed; boundary=i\r\n\r\n",
        b"\r\n--i\r\n",
        b"\r\n--i--",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: image/png\r\n",
        b"Content-Transfer-Encoding: 8bit\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"text \xc3\xa9",
        b"x" * 1_100,
        b"\0",
    ]
)


@given(st.lists(BITS, max_size=25).map(b"".join), st.integers(1, 50))
def test_whatever_the_structure_the_result_is_seven_bit_and_decided_by_content_alone(
    body: bytes, step: int
) -> None:
    message = b"Content-Type: multipart/mixed; boundary=o\r\n\r\n" + body
    try:
        result = encoded(message, SEVEN, step)
    except PermanentFailure:
        return
    assert result.isascii()
    assert b"\0" not in result
    assert result == encoded(message, SEVEN, 1_000_000)
    assert outline(result) == outline(message)
    assert encoded(result, SEVEN) == result
    assert isinstance(email.message_from_bytes(result), Message)
