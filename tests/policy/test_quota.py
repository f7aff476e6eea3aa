from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import Mailbox
from sams.identity.interface import Identity
from sams.policy.quota import Quota, QuotaBooks, QuotaSettings, QuotaVerdict
from tests.identity.rig import KEY, FakeClock, ended_well, fork, in_child

ALICE = Identity("alice", ("alice@example.org",), (), Mailbox("alice", "example.org"), 1)
HOUR = 3_600


def quota(
    per_hour: int = 100, per_day: int = 300, notice_at: int = 80, slots: int = 1_024
) -> tuple[Quota, FakeClock]:
    clock = FakeClock(seconds=0.0, epoch=472_224 * HOUR)  # a full hour: Wednesday 00:00 UTC
    books = QuotaBooks(KEY, slots)
    return Quota(books, clock, QuotaSettings(per_hour, per_day, notice_at)), clock


def test_the_hours_limit_is_told_with_use_and_end_and_costs_nothing() -> None:
    counted, clock = quota()
    assert counted.charge(ALICE, 60).reply is None
    clock.seconds += 600
    refused = counted.charge(ALICE, 41)
    assert str(refused.reply) == (
        "450 4.7.1 You may send to 100 recipients an hour and have sent to 60; try again after Wed 01:00 UTC"
    )
    assert counted.used("alice") == (60, 60)
    assert counted.charge(ALICE, 40).reply is None


def test_the_next_hour_has_its_own_room() -> None:
    counted, clock = quota()
    counted.charge(ALICE, 100)
    clock.seconds += HOUR - 1
    assert counted.foresee(ALICE, 1) is not None
    clock.seconds += 1
    assert counted.charge(ALICE, 100).reply is None
    assert counted.used("alice") == (100, 200)


def test_the_days_limit_slides_by_hours() -> None:
    counted, clock = quota()
    for recipients in (100, 50, 100, 50):
        assert counted.charge(ALICE, recipients).reply is None
        clock.seconds += HOUR
    refused = str(counted.charge(ALICE, 1).reply)
    assert "300 recipients a day and have sent to 300; try again after Thu 00:00 UTC" in refused
    assert "after Thu 01:00 UTC" in str(counted.foresee(replace(ALICE, recipients_per_hour=500), 101))
    clock.seconds += 20 * HOUR
    assert counted.charge(ALICE, 100).reply is None
    assert counted.charge(ALICE, 1).reply is not None


def test_what_is_foreseen_is_what_is_charged_and_foreseeing_costs_nothing() -> None:
    counted, _ = quota()
    for recipients in range(1, 102):
        assert (counted.foresee(ALICE, recipients) is None) is (recipients <= 100)
    assert counted.used("alice") == (0, 0)


def test_one_message_larger_than_the_limit_is_told_so() -> None:
    counted, _ = quota()
    assert "this message alone has more: split it" in str(counted.charge(ALICE, 101).reply)


@pytest.mark.parametrize(
    ("own", "recipients", "fits"), [(10, 11, False), (10, 10, True), (0, 1, False), (500, 300, True)]
)
def test_an_accounts_own_limit_replaces_the_services(own: int, recipients: int, fits: bool) -> None:
    counted, _ = quota()
    identity = replace(ALICE, recipients_per_hour=own, recipients_per_day=own)
    assert (counted.charge(identity, recipients).reply is None) is fits


def test_accounts_are_counted_apart() -> None:
    counted, _ = quota()
    counted.charge(ALICE, 100)
    assert counted.charge(replace(ALICE, login="bob"), 100).reply is None


def test_a_refund_makes_room_again_and_never_more_than_there_was() -> None:
    counted, _ = quota()
    counted.charge(ALICE, 100)
    counted.refund(ALICE, 30)
    assert counted.used("alice") == (70, 70)
    counted.refund(ALICE, 1_000)
    assert counted.used("alice") == (0, 0)


def test_notice_is_given_once_at_the_share_and_once_at_the_limit() -> None:
    counted, clock = quota()
    told = [counted.charge(ALICE, 10) for _ in range(12)]
    assert [verdict.warn for verdict in told] == [False] * 7 + [True, False, False, True, False]
    assert told[7].text == "alice comes near the limit: 80 of 100 recipients in the last hour"
    assert told[10].text == "alice is refused mail at the limit: 100 of 100 recipients in the last hour"
    assert told[10].reply is not None
    clock.seconds += HOUR
    assert counted.charge(ALICE, 80).warn


def test_who_is_refused_at_rcpt_already_is_told_of_once_too() -> None:
    counted, _ = quota()
    counted.charge(ALICE, 95)
    told = [counted.refused(ALICE, 6) for _ in range(3)]
    assert [verdict.warn for verdict in told] == [True, False, False]
    assert [verdict.reply for verdict in told] == [counted.foresee(ALICE, 6)] * 3
    assert counted.used("alice") == (95, 95)
    assert counted.refused(ALICE, 5) == QuotaVerdict()


def test_the_days_notice_is_given_though_the_hours_was() -> None:
    counted, clock = quota(per_hour=100, per_day=200)
    told = []
    for _ in range(4):
        told += [counted.charge(ALICE, 50), counted.charge(ALICE, 50)]
        clock.seconds += HOUR
    texts = [verdict.text for verdict in told if verdict.warn]
    near_hour = "alice comes near the limit: 100 of 100 recipients in the last hour"
    assert texts == [
        near_hour,
        f"{near_hour}; alice comes near the limit: 200 of 200 recipients in the last day",
        "alice is refused mail at the limit: 200 of 200 recipients in the last day",
    ]


def test_a_shard_is_loaded_once_and_only_what_still_counts() -> None:
    counted, clock = quota()
    now = int(clock.now()) // HOUR
    rows = [("alice", now, 5), ("alice", now - 23, 7), ("alice", now - 24, 1_000), ("alice", now + 1, 1_000)]
    assert counted.load(3, rows)
    assert not counted.load(3, rows)
    assert counted.used("alice") == (5, 12)
    counted.charge(ALICE, 1)
    assert counted.load(4, [("alice", now, 10)])
    assert counted.used("alice") == (16, 23)


def test_a_clock_that_was_put_back_locks_nobody_out() -> None:
    counted, clock = quota()
    clock.epoch += 400 * 24 * HOUR
    counted.charge(ALICE, 100)
    clock.epoch -= 400 * 24 * HOUR
    assert counted.charge(ALICE, 100).reply is None


def test_processes_in_parallel_cannot_overrun_the_limit() -> None:
    counted, _ = quota(per_hour=500, per_day=500)

    def charge_one_by_one() -> None:
        for _ in range(200):
            counted.charge(ALICE, 1)

    assert ended_well(*[fork(charge_one_by_one) for _ in range(4)])
    assert counted.used("alice") == (500, 500)


def test_processes_in_parallel_lose_nothing_far_from_the_limit() -> None:
    counted, _ = quota(per_hour=1_000_000, per_day=1_000_000)
    counted.charge(ALICE, 1)

    def charge_one_by_one() -> None:
        for _ in range(500):
            counted.charge(ALICE, 2)

    assert ended_well(*[fork(charge_one_by_one) for _ in range(4)])
    assert counted.used("alice") == (4_001, 4_001)


def test_who_is_forgotten_by_a_full_table_is_counted_anew_and_nobody_else_pays() -> None:
    counted, clock = quota(slots=8)
    for number in range(9):
        clock.seconds += 1
        counted.charge(replace(ALICE, login=f"member{number}"), 10 + number)
    clock.seconds += 1
    first = replace(ALICE, login="member0")
    assert counted.used("member0") == (0, 0)
    assert counted.foresee(first, 100) is None
    assert counted.charge(first, 5).reply is None
    assert counted.used("member0") == (5, 5)
    assert [counted.used(f"member{number}")[0] for number in range(2, 9)] == list(range(12, 19))


@pytest.mark.parametrize("hours", [0, 1, 23, 24])
def test_many_small_charges_count_like_one(hours: int) -> None:
    counted, clock = quota(per_hour=1_000, per_day=1_000)
    for _ in range(50):
        counted.charge(ALICE, 2)
    clock.seconds += hours * HOUR
    assert counted.used("alice") == (100 if hours == 0 else 0, 100 if hours < 24 else 0)
    counted.refund(ALICE, 100)
    assert counted.charge(ALICE, 7).reply is None
    in_hour = 7
    assert counted.used("alice") == (in_hour, in_hour + (100 if 0 < hours < 24 else 0))


def test_what_one_process_charges_all_know() -> None:
    counted, _ = quota()
    in_child(lambda: counted.charge(ALICE, 100))
    assert counted.charge(ALICE, 1).reply is not None


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), max_size=60))
def test_the_use_is_what_a_plain_list_of_charges_says(steps: list[tuple[int, int]]) -> None:
    counted, clock = quota(per_hour=100, per_day=300)
    charged: list[tuple[int, int]] = []
    for recipients, hours in steps:
        clock.seconds += hours * HOUR
        hour = int(clock.now()) // HOUR
        in_hour = sum(number for when, number in charged if when == hour)
        in_day = sum(number for when, number in charged if when > hour - 24)
        assert counted.used("alice") == (in_hour, in_day)
        fits = in_hour + recipients <= 100 and in_day + recipients <= 300
        assert (counted.charge(ALICE, recipients).reply is None) is fits
        if fits:
            charged.append((hour, recipients))
