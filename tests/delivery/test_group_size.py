"""How many messages at once a hop is trusted with."""

from __future__ import annotations

from sams.delivery.group_size import ALONE, MOST, PATIENCE, GroupSize


def largest() -> GroupSize:
    size = GroupSize()
    while size.now < MOST:
        size.answered(size.now, 0.0, 0.0)
    return size


def test_it_begins_with_one_and_doubles_while_full_groups_are_answered_soon() -> None:
    size, seen = GroupSize(), []
    for _ in range(8):
        seen.append(size.now)
        size.answered(size.now, PATIENCE, 0.0)
    assert seen == [1, 2, 4, 8, MOST, MOST, MOST, MOST]


def test_a_group_that_was_not_full_tells_nothing_of_a_larger_one() -> None:
    size = GroupSize()
    size.answered(1, 0.0, 0.0)
    size.answered(1, 0.0, 0.0)
    assert size.now == 2


def test_a_hop_that_takes_its_time_is_given_fewer() -> None:
    size = largest()
    for _ in range(10):
        size.answered(1, 2 * PATIENCE, 0.0)
    assert size.now == 1


def test_a_hop_that_goes_away_within_a_group_is_given_one_at_a_time_for_a_while() -> None:
    size = largest()
    size.broke(3, 100.0, said_why=False)
    size.answered(1, 0.0, 99.0 + ALONE)
    assert size.now == 1
    size.answered(1, 0.0, 100.0 + ALONE)
    assert size.now == 2


def test_a_connection_that_broke_with_one_message_only_begins_anew() -> None:
    size = largest()
    size.broke(1, 100.0, said_why=False)
    assert size.now == 1
    size.answered(1, 0.0, 101.0)
    assert size.now == 2


def test_a_hop_that_ends_a_conversation_with_421_is_given_half() -> None:
    size = largest()
    size.broke(3, 100.0, said_why=True)
    assert size.now == MOST // 2
