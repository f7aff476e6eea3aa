"""Up, down, probing: what results make of a next hop."""

from __future__ import annotations

from sams.delivery.backoff import RetryPolicy
from sams.delivery.health import CEILING_SECONDS, FIRST_ALLOWED, STRIKES, Health, State
from sams.delivery.interface import Hop
from tests.delivery.rig import REFUSED


def health(connections: int = 10) -> Health:
    return Health(RetryPolicy(), connections, lambda: 0.5)


def test_a_new_hop_is_up_with_few_attempts_at_once_and_each_success_adds_one() -> None:
    one = health()
    assert one.allowed(0.0) == FIRST_ALLOWED
    for _ in range(20):
        one.note(Hop.WORKS, None, 3, 0.0)
    assert one.allowed(0.0) == 10


def test_probes_come_at_growing_times_and_one_at_a_time() -> None:
    one, now = health(), 0.0
    for wait in (10, 20, 40, 80, 160, 300, 300):
        assert one.note(Hop.DOWN, REFUSED, 0, now) is State.DOWN
        assert one.allowed(now + wait - 0.1) == 0
        now += wait
        assert one.allowed(now) == 1
        one.begin()
        assert (one.state, one.allowed(now)) == (State.PROBING, 0)


def test_a_probe_that_works_brings_it_up_slowly_and_forgets_the_failures() -> None:
    one = health()
    one.note(Hop.DOWN, REFUSED, 0, 0.0)
    one.begin()
    assert one.note(Hop.WORKS, None, 0, 10.0) is State.UP
    assert (one.allowed(10.0), one.trouble) == (2, None)
    one.note(Hop.DOWN, REFUSED, 0, 10.0)
    assert one.probe_at == 20.0


def test_a_probe_that_is_broken_off_leaves_it_down() -> None:
    one = health()
    one.note(Hop.DOWN, REFUSED, 0, 0.0)
    one.begin()
    assert one.note(Hop.SUSPECT, REFUSED, 0, 10.0) is State.DOWN
    assert one.probe_at == 30.0


def test_so_many_transactions_broken_off_in_a_row_take_it_down() -> None:
    one = health()
    for _ in range(STRIKES - 1):
        assert one.note(Hop.SUSPECT, REFUSED, 0, 0.0) is State.UP
    one.note(Hop.WORKS, None, 0, 0.0)
    for _ in range(STRIKES - 1):
        assert one.note(Hop.SUSPECT, REFUSED, 0, 0.0) is State.UP
    assert one.note(Hop.SUSPECT, REFUSED, 0, 0.0) is State.DOWN


def test_a_refused_further_connection_lowers_what_is_allowed_for_a_while() -> None:
    one = health()
    for _ in range(10):
        one.note(Hop.WORKS, None, 3, 0.0)
    assert one.note(Hop.DOWN, REFUSED, 5, 0.0) is State.UP
    for _ in range(10):
        one.note(Hop.WORKS, None, 3, 1.0)
    assert one.allowed(1.0) == 5
    assert one.allowed(CEILING_SECONDS) == 10


def test_attempts_that_met_the_outage_one_by_one_leave_no_ceiling_for_when_it_is_over() -> None:
    one = health()
    for others in (3, 2, 1, 0):
        one.note(Hop.DOWN, REFUSED, others, 0.0)
    assert one.state is State.DOWN
    one.begin()
    for _ in range(20):
        one.note(Hop.WORKS, None, 0, 10.0)
    assert one.allowed(10.0) == 10


def test_a_late_failure_does_not_push_the_probe_away() -> None:
    one = health()
    one.note(Hop.DOWN, REFUSED, 0, 0.0)
    one.note(Hop.DOWN, REFUSED, 0, 9.0)
    assert one.probe_at == 10.0


def test_an_attempt_that_tells_nothing_leaves_the_probe_open() -> None:
    one = health()
    one.note(Hop.DOWN, REFUSED, 0, 0.0)
    one.begin()
    one.abandon()
    assert one.allowed(10.0) == 1


def test_a_long_outage_is_told_once() -> None:
    one = health()
    assert not one.is_long_down(1e9, 900.0)
    one.note(Hop.DOWN, REFUSED, 0, 100.0)
    assert [one.is_long_down(at, 900.0) for at in (999.0, 1_000.0, 2_000.0)] == [False, True, False]
    one.begin()
    one.note(Hop.WORKS, None, 0, 3_000.0)
    assert not one.is_long_down(9_000.0, 900.0)
