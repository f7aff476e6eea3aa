"""Ids as row numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.ids import ALPHABET, MAX_SHARD
from sams.spool.keys import id_of, row_of

GOOD = id_of(1 << 60, 5)


@given(st.integers(0, 2**62), st.integers(0, MAX_SHARD))
def test_a_row_and_its_shard_come_back_from_their_id(row: int, shard: int) -> None:
    identifier = id_of(row, shard)
    assert row_of(identifier) == (row, shard)
    assert row_of(identifier.lower()) == (row, shard)


@pytest.mark.parametrize("other", ["", GOOD[1:], f"{GOOD}0", "é" * 15, "\udcff" * 15, f"\u0661{GOOD[1:]}"])
def test_what_is_no_id_is_no_key(other: str) -> None:
    with pytest.raises(KeyError):
        row_of(other)


@given(st.characters().filter(lambda letter: letter.upper() not in ALPHABET), st.integers(0, 14))
def test_one_foreign_letter_makes_it_no_key(letter: str, place: int) -> None:
    with pytest.raises(KeyError):
        row_of(GOOD[:place] + letter + GOOD[place + 1 :])
