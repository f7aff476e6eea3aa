"""Dovecot's authentication protocol: the handshake, numbers, escapes, and whatever a broken peer may send."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.dovecot import (
    MAX_LINE,
    Answer,
    DovecotEngine,
    DovecotError,
    LineReader,
    Socket,
    escape,
    plain_response,
    read_fields,
    unescape,
)

HELLO = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t12\nCUID\t1\nCOOKIE\tabcdef\nDONE\n"
USERS_HELLO = b"VERSION\t1\t1\nSPID\t12\n"
ENCODABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


def engine(kind: Socket = Socket.PASSWORDS) -> DovecotEngine:
    made = DovecotEngine(kind, 77)
    made.receive(HELLO if kind is Socket.PASSWORDS else USERS_HELLO)
    assert made.is_ready
    return made


def test_the_opening_says_version_and_for_passwords_a_number_of_the_connection() -> None:
    assert DovecotEngine(Socket.PASSWORDS, 77).opening() == b"VERSION\t1\t1\nCPID\t77\n"
    assert DovecotEngine(Socket.USERS, 77).opening() == b"VERSION\t1\t1\n"


@pytest.mark.parametrize("cut", range(1, len(HELLO)))
def test_the_handshake_is_over_with_its_last_line_however_it_is_cut(cut: int) -> None:
    made = DovecotEngine(Socket.PASSWORDS, 1)
    assert made.receive(HELLO[:cut]) == []
    assert not made.is_ready
    assert made.receive(HELLO[cut:]) == []
    assert made.is_ready


def test_what_a_later_version_adds_is_passed_over() -> None:
    made = DovecotEngine(Socket.PASSWORDS, 1)
    made.receive(b"VERSION\t1\t9\nNEWS\tx\nMECH\tXOAUTH2\nMECH\tPLAIN\nDONE\nMORE\n")
    assert made.is_ready


@pytest.mark.parametrize(
    "octets",
    [
        b"VERSION\t2\t0\n",
        b"VERSION\n",
        b"* OK IMAP ready\r\n",
        b"\n",
        HELLO.replace(b"PLAIN", b"LOGIN"),
        b"VERSION\t1\t2\nOK\t1\n",
        b"x" * (MAX_LINE + 1),
    ],
)
def test_another_handshake_ends_the_connection(octets: bytes) -> None:
    made = DovecotEngine(Socket.PASSWORDS, 1)
    assert made.receive(octets) == []
    assert made.failure
    assert made.receive(HELLO) == []


def test_questions_are_numbered_and_answers_come_in_any_order() -> None:
    made = engine()
    assert made.ask("AUTH", "PLAIN", "service=smtp") == (1, b"AUTH\t1\tPLAIN\tservice=smtp\n")
    assert made.ask("AUTH", "PLAIN") == (2, b"AUTH\t2\tPLAIN\n")
    assert made.receive(b"FAIL\t2\tuser=bob\tcode=temp_fail\tauthz\nOK\t1\tuser=alice\n") == [
        Answer(2, "FAIL", "", {"user": "bob", "code": "temp_fail", "authz": ""}),
        Answer(1, "OK", "", {"user": "alice"}),
    ]


def test_an_answer_about_a_user_names_it_before_the_fields() -> None:
    made = engine(Socket.USERS)
    made.ask("USER", "al", "service=smtp")
    assert made.receive(b"USER\t1\tali\x01tce\tuid=1\thome=/h\n") == [
        Answer(1, "USER", "ali\tce", {"uid": "1", "home": "/h"})
    ]
    assert made.receive(b"NOTFOUND\t1\n") == [Answer(1, "NOTFOUND", "", {})]
    assert made.receive(b"USER\t1\n") == [Answer(1, "USER", "", {})]


@pytest.mark.parametrize(
    "line", [b"OK\n", b"OK\t\n", b"OK\tx\n", b"OK\t0\n", b"OK\t2\n", b"OK\t-1\n", b"OK\t99999999999\n"]
)
def test_an_answer_to_no_question_ends_the_connection(line: bytes) -> None:
    made = engine()
    made.ask("AUTH", "PLAIN")
    assert made.receive(b"OK\t1\n" + line + b"OK\t1\n") == [Answer(1, "OK", "", {})]
    assert "no question" in made.failure


def test_the_numbers_of_a_connection_come_to_an_end() -> None:
    made = engine()
    made._last = 2**32 - 2
    assert made.ask("AUTH")[0] == 2**32 - 1
    with pytest.raises(DovecotError):
        made.ask("AUTH")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a\tb", "a\x01tb"),
        ("\x01", "\x011"),
        ("\r\n\0", "\x01r\x01n\x010"),
        ("alice", "alice"),
        ("1tn", "1tn"),
    ],
)
def test_what_could_end_a_field_is_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped
    assert unescape(escaped) == text


@pytest.mark.parametrize(
    ("escaped", "text"), [("\x01", ""), ("a\x01x", "ax"), ("\x01\x01t", "\x01t"), ("a\x01", "a")]
)
def test_a_needless_escape_is_itself_and_one_at_the_end_is_nothing(escaped: str, text: str) -> None:
    assert unescape(escaped) == text


@given(ENCODABLE)
def test_every_text_survives(text: str) -> None:
    assert unescape(escape(text)) == text


@given(ENCODABLE)
def test_no_user_can_make_another_field_or_line(user: str) -> None:
    _, octets = engine(Socket.USERS).ask("USER", user, "service=smtp")
    assert octets.count(b"\n") == 1
    assert octets.count(b"\t") == 3
    assert b"\0" not in octets


@given(ENCODABLE, ENCODABLE)
def test_a_password_goes_as_base64(user: str, password: str) -> None:
    field = plain_response(user, password)
    assert base64.b64decode(field.removeprefix("resp=")) == f"\0{user}\0{password}".encode()
    assert escape(field) == field


def test_the_first_of_two_fields_counts() -> None:
    assert read_fields(["a=1", "a=2", "b", "", "c=x=y"]) == {"a": "1", "b": "", "c": "x=y"}


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_lines_do_not_depend_on_how_the_octets_were_cut(parts: list[bytes], size: int) -> None:
    octets = b"\n".join(parts)
    whole = list(LineReader().receive(octets))
    reader = LineReader()
    cut = [line for at in range(0, len(octets), size) for line in reader.receive(octets[at : at + size])]
    assert cut == whole


@given(st.binary(max_size=300))
def test_whatever_comes_is_answers_or_a_failure(octets: bytes) -> None:
    made = engine()
    made.ask("AUTH")
    assert all(answer.number == 1 for answer in made.receive(octets))
