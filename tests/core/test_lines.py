"""Lines of one length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sams.core.lines import even_lines


def test_lines_of_one_length_are_passed_over_up_to_the_last_end() -> None:
    assert even_lines(b"abc\n" * 10 + b"ab", 0, 4) == 40


def test_the_search_begins_where_it_is_told() -> None:
    assert even_lines(b"x\n" + b"abc\n" * 3, 2, 4) == 14


def test_a_first_line_that_is_too_long_is_left_to_who_asks() -> None:
    assert even_lines(b"abcd\n" * 3, 0, 4) == 0


def test_text_without_an_end_of_line_is_left_to_who_asks() -> None:
    assert even_lines(b"abcd", 0, 10) == 0


def test_lines_of_different_lengths_are_left_to_who_asks() -> None:
    assert even_lines(b"abc\nab\nabc\n", 0, 10) == 0


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(1, 6))
def test_no_line_within_what_is_passed_over_is_too_long(lengths: list[int], longest: int) -> None:
    text = b"".join(b"x" * length + b"\n" for length in lengths)
    end = even_lines(text, 0, longest)
    assert end == 0 or text[end - 1 : end] == b"\n"
    assert all(len(line) + 1 <= longest for line in text[:end].split(b"\n")[:-1])
