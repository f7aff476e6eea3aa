from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sams.identity.passwords.guessing import common_words, estimate, fold
from tests.message.costs import LINEAR, growth

COMMON = common_words()


def test_the_list_of_common_words_is_folded_without_repetitions_and_ordered_by_how_soon_they_are_guessed() -> (
    None
):
    assert len(COMMON) > 30_000
    assert all(word == fold(word) and 3 <= len(word) <= 24 for word in COMMON)
    assert COMMON["password"] < COMMON["winter"] < COMMON["fussball"]


@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_text_has_an_estimate_and_what_is_known_of_the_member_never_raises_it(
    text: str, own: list[str]
) -> None:
    alone = estimate(text, (), COMMON).guesses
    assert 0 <= estimate(text, own, COMMON).guesses <= alone + 1e-9


@pytest.mark.parametrize("unit", ["4@8({[</369&#!1/|0$5+7%", "a", "ab1", "1/1/1", "\u0344", "ﷺ"], ids=ascii)
def test_no_text_takes_long(unit: str) -> None:
    """Beyond what a password may be, and then no longer than it is."""

    def work(text: bytes) -> None:
        estimate(text.decode(), ["a" * 1_000, "a.b-" * 250], COMMON)

    assert growth(work, lambda count: unit.encode() * count, 50) < LINEAR
