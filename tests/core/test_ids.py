from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.clock import Clock, SystemClock
from sams.core.ids import ALPHABET, ID_LENGTH, IdMaker, encode, new_reference, shard_of, time_of


@dataclass
class SetClock:
    time: float

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@given(st.lists(st.floats(0, 9e9), min_size=1, max_size=30), st.integers(0, 1023))
def test_ids_of_a_shard_rise_whatever_the_clock_does(times: list[float], shard: int) -> None:
    clock = SetClock(0)
    maker = IdMaker(clock, shard)
    made: list[str] = []
    for clock.time in times:
        made.extend(maker.next() for _ in range(3))
    assert made == sorted(set(made))
    assert {shard_of(identifier) for identifier in made} == {shard}
    assert {len(identifier) for identifier in made} == {ID_LENGTH}


def test_ids_go_on_rising_when_one_microsecond_gives_more_than_the_counter_holds() -> None:
    maker = IdMaker(SetClock(1e9), 5)
    made = [maker.next() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {shard_of(identifier) for identifier in made} == {5}


def test_a_time_that_is_skipped_gives_no_id_even_when_the_clock_goes_back_to_it() -> None:
    taken = IdMaker(SetClock(1e9), 5)
    last = [taken.next() for _ in range(5_000)][-1]
    maker = IdMaker(SetClock(9e8), 5)
    maker.skip(10**15 + 1)
    assert maker.next() > last
    maker.skip(0)
    assert maker.next() > last


@given(st.integers(0, 2**75 - 1))
def test_encoding_keeps_every_bit_and_the_order(number: int) -> None:
    text = encode(number)
    value = 0
    for letter in text:
        value = value * 32 + ALPHABET.index(letter)
    assert value == number
    assert sorted(ALPHABET) == list(ALPHABET)


@pytest.mark.parametrize("shard", [-1, 1024])
def test_a_shard_out_of_range_is_refused(shard: int) -> None:
    with pytest.raises(ValueError, match="0 to 1023"):
        IdMaker(SetClock(0), shard)


@pytest.mark.parametrize(
    "text", ["", "0" * 14, "0" * 16, "U" * 15, "0" * 14 + "-", "0" * 14 + "é", "0" * 14 + "ß"]
)
def test_what_is_no_id_has_no_shard(text: str) -> None:
    with pytest.raises(ValueError):
        shard_of(text)


@given(
    st.text(st.sampled_from(ALPHABET + "abß\u017f\u0131KILOU-"), min_size=14, max_size=16)
    | st.text(max_size=16)
)
def test_any_text_is_an_id_or_is_refused(text: str) -> None:
    letters = set(ALPHABET + ALPHABET.lower())
    try:
        shard = shard_of(text)
    except ValueError:
        assert len(text) != 15 or not set(text) <= letters
    else:
        assert len(text) == 15
        assert set(text) <= letters
        assert 0 <= shard <= 1_023


def test_an_id_is_read_in_lower_case_too() -> None:
    identifier = IdMaker(SystemClock(), 77).next()
    assert shard_of(identifier.lower()) == 77


def test_references_are_short_and_differ() -> None:
    codes = {new_reference() for _ in range(200)}
    assert len(codes) == 200
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}", code) for code in codes)


def test_the_system_clock_has_two_kinds_of_time() -> None:
    clock: Clock = SystemClock()
    assert clock.now() > 1_700_000_000
    assert clock.monotonic() <= clock.monotonic()


def test_an_id_tells_when_it_was_made() -> None:
    made = IdMaker(SetClock(1_700_000_000.25), 5).next()
    assert time_of(made) == time_of(made.lower()) == 1_700_000_000.25
    with pytest.raises(ValueError, match="15 characters"):
        time_of("K7Q2-4F")
