"""How long to wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.delivery.backoff import JITTER, RetryPolicy, interval


def test_waits_double_up_to_the_longest() -> None:
    waits = [interval(60, 3_600, failures, 0.5) for failures in range(9)]
    assert waits == [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_within_its_jitter_however_many_failures(failures: int, drawn: float) -> None:
    wait = interval(60, 3_600, failures, drawn)
    length = min(3_600, 60 * 2 ** min(failures, 40))
    assert length * (1 - JITTER) <= wait <= length * (1 + JITTER) <= RetryPolicy().horizon


def test_jitter_takes_apart_what_failed_together() -> None:
    waits = {interval(60, 3_600, 0, drawn / 10) for drawn in range(10)}
    assert len(waits) == 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": 0.0},
        {"first": 7_200.0},
        {"probe_first": 0.0},
        {"probe_first": 400.0},
        {"expire": 0.0},
        {"delay_notice": -1.0},
    ],
)
def test_times_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        RetryPolicy(**wrong)
