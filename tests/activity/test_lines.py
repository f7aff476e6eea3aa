from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.activity import lines as lines_module
from sams.activity.lines import Lines, _pieces

FOR_EVER = 600.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def fill(writing: int) -> int:
    """Fill a pipe that nobody reads; how much went in."""
    octets = 0
    os.set_blocking(writing, False)
    try:
        while True:
            octets += os.write(writing, b"." * select.PIPE_BUF)
    except BlockingIOError:
        os.set_blocking(writing, True)
    return octets


def read(reading: int, octets: int) -> bytes:
    data = b""
    while len(data) < octets:
        data += os.read(reading, octets - len(data))
    return data


def test_without_a_thread_each_line_is_written_at_once(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = Lines(writing)
    lines.later(b"one")
    assert os.read(reading, 100) == b"one\n"
    lines.msg(b"two")
    assert os.read(reading, 100) == b"two\n"


def test_gathered_lines_go_out_together_and_in_order(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "GATHER", FOR_EVER)
    reading, writing = pipe
    lines = Lines(writing)
    with lines.gathered():
        for number in range(5):
            lines.later(b"%d" % number)
        assert select.select([reading], [], [], 0) == ([], [], [])
    assert os.read(reading, 100) == b"0\n1\n2\n3\n4\n"


def test_a_line_that_is_urgent_takes_those_before_it_along(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "GATHER", FOR_EVER)
    reading, writing = pipe
    lines = Lines(writing)
    with lines.gathered():
        for _ in range(3):
            lines.later(b"told")
            lines.msg(b"urgent")
            assert read(reading, 12) == b"told\nurgent\n"


def test_a_reader_that_stands_still_holds_nobody_up_and_hears_of_what_was_lost(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "MAX_OCTETS", 100)
    reading, writing = pipe
    lines = Lines(writing)
    with lines.gathered(within=FOR_EVER):
        full = fill(writing)
        for _ in range(50):
            lines.msg(b"123456789")
        assert lines.lost == 40
        assert lines.take_lost() == 0, "nothing goes out that could tell of it"
        read(reading, full)
    assert os.read(reading, 1_000) == b"123456789\n" * 10
    assert (lines.take_lost(), lines.take_lost()) == (40, 0)


def test_an_end_waits_no_longer_than_it_may(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = Lines(writing)
    full = fill(writing)
    with lines.gathered(within=0.0):
        lines.msg(b"held up")
    assert read(reading, full + 8).endswith(b"held up\n")


def test_without_a_thread_a_reader_that_stands_still_is_waited_for_once(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "PATIENCE", 0.01)
    reading, writing = pipe
    lines = Lines(writing)
    full = fill(writing)
    lines.msg(b"lost")
    monkeypatch.setattr(lines_module, "PATIENCE", FOR_EVER)
    lines.msg(b"lost too, at once")
    assert (lines.lost, lines.take_lost()) == (2, 0)
    read(reading, full)
    lines.msg(b"seen")
    assert os.read(reading, 100) == b"seen\n"
    assert lines.take_lost() == 2


def test_a_reader_that_has_gone_costs_lines_and_nothing_else() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    lines = Lines(writing)
    with lines.gathered():
        for _ in range(3):
            lines.later(b"x")
    os.close(writing)
    assert lines.lost == 3
    assert lines.take_lost() == 0, "who should hear it?"


@given(st.lists(st.integers(0, 2 * select.PIPE_BUF)))
def test_a_write_has_whole_lines_and_no_more_than_a_pipe_takes_in_one_piece(sizes: list[int]) -> None:
    lines = [b"x" * size for size in sizes]
    pieces = list(_pieces(lines))
    assert [line for piece in pieces for line in piece] == lines
    assert all(len(piece) == 1 or sum(map(len, piece)) + len(piece) <= select.PIPE_BUF for piece in pieces)
