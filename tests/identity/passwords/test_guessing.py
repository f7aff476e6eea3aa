from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sams.identity.passwords.guessing import common_words, estimate, fold

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


@pytest.mark.parametrize(
    "text",
    ["4@8({[</369&#!1/|0$5+7%" * 50, "a" * 1_000, "ab1" * 300, "1/1/1" * 200, "\u0344" * 1_000, "ﷺ" * 1_000],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    estimate(text, ["a" * 1_000, "a.b-" * 250], COMMON)
    assert time.process_time() - began < 0.2
