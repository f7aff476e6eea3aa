from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from sams.protocol.smtp.inbox import Flaw, Inbox
from tests.protocol.smtp.references import BARE, LONG, all_lines

LIMIT = 6


def reference(stream: bytes) -> list[bytes | Flaw]:
    flaws = {BARE: Flaw.BARE, LONG: Flaw.LONG}
    return [flaws[line] if isinstance(line, str) else line for line in all_lines(stream, LIMIT)]


def read(pieces: list[bytes]) -> list[bytes | Flaw]:
    inbox = Inbox()
    lines: list[bytes | Flaw] = []
    for piece in pieces:
        inbox.feed(piece)
        while (line := inbox.line(LIMIT)) is not None:
            lines.append(line)
    return lines


def test_every_short_stream_gives_the_lines_of_the_rule_however_it_is_cut() -> None:
    for length in range(1, 8):
        for octets in itertools.product(b"\r\na", repeat=length):
            stream = bytes(octets)
            expected = reference(stream)
            assert read([stream]) == expected, stream
            assert read([bytes([octet]) for octet in stream]) == expected, stream
            for at in range(1, length):
                assert read([stream[:at], stream[at:]]) == expected, (stream, at)


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"\0", b"a", b"bcd", b"\r\n", b"efghij"]), max_size=30), st.data()
)
def test_long_streams_give_the_lines_of_the_rule(words: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(words)
    bounds = [0, *sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6))), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(bounds) if start < end]
    assert read(pieces) == reference(stream)


def test_lines_that_arrive_in_many_pieces_before_anyone_reads_are_all_there() -> None:
    inbox = Inbox()
    for piece in (b"on", b"e\r", b"\ntwo\r\n", b"thr"):
        inbox.feed(piece)
    assert inbox.size == 13
    assert [inbox.line(LIMIT), inbox.line(LIMIT), inbox.line(LIMIT)] == [b"one", b"two", None]
    assert inbox.size == 3


def test_a_line_is_taken_only_where_it_is_there_whole_and_is_what_it_has_to_be() -> None:
    pattern = re.compile(rb"[a-z]+\r\n")
    for data, fits in ((b"one\r\n", True), (b"o\ne\r\n", False), (b"one", False), (b"12345\r\n", False)):
        inbox = Inbox()
        inbox.feed(data)
        match = inbox.match(pattern, LIMIT)
        assert (match is not None) == fits
        assert inbox.size == (0 if fits else len(data))
        assert inbox.is_used_up() == fits


def test_what_was_taken_can_be_given_back() -> None:
    inbox = Inbox()
    inbox.feed(b"abcdef")
    assert inbox.take(4) == b"abcd"
    inbox.give_back(b"cd")
    assert inbox.take_all() == b"cdef"
    inbox.give_back(b"ef")
    inbox.feed(b"gh")
    assert inbox.take_all() == b"efgh"
    assert inbox.take_all() == inbox.take(1) == b""


def test_an_idle_session_holds_no_buffer() -> None:
    inbox = Inbox()
    inbox.feed(100_000 * b"x" + b"\r\nabc")
    assert inbox.line(200_000) is not None
    assert inbox.line(200_000) is None
    assert inbox.data == b"abc"
    inbox.feed(b"\r\n")
    assert inbox.line(LIMIT) == b"abc"
    assert inbox.line(LIMIT) is None
    assert inbox.data == b""
    inbox.feed(b"abc")
    inbox.take(3)
    assert inbox.is_used_up()
    assert inbox.data == b""


def test_the_begin_of_a_dropped_line_is_not_kept() -> None:
    inbox = Inbox()
    inbox.feed(b"abcdef")
    assert inbox.line(LIMIT) is Flaw.LONG
    for _ in range(10):
        inbox.feed(1_000 * b"x" + b"\r")
        assert inbox.peek(5) == b""
        assert inbox.size == 1


def test_what_comes_after_the_end_is_not_kept() -> None:
    inbox = Inbox()
    inbox.feed(b"on")
    inbox.shut()
    for piece in (b"e\r\n", b"two\r\n"):
        inbox.feed(piece)
    assert (inbox.size, inbox.line(LIMIT)) == (0, None)
