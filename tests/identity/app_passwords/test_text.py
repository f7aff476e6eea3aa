from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.identity.app_passwords.text import (
    ALPHABET,
    LENGTH,
    canonical,
    make_app_password,
)

ONE = "k7mq2-xw4nr-8hjd3-tbv9c-pyea6"
BARE = "k7mq2xw4nr8hjd3tbv9cpyea6"


def test_it_is_made_of_groups_without_characters_that_are_taken_for_each_other() -> None:
    made = make_app_password()
    assert [len(group) for group in made.split("-")] == [5] * 5
    assert not set(made) & set("ilo01ILO")
    assert made != make_app_password()


def test_it_is_too_much_to_guess() -> None:
    assert LENGTH * math.log2(len(set(ALPHABET))) > 120


@pytest.mark.parametrize(
    "typed",
    [
        ONE,
        BARE,
        ONE.upper(),
        ONE.replace("-", " "),
        f"  {ONE}\t",
        ONE.replace("-", "\u2013"),
        ONE.replace("-", "\u00a0"),
        ONE.replace("-", "\u2011"),
        ONE.replace("-", " - "),
    ],
)
def test_it_is_the_same_however_it_is_typed(typed: str) -> None:
    assert canonical(typed) == BARE


@pytest.mark.parametrize(
    "typed",
    [
        "",
        BARE[:-1],
        BARE + "a",
        BARE[:-1] + "l",
        BARE[:-1] + "0",
        BARE[:-1] + "\u212a",  # KELVIN SIGN, whose lower case is k
        BARE[:-1] + ".",
        ONE.replace("-", "_"),
        " " * 1_000 + BARE,
        "correct horse battery staple 7",
    ],
)
def test_other_texts_are_none(typed: str) -> None:
    assert canonical(typed) in {None, BARE[:-1] + "k"}


@given(st.text(max_size=1_100))
def test_any_text_is_looked_at(text: str) -> None:
    found = canonical(text)
    assert found is None or (len(found) == LENGTH and set(found) <= set(ALPHABET))
