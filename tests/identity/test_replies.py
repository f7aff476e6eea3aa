from __future__ import annotations

import pytest

from sams.identity import replies

NOON = 1_700_000_000.0 - 1_700_000_000.0 % 86_400 + 43_200


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("pair", "for this login from your address"),
        ("address", "Too many wrong passwords from your address"),
        ("network", "from your network"),
        ("login", "for this login, from many places and now from here"),
        ("of another version", "from your address"),
    ],
)
def test_who_is_locked_out_is_told_of_what_and_until_when(what: str, words: str) -> None:
    told = str(replies.locked(NOON + 90, what, NOON))
    assert told.startswith("454 4.7.0 ")
    assert words in told
    assert told.endswith("try again after 12:02 UTC")


def test_a_lock_of_more_than_half_a_day_is_told_with_its_date() -> None:
    assert str(replies.locked(NOON + 86_400, "pair", NOON)).endswith("try again after 2023-11-15 12:00 UTC")
