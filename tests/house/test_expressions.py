"""Regular expressions mean the same to every Python that SAMS runs on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCES = sorted(Path(__file__).parents[2].joinpath("src").rglob("*.py"))
_POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)(?:[*+?]|\{[\d,]+\})\+")


@pytest.mark.parametrize("text", ["(?:a)*+", "(?:a)++", "(a)?+", "(?:a){1,2}+"])
def test_a_possessive_group_is_recognised(text: str) -> None:
    assert _POSSESSIVE_GROUP.search(text)


def test_no_group_is_possessive_as_python_3_11_2_matches_those_wrongly() -> None:
    # CPython issue 106052, mended in 3.11.5: `(?:ab?c)*+` matches `a`. An atomic group, `(?>(?:ab?c)*)`, is sound.
    found = [
        f"{path}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if _POSSESSIVE_GROUP.search(line)
    ]
    assert not found
