"""A body without parts is measured by a short way, which says what the long one says."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.message.header import read_header
from sams.message.measures import PlainScanner
from sams.message.mime import MimeLimits, StructureScanner, scanner_for

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
