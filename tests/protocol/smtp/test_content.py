"""DATA and BDAT content against a reference reader that looks at one octet at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.smtp.content import has_bare_newline
from sams.protocol.smtp.incoming import Incoming
from sams.protocol.smtp.settings import BareNewlines, ServerSettings
from tests.protocol.smtp.harness import SETTINGS
from tests.protocol.smtp.references import judge, read_data

TINY = replace(SETTINGS, message_size=12, data_line=6)
NORMALISING = replace(TINY, bare_newlines=BareNewlines.NORMALISE)
END = b"\r\n.\r\n"

Outcome = tuple[str, bytes, int]


def reference(wire: bytes, settings: ServerSettings) -> Outcome:
    """The flaw, the content and the number of octets behind the end, of a wire that has an end."""
    content, behind = read_data(wire)
    assert behind is not None
    return *judge(content, settings), len(behind)


def dotted(pieces: list[bytes], settings: ServerSettings) -> Outcome:
    incoming, content = Incoming(settings, binary=False), b""
    for number, piece in enumerate(pieces):
        stored, behind = incoming.dotted(piece)
        content += stored
        if behind >= 0:
            content += incoming.finish()
            return *outcome(incoming, content), behind + sum(map(len, pieces[number + 1 :]))
    raise AssertionError("the end was not seen")


def outcome(incoming: Incoming, content: bytes) -> tuple[str, bytes]:
    verdict = incoming.verdict
    assert verdict is not None or incoming.size == len(content)
    return (str(verdict.status), b"") if verdict else ("", content)


def cuts(wire: bytes) -> Iterator[list[bytes]]:
    yield [wire]
    yield [bytes([octet]) for octet in wire]
    for at in range(1, len(wire)):
        yield [wire[:at], wire[at:]]


@pytest.mark.parametrize("settings", [TINY, NORMALISING], ids=["reject", "normalise"])
@pytest.mark.parametrize("length", range(6))
def test_every_short_message_reads_as_the_reference_reads_it_however_it_is_cut(
    length: int, settings: ServerSettings
) -> None:
    for octets in itertools.product(b"\r\n.a", repeat=length):
        wire = bytes(octets) + END + b"Z"
        expected = reference(wire, settings)
        for pieces in cuts(wire):
            assert dotted(pieces, settings) == expected, pieces


@st.composite
def wires(draw: st.DrawFn) -> list[bytes]:
    words = st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"a", b"abc", b"\r\n..", b"\0", END])
    wire = b"".join(draw(st.lists(words, max_size=30))) + END + draw(st.binary(max_size=3))
    places = draw(st.lists(st.integers(0, len(wire)), max_size=8).map(sorted))
    bounds = [0, *places, len(wire)]
    return [wire[start:end] for start, end in itertools.pairwise(bounds) if start < end]


@given(
    wires(),
    st.sampled_from(list(BareNewlines)),
    st.integers(2, 40),
    st.integers(2, 12),
)
def test_long_messages_and_many_cuts_read_as_the_reference_reads_them(
    pieces: list[bytes], newlines: BareNewlines, size: int, line: int
) -> None:
    settings = replace(SETTINGS, bare_newlines=newlines, message_size=size, data_line=line)
    assert dotted(pieces, settings) == reference(b"".join(pieces), settings)


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\r\n", b".\r\n", b"abcd"]), max_size=12),
    st.sampled_from(list(BareNewlines)),
)
def test_chunks_are_judged_as_a_whole_wherever_they_are_cut(
    pieces: list[bytes], newlines: BareNewlines
) -> None:
    settings = replace(TINY, bare_newlines=newlines)
    incoming = Incoming(settings, binary=False)
    content = b"".join([incoming.plain(piece) for piece in pieces])
    content += incoming.finish()
    assert outcome(incoming, content) == judge(b"".join(pieces), settings)


@given(st.lists(st.binary(max_size=6), max_size=6))
def test_binary_content_is_passed_on_octet_by_octet_up_to_the_size(pieces: list[bytes]) -> None:
    incoming, whole = Incoming(TINY, binary=True), b"".join(pieces)
    content = b"".join(map(incoming.plain, pieces)) + incoming.finish()
    assert outcome(incoming, content) == (("", whole) if len(whole) <= 12 else ("5.3.4", b""))


def test_nothing_is_passed_on_once_the_size_is_exceeded() -> None:
    incoming = Incoming(TINY, binary=False)
    assert [incoming.dotted(piece)[0] for piece in (b"123\r\n456\r\n", b"789\r\n", b"a\r\n")] == [
        b"123\r\n456",
        b"",
        b"",
    ]


def test_a_declared_chunk_that_would_be_too_large_passes_nothing_on() -> None:
    incoming = Incoming(TINY, binary=False)
    incoming.expect(13)
    assert incoming.plain(b"a") == b""
    assert incoming.verdict is not None
    assert str(incoming.verdict.status) == "5.3.4"


def test_a_flood_is_more_than_the_message_size_and_what_may_be_dropped_above_it() -> None:
    incoming = Incoming(replace(TINY, discard=12), binary=False)
    seen = []
    for _ in range(5):
        incoming.plain(b"1234\r\n")
        seen.append(incoming.is_flood)
    assert seen == [False, False, False, False, True]


@given(
    st.lists(
        st.sampled_from([b"\r\n", b"\r", b"\n", b"\0", b"\x0b\x0c", b"\x85\xe2\x80\xa8", 300 * b"a"]),
        max_size=12,
    )
)
def test_a_newline_is_bare_where_it_is_no_part_of_crlf_and_no_other_octet_counts(words: list[bytes]) -> None:
    piece = b"".join(words)
    without = piece.replace(b"\r\n", b"")
    assert has_bare_newline(piece) == (b"\r" in without or b"\n" in without)
