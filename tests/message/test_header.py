"""Where a header ends, what a field is, and that the cut of the pieces decides nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.errors import PermanentFailure
from sams.message.header import Header, HeaderLimits, HeaderReader, read_header

SMALL = HeaderLimits(octets=40, fields=3, received=1)


def read(pieces: list[bytes], limits: HeaderLimits | None = None) -> tuple[Header, bytes]:
    reader = HeaderReader(limits or HeaderLimits())
    body = b""
    pieces = list(pieces)
    while pieces:
        rest = reader.feed(pieces.pop(0))
        if rest is not None:
            return reader.header, rest + b"".join(pieces)
    body = reader.finish()
    return reader.header, body


@pytest.mark.parametrize(
    ("message", "names", "body"),
    [
        (b"From: a\r\nTo: b\r\n\r\nhello\r\n", [b"from", b"to"], b"hello\r\n"),
        (b"From: a\r\n folded\r\n\tagain\r\n\r\n", [b"from"], b""),
        (b"From : a\r\nX:\r\n\r\nhello", [b"from", b"x"], b"hello"),
        (b"\r\nhello\r\n\r\n", [], b"hello\r\n\r\n"),
        (b"", [], b""),
        (b"\r\n", [], b""),
        (b"From: a\r\n", [b"from"], b""),
        (b"From: a", [b"from"], b""),
        (b"From: a\r", [b"from"], b""),
        (b"just text\r\n", [], b"just text\r\n"),
        (b"just text", [], b"just text"),
        (b"From: a\r\nno field\r\nTo: b\r\n\r\nx", [b"from"], b"no field\r\nTo: b\r\n\r\nx"),
        (b"From: a\r\nno field", [b"from"], b"no field"),
        (b" begins with space\r\nFrom: a\r\n\r\n", [], b" begins with space\r\nFrom: a\r\n\r\n"),
        (b"From me@x Mon Jan 1\r\nFrom: a\r\n\r\nx", [b"from"], b"x"),
        (b">From me@x Mon\r\nFrom: a\r\n\r\nx", [b"from"], b"x"),
        (b"From me@x Mon\r\n folded\r\n\r\nx", [], b" folded\r\n\r\nx"),
        (b"From me@x\r\n\r\nx", [], b"x"),
        (b"From me@x\r\n ", [], b" "),
        (b"A: 1\r\nFrom me@x\r\n\r\n", [b"a"], b"From me@x\r\n\r\n"),
        (b"N" * 255 + b": a\r\n\r\nx", [b"n" * 255], b"x"),
        (b"N" * 256 + b": a\r\n\r\nx", [], b"N" * 256 + b": a\r\n\r\nx"),
        (b"X" + b" " * 256 + b": a\r\n\r\nx", [], b"X" + b" " * 256 + b": a\r\n\r\nx"),
        (b"caf\xc3\xa9: a\r\n\r\nx", [], b"caf\xc3\xa9: a\r\n\r\nx"),
        (b": a\r\n\r\nx", [], b": a\r\n\r\nx"),
        (b"A: a\r\n \r\nB: b\r\n\r\n", [b"a", b"b"], b""),
    ],
)
def test_a_header_ends_where_the_rules_say_however_it_is_cut(
    message: bytes, names: list[bytes], body: bytes
) -> None:
    for cut in range(len(message) + 1):
        header, rest = read([message[:cut], message[cut:]])
        assert header.names == names
        assert rest == body
    header, rest = read([message[at : at + 1] for at in range(len(message))])
    assert (header.names, rest) == (names, body)


def test_values_are_what_stands_behind_the_colon_with_folds() -> None:
    header = read_header(b"To: a,\r\n b\r\nX:y\r\nTO:\tc\r\n")
    assert header.values(b"to") == [b" a,\r\n b", b"\tc"]
    assert header.first(b"x") == b"y"
    assert header.first(b"cc") is None
    assert header.values(b"cc") == []
    assert header.count(b"to") == 2


def test_eight_bit_octets_in_a_value_are_told() -> None:
    assert read_header("Subject: Grüße\r\n".encode()).has_8bit
    assert not read_header(b"Subject: hello\r\n").has_8bit


def test_the_header_cannot_be_had_before_it_is_complete() -> None:
    reader = HeaderReader()
    assert reader.feed(b"From: a\r\n") is None
    with pytest.raises(ValueError, match="not complete"):
        _ = reader.header


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (b"A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\n\r\n", "552 5.3.4 the header has more than 3 fields"),
        (b"A: " + b"x" * 36 + b"\r\n\r\n", "552 5.3.4 the header is larger than 40 octets"),
        (b"Received: 1\r\nReceived: 2\r\n\r\n", "554 5.4.6 too many Received fields: mail loop"),
        (b"A: b\0\r\n\r\n", "550 5.6.11 the header has a NUL, or a CR or LF that does not end a line"),
        (b"A: b\nC: d\r\n\r\n", "550 5.6.11 the header has a NUL, or a CR or LF that does not end a line"),
        (b"A: b\rC: d\r\n\r\n", "550 5.6.11 the header has a NUL, or a CR or LF that does not end a line"),
        (b"A: b\n\nbody\r\n\r\n", "550 5.6.11 the header has a NUL, or a CR or LF that does not end a line"),
    ],
)
def test_a_header_over_a_limit_is_refused_however_it_is_cut(message: bytes, reply: str) -> None:
    for cut in range(len(message) + 1):
        with pytest.raises(PermanentFailure) as caught:
            read([message[:cut], message[cut:]], SMALL)
        assert str(caught.value.reply) == reply


def test_a_header_of_exactly_the_limit_is_taken() -> None:
    message = b"A: " + b"x" * 35 + b"\r\n"
    assert len(message) == 40
    for cut in range(len(message) + 2):
        assert read([(message + b"\r\n")[:cut], (message + b"\r\n")[cut:]], SMALL)[1] == b""


def test_a_long_line_of_body_behind_a_full_header_is_body_however_it_is_cut() -> None:
    message = b"A: " + b"x" * 35 + b"\r\n" + b"y" * 3_000
    for cut in range(len(message)):
        header, body = read([message[:cut], message[cut:]], SMALL)
        assert (header.names, len(body)) == ([b"a"], 3_000)


def test_a_header_without_end_is_refused_while_it_arrives() -> None:
    reader = HeaderReader()
    field = b"X-Field: " + b"x" * 1013 + b"\r\n"
    for _ in range(256):
        assert reader.feed(field) is None
    with pytest.raises(PermanentFailure, match=r"5\.3\.4"):
        reader.feed(field)


def test_a_body_without_header_is_handed_on_at_its_first_line() -> None:
    reader = HeaderReader()
    assert reader.feed(b"Hello wo") is None
    assert reader.feed(b"rld\r\nand") == b"Hello world\r\nand"


PIECES = st.sampled_from(
    [
        b"From: a",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b":",
        b"x",
        b"From ",
        b">",
        b"Subject",
        b"\r\n\r\n",
        b"\0",
        b"\xff",
    ]
)


def outcome(pieces: list[bytes]) -> object:
    try:
        header, body = read(pieces, HeaderLimits(octets=60, fields=4))
    except PermanentFailure as failure:
        return str(failure.reply)
    return header.raw, header.names, body


@given(st.lists(PIECES, max_size=30).map(b"".join), st.data())
def test_any_cut_of_the_same_octets_gives_the_same(message: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=6)))
    edges = [0, *cuts, len(message)]
    pieces = [message[a:b] for a, b in pairwise(edges)]
    assert outcome(pieces) == outcome([message])


@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_header_and_body_together_are_the_message(message: bytes) -> None:
    reader = HeaderReader()
    try:
        body = reader.feed(message)
        end = b"" if body is not None else b"\r\n"
        body = reader.finish() if body is None else body
    except PermanentFailure:
        return
    raw = reader.header.raw
    assert b"".join(reader.header.wholes) == raw
    whole = message[reader.dropped :]
    if end and not body:
        whole = whole.removesuffix(b"\n").removesuffix(b"\r") + (end if raw else b"")
    assert whole in {raw + b"\r\n" + body, raw + body}
