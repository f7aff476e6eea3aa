from __future__ import annotations

from sams.identity.sources.outage import FORGOTTEN_AFTER, LONGEST_PROBE, Outage
from tests.identity.rig import FakeClock


def test_one_failure_is_none_and_three_in_a_row_are_an_outage() -> None:
    clock, told = FakeClock(), list[str]()
    outage = Outage(clock, told.append)
    for _ in range(2):
        outage.failed("refused")
        assert outage.lets_through
        outage.failed("refused")
        outage.answered()
    assert told == []
    for _ in range(3):
        outage.failed("refused")
    assert (told, outage.since) == (["refused"], clock.now())
    assert not outage.lets_through


def test_probes_become_rarer_and_go_on_for_ever() -> None:
    clock = FakeClock()
    outage = Outage(clock, lambda _: None)
    for _ in range(3):
        outage.failed("refused")
    waits, since = list[float](), clock.seconds
    while len(waits) < 9:
        clock.seconds += 0.5
        first, second = outage.lets_through, outage.lets_through
        assert not second, "one at a time"
        if first:
            waits.append(clock.seconds - since)
            since = clock.seconds
            outage.failed("refused")
    assert waits == [1, 2, 4, 8, 16, LONGEST_PROBE, LONGEST_PROBE, LONGEST_PROBE, LONGEST_PROBE]


def test_what_nobody_asked_for_a_minute_is_not_known_to_be_down() -> None:
    clock = FakeClock()
    outage = Outage(clock, lambda _: None)
    assert not outage.is_forgotten
    for _ in range(3):
        outage.failed("refused")
    clock.seconds += FORGOTTEN_AFTER - 1
    assert not outage.is_forgotten
    clock.seconds += 1
    assert outage.is_forgotten


def test_an_answer_ends_it_and_the_next_one_begins_anew() -> None:
    clock, told = FakeClock(), list[str]()
    outage = Outage(clock, told.append)
    for _ in range(2):
        for _ in range(3):
            outage.failed("refused")
        outage.answered()
        assert outage.since is None
        assert outage.lets_through
    assert told == ["refused", "", "refused", ""]
