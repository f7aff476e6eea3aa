"""Replies, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams_probe.smtp.dialogue import first_name, literal, read_hello
from sams_probe.smtp.replies import LONGEST_LINE, MOST_LINES, NotAReply, Reply, ReplyReader

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30)
REPLIES = st.lists(
    st.tuples(st.integers(200, 599), st.lists(TEXT, min_size=1, max_size=5)), min_size=1, max_size=5
)


def written(code: int, lines: list[str], end: str = "\r\n") -> bytes:
    marks = "-" * (len(lines) - 1) + " "
    return "".join(f"{code}{mark}{line}{end}" for mark, line in zip(marks, lines, strict=True)).encode()


@given(REPLIES, st.data(), st.sampled_from(["\r\n", "\n"]))
def test_replies_are_the_same_however_they_are_cut(
    replies: list[tuple[int, list[str]]], data: st.DataObject, end: str
) -> None:
    octets = b"".join(written(code, lines, end) for code, lines in replies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=12)))
    reader, found = ReplyReader(), []
    for start, stop in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        reader.feed(octets[start:stop])
        while (reply := reader.take()) is not None:
            found.append((reply.code, list(reply.lines)))
    assert found == [
        (code, [line.rstrip("\r") if end == "\n" else line for line in lines]) for code, lines in replies
    ]
    assert reader.rest == b""


@given(st.binary(max_size=300), st.data())
def test_whatever_comes_is_replies_or_none_and_nothing_else_is_raised(
    octets: bytes, data: st.DataObject
) -> None:
    def read(parts: list[bytes]) -> tuple[list[Reply], bool]:
        reader, found = ReplyReader(), []
        try:
            for part in parts:
                reader.feed(part)
                while (reply := reader.take()) is not None:
                    found.append(reply)
        except NotAReply:
            return found, True
        return found, False

    cut = data.draw(st.integers(0, len(octets)))
    assert read([octets]) == read([octets[:cut], octets[cut:]])


@pytest.mark.parametrize(
    "octets",
    [
        b"hello\r\n",
        b"22 ready\r\n",
        b"150 no\r\n",
        b"650 no\r\n",
        b"2200 no\r\n",
        b"250-one\r\n251 two\r\n",
        b"250-one\r\ntwo\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"x" * (LONGEST_LINE + 1),
        b"250-x\r\n" * (MOST_LINES + 1),
    ],
)
def test_what_is_no_reply_is_said_to_be_none(octets: bytes) -> None:
    reader = ReplyReader()
    reader.feed(octets)
    with pytest.raises(NotAReply):
        reader.take()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("5.7.8 wrong", "5.7.8 again"), "5.7.8"),
        (("2.0.0",), "2.0.0"),
        (("5.7.8wrong",), ""),
        (("3.1.1 x",), ""),
        (("hello 5.7.8",), ""),
        (("",), ""),
    ],
)
def test_the_enhanced_status_is_at_the_beginning(lines: tuple[str, ...], status: str) -> None:
    assert Reply(535, lines).status == status


def test_a_reply_without_text_is_one() -> None:
    reader = ReplyReader()
    reader.feed(b"250\r\n")
    assert reader.take() == Reply(250, ("",))


@pytest.mark.parametrize(
    ("lines", "extensions", "mechanisms", "mangled"),
    [
        (("me", "SIZE 100", "starttls"), (("SIZE", "100"), ("STARTTLS", "")), (), ""),
        (("me", "AUTH PLAIN login", "AUTH=CRAM-MD5"), (), ("PLAIN", "LOGIN", "CRAM-MD5"), ""),
        (("me", "AUTH=LOGIN PLAIN"), (), ("LOGIN", "PLAIN"), ""),
        (("me", "AUTH"), (), (), ""),
        (("me", "XXXXXXXA"), (("XXXXXXXA", ""),), (), "XXXXXXXA"),
        (("me", "XXXX"), (("XXXX", ""),), (), "XXXX"),
        (("me", "XFORWARD NAME", "XCLIENT"), (("XFORWARD", "NAME"), ("XCLIENT", "")), (), ""),
        (("me", " ", ""), (), (), ""),
    ],
)
def test_what_ehlo_tells(
    lines: tuple[str, ...], extensions: tuple[tuple[str, str], ...], mechanisms: tuple[str, ...], mangled: str
) -> None:
    hello = read_hello(Reply(250, lines))
    assert not extensions or hello.extensions == extensions
    assert hello.mechanisms == mechanisms
    assert hello.mangled == mangled


def test_a_refused_ehlo_tells_nothing() -> None:
    hello = read_hello(Reply(502, ("no", "AUTH PLAIN")))
    assert not hello.good
    assert hello.extensions == ()


@pytest.mark.parametrize(
    ("line", "name"),
    [("Smtp.Example.ORG hello", "smtp.example.org"), ("*****", ""), ("", ""), ("[192.0.2.1] hi", "")],
)
def test_the_name_is_the_first_word(line: str, name: str) -> None:
    assert first_name(Reply(220, (line,))) == name


@pytest.mark.parametrize(
    ("address", "text"),
    [("192.0.2.1", "[192.0.2.1]"), ("2001:DB8::1", "[IPv6:2001:db8::1]"), ("fe80::1%eth0", "[IPv6:fe80::1]")],
)
def test_an_address_is_a_literal_in_ehlo(address: str, text: str) -> None:
    assert literal(address) == text
