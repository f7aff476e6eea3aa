"""Transfer encodings as streams: what is decoded is what went in, however it was cut."""

from __future__ import annotations

import base64
import quopri
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sams.message.transfer import Base64, Masked, QuotedPrintable, Repaired, Rewrapped, Transform


def through(transform: Transform, data: bytes, cuts: list[int]) -> bytes:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return b"".join([transform.feed(data[a:b]) for a, b in pairwise(edges)]) + transform.finish()


CUTS = st.lists(st.integers(0, 300), max_size=6)
TEXTS = st.lists(
    st.sampled_from([b"\r\n", b" ", b"\t", b".", b"=", b"=3D", b"\xe9", b"x" * 80, b"From ", b"\x01", b"a"]),
    max_size=40,
).map(b"".join)


def is_clean(text: bytes, width: int = 76) -> bool:
    ends_right = text.count(b"\r\n") == text.count(b"\n") == text.count(b"\r")
    return text.isascii() and ends_right and all(len(line) <= width for line in text.split(b"\r\n"))


@given(st.binary(max_size=300), CUTS)
def test_base64_round_trips_in_short_lines(data: bytes, cuts: list[int]) -> None:
    encoded = through(Base64(), data, cuts)
    assert base64.b64decode(encoded) == data
    assert is_clean(encoded)
    assert not encoded.endswith(b"\r\n")


@given(TEXTS, CUTS)
@example(b"x" * 200_000, [70_000, 140_001])
@example(b"\xe9" * 100_000 + b"\r\n" + b" " * 70_000, [65_536, 131_072])
def test_quoted_printable_round_trips_in_short_lines(text: bytes, cuts: list[int]) -> None:
    encoded = through(QuotedPrintable(), text, cuts)
    assert quopri.decodestring(encoded) == text
    assert is_clean(encoded)
    assert b" \r\n" not in encoded
    assert b"\t\r\n" not in encoded


@given(st.binary(max_size=600), CUTS, st.sampled_from([b"", b"\r\n", b"!", b"\xff"]))
def test_base64_that_was_wrapped_badly_decodes_to_the_same(data: bytes, cuts: list[int], dirt: bytes) -> None:
    text = dirt.join([base64.b64encode(data)[at : at + 150] for at in range(0, 800, 150)])
    repaired = through(Rewrapped(), text, cuts)
    assert base64.b64decode(repaired) == data
    assert is_clean(repaired)


@given(TEXTS, CUTS)
@example(b"=E9" * 70_000, [65_537, 131_075])
@example(b"x=" * 70_000, [65_537, 131_075])
def test_quoted_printable_with_raw_octets_decodes_to_the_same(text: bytes, cuts: list[int]) -> None:
    repaired = through(Repaired(), text, cuts)
    assert decoded(repaired) == decoded(text)
    assert is_clean(repaired, 998)


def decoded(text: bytes) -> bytes:
    """As decoders do: `=XX`, soft line ends, and all else as it stands."""
    return re.sub(rb"=(?:\r\n|([0-9A-F]{2}))", lambda m: bytes.fromhex(m[1].decode()) if m[1] else b"", text)


def test_octets_and_line_ends_that_may_not_stand_there_are_repaired() -> None:
    assert through(Repaired(), b"a\0b\nc\rd\xff\r\n", []) == b"a=00b=0Ac=0Dd=FF\r\n"


def test_masked_text_keeps_its_length() -> None:
    assert through(Masked(), b"a\0\xe9b\r\n", [2]) == b"a??b\r\n"


@pytest.mark.parametrize("make", [Base64, QuotedPrintable, Repaired, Rewrapped, Masked])
def test_nothing_becomes_nothing(make: Callable[[], Transform]) -> None:
    assert through(make(), b"", []) == b""
