from __future__ import annotations

import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.text import ascii_line, visible, wrapped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("jürgen 用户 \u00a0", "jürgen 用户 \u00a0"),
        ("a\r\nb\x1b[31m\0", "a\\x0d\\x0ab\\x1b[31m\\x00"),
        ("\u202eevil\u2028", "\\u202eevil\\u2028"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        (b"caf\xc3\xa9", "café"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"", ""),
    ],
)
def test_text_from_outside_is_shown_on_one_line_with_nothing_invisible(
    text: str | bytes, expected: str
) -> None:
    assert visible(text) == expected


def test_every_control_format_and_separator_character_of_unicode_is_escaped() -> None:
    unsafe = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    for number in range(sys.maxunicode + 1):
        letter = chr(number)
        if unicodedata.category(letter) in unsafe:
            assert visible(letter).startswith("\\"), hex(number)


@pytest.mark.parametrize(
    "text", [12 * "a", 12 * b"a", 12 * "ü", 12 * "ü".encode(), 12 * "\U0001f600".encode()]
)
def test_a_long_text_is_cut_and_says_so(text: str | bytes) -> None:
    assert len(visible(text, 10)) == 10
    assert visible(text, 10).endswith("…")
    assert not visible(text, 12).endswith("…")


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_an_ascii_line_is_printable_ascii_whatever_came(text: str | bytes) -> None:
    line = ascii_line(text if isinstance(text, str) else text.decode("latin-1"), 20)
    assert line.isascii()
    assert line.isprintable()


@given(st.text(" ab", max_size=60), st.integers(8, 20), st.sampled_from(["", "  "]))
def test_wrapped_lines_keep_all_words_and_no_line_could_take_one_more(
    text: str, width: int, indent: str
) -> None:
    lines = wrapped(text, width, indent, indent)
    assert " ".join(lines).split() == text.split()
    for line in lines:
        assert line.startswith(indent)
        assert len(line) <= width or " " not in line.strip()
    for line, following in pairwise(lines):
        assert len(line) + 1 + len(following.split()[0]) > width


def test_a_text_that_grows_by_its_escapes_is_cut_to_length_as_well() -> None:
    assert visible("\x01" * 50, 20) == "\\x01" * 4 + "\\x0…"
    assert visible("\x01" * 5, 20) == "\\x01" * 5


_LETTERS = st.sampled_from("ab é漢\u00a0\t\x00\x1b\x7f\x85\u00ad\u202e\u2028\ud800\uffff\U000e0041")


def _plainly(text: str, length: int) -> str:
    """Character by character."""
    text = text if len(text) <= length else text[: length - 1] + "…"
    shown = "".join([visible(each) for each in text])
    return shown if len(shown) <= length else shown[: length - 1] + "…"


@given(st.text(_LETTERS, max_size=80), st.integers(1, 60))
def test_a_text_is_shown_as_its_characters_are_whatever_stands_beside_them(text: str, length: int) -> None:
    assert visible(text, length) == _plainly(text, length)
