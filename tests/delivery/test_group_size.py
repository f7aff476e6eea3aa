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


def test_a_hop_that_goes_on_going_away_is_trusted_more_and_more_seldom_and_with_half() -> None:
    size, at, waits, groups = largest(), 0.0, [], []
    for _ in range(10):
        groups.append(size.now)
        size.broke(size.now, at, said_why=False)
        broke = at
        while size.now == 1:
            at += 60.0
            size.answered(1, 0.0, at)
        waits.append(at - broke)
        while size.now < size.most:
            size.answered(size.now, 0.0, at)
    assert groups == [16, 8, 4, 2, 2, 2, 2, 2, 2, 2]
    assert waits == [
        600.0,
        1_200.0,
        2_400.0,
        4_800.0,
        9_600.0,
        19_200.0,
        38_400.0,
        76_800.0,
        86_400.0,
        86_400.0,
    ]


def test_a_hop_that_keeps_its_word_for_long_enough_is_trusted_as_before() -> None:
    size = largest()
    size.broke(MOST, 0.0, said_why=False)
    size.answered(1, 0.0, ALONE)
    while size.now < size.most:
        size.answered(size.now, 0.0, ALONE + 1)
    assert size.most == MOST // 2
    size.answered(size.now, 0.0, 2 * ALONE - 1)
    assert size.now == MOST // 2
    size.answered(size.now, 0.0, 2 * ALONE)
    assert size.now == size.most == MOST
    size.broke(MOST, 5_000.0, said_why=False)
    size.answered(1, 0.0, 5_000.0 + ALONE)
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
