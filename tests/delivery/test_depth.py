"""How many messages at once a hop is trusted with."""

from __future__ import annotations

from sams.delivery.depth import ALONE, MOST, PATIENCE, Depth


def deep() -> Depth:
    depth = Depth()
    while depth.now < MOST:
        depth.answered(depth.now, 0.0, 0.0)
    return depth


def test_it_begins_with_one_and_doubles_while_full_groups_are_answered_soon() -> None:
    depth, seen = Depth(), []
    for _ in range(8):
        seen.append(depth.now)
        depth.answered(depth.now, PATIENCE, 0.0)
    assert seen == [1, 2, 4, 8, MOST, MOST, MOST, MOST]


def test_a_group_that_was_not_full_tells_nothing_of_a_larger_one() -> None:
    depth = Depth()
    depth.answered(1, 0.0, 0.0)
    depth.answered(1, 0.0, 0.0)
    assert depth.now == 2


def test_a_hop_that_takes_its_time_is_given_fewer() -> None:
    depth = deep()
    for _ in range(10):
        depth.answered(1, 2 * PATIENCE, 0.0)
    assert depth.now == 1


def test_a_hop_that_goes_away_within_a_group_is_given_one_at_a_time_for_a_while() -> None:
    depth = deep()
    depth.broke(3, 100.0, said_why=False)
    depth.answered(1, 0.0, 99.0 + ALONE)
    assert depth.now == 1
    depth.answered(1, 0.0, 100.0 + ALONE)
    assert depth.now == 2


def test_a_connection_that_broke_with_one_message_only_begins_anew() -> None:
    depth = deep()
    depth.broke(1, 100.0, said_why=False)
    assert depth.now == 1
    depth.answered(1, 0.0, 101.0)
    assert depth.now == 2


def test_a_hop_that_ends_a_conversation_with_421_is_given_half() -> None:
    depth = deep()
    depth.broke(3, 100.0, said_why=True)
    assert depth.now == MOST // 2
