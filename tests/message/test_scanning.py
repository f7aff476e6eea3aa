"""A body is looked at as closely as can matter, and the short ways say what the long one says."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.errors import PermanentFailure
from sams.message.header import HeaderLimits, read_header
from sams.message.measures import PlainScanner
from sams.message.mime import MimeLimits, Structure, StructureScanner
from sams.message.scanning import CompositeScanner, scanner_for

LIMITS = MimeLimits()
COMPOSITE = [
    b"multipart/mixed; boundary=x",
    b"\r\n\tMULTIPART/mixed",
    b"Message/rfc822",
    b"message /global",
]
SIMPLE = [b"text/plain", b"application/pdf", b"x multipart/mixed", b"", b"multi", b'"multipart/mixed"']


@pytest.mark.parametrize(("kind", "is_plain"), [(k, False) for k in COMPOSITE] + [(k, True) for k in SIMPLE])
def test_the_short_way_is_taken_where_there_can_be_no_parts(kind: bytes, is_plain: bool) -> None:
    header = read_header(b"Content-Type: " + kind + b"\r\n")
    scanner = scanner_for(header, LIMITS, binary=False)
    assert isinstance(scanner, PlainScanner) is is_plain
    assert isinstance(scanner, CompositeScanner) is not is_plain
    full = StructureScanner(header)
    full.feed(b"--x\r\n\r\n--x\r\n")
    assert len(full.finish().parts) == 1 or not is_plain


def test_without_a_type_it_is_text_and_in_binary_everything_is_looked_at() -> None:
    header = read_header(b"Subject: x\r\n")
    assert isinstance(scanner_for(header, LIMITS, binary=False), PlainScanner)
    scanner = scanner_for(header, LIMITS, binary=True)
    scanner.feed(b"a\nb")
    assert scanner.finish().is_binary


PIECES = st.lists(
    st.sampled_from(
        [b"\r\n", b"a", b"\xe9", b"x" * 500, b"y" * 997, b"z" * 998, b"z" * 999, b"w" * 2500, b"- --"]
    ),
    max_size=20,
).map(b"".join)


@given(PIECES, st.sampled_from(SIMPLE), st.data())
def test_the_short_way_says_what_the_long_one_says_however_it_is_cut(
    body: bytes, kind: bytes, data: st.DataObject
) -> None:
    header = read_header(b"Content-Type: " + kind + b"\r\n")
    full = StructureScanner(header)
    full.feed(body)
    structure = full.finish()
    scanner = scanner_for(header, LIMITS, binary=False)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    for start, end in pairwise([0, *cuts, len(body)]):
        scanner.feed(body[start:end])
    found = scanner.finish()
    assert (found.has_8bit_body, found.is_binary, found.longest_line) == (
        structure.has_8bit_body,
        structure.is_binary,
        structure.longest_line,
    )
    lines = [len(line) for line in body.split(b"\r\n")]
    assert found.longest_line == max([line for line in lines if line > 998], default=0)


# --- bodies that may have parts

MIXED = read_header(b"Content-Type: multipart/mixed; boundary=o\r\n")
TIGHT = MimeLimits(depth=4, parts=6, header=HeaderLimits(octets=400, fields=12, received=9, strict=False))
BITS = st.sampled_from(
    [
        b"\r\n",
        b"--",
        b"text",
        b"\r\n--o\r\n",
        b"\r\n--o--",
        b"\r\n--i\r\n",
        b"\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=i\r\n\r\n",
        b"Content-Type: MESSAGE/rfc822\r\n\r\n",
        b"Content-Type: multipart/digest; boundary=i\r\n\r\n",
        b"Received: b\r\n",
        b"A: b\r\n",
        b"\xe9",
        b"x" * 700,
    ]
)
BODIES = st.lists(BITS, max_size=30).map(b"".join)


def judged(scanner: StructureScanner | CompositeScanner, pieces: list[bytes]) -> object:
    try:
        for piece in pieces:
            scanner.feed(piece)
        found = scanner.finish()
    except PermanentFailure as failure:
        return str(failure.reply)
    return found.has_8bit_body, found.is_binary, found.longest_line


@given(BODIES, st.sampled_from([LIMITS, TIGHT]), st.data())
def test_a_body_with_parts_is_judged_as_if_it_were_taken_apart(
    body: bytes, limits: MimeLimits, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4)))
    pieces = [body[start:end] for start, end in pairwise([0, *cuts, len(body)])]
    assert judged(CompositeScanner(MIXED, limits), pieces) == judged(StructureScanner(MIXED, limits), [body])


def part(*fields: bytes) -> bytes:
    return b"\r\n--o\r\n" + b"".join(fields) + b"\r\ntext"


@pytest.mark.parametrize(
    ("body", "is_apart"),
    [
        (part() * 3 + b"\r\n--o--\r\n", False),
        (part() * 30, True),
        (part(b"Content-Type: message/rfc822\r\n\r\n" * 48), True),
        (part() + b"\r\nx" * 1_001, True),
        (part() + b"\r\n" + b"x" * 999, True),
        (part() + (b"\r\n" + b"x" * 800) * 200, True),
    ],
)
def test_what_is_small_and_simple_is_not_taken_apart(body: bytes, is_apart: bool) -> None:
    scanner = CompositeScanner(MIXED, LIMITS)
    scanner.feed(body)
    assert isinstance(scanner.finish(), Structure) is is_apart


def test_a_limit_that_a_large_body_exceeds_is_told_while_it_arrives() -> None:
    scanner = CompositeScanner(MIXED, LIMITS)
    for _ in range(1_000):
        scanner.feed(part() + b"x" * 140)
    with pytest.raises(PermanentFailure, match="more than 1000 MIME parts"):
        scanner.feed(part() * 2)


def test_a_small_body_in_very_many_pieces_is_kept_in_few() -> None:
    tracemalloc.start()
    try:
        scanner = CompositeScanner(MIXED, LIMITS)
        for _ in range(40_000):
            scanner.feed(bytes(bytearray(b"xy")))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 * 80_000
