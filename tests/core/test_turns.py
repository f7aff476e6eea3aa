"""Much work takes turns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sams.core.turns import Pace, Share, Turns


class Loop:
    """Calls what is due when it is told to: one round at a time."""

    def __init__(self) -> None:
        self._due: list[Callable[[], object]] = []

    def call_soon(self, callback: Callable[[], object], /) -> None:
        self._due.append(callback)

    def round(self) -> None:
        due, self._due = self._due, []
        for callback in due:
            callback()

    @property
    def is_at_rest(self) -> bool:
        return not self._due


class Sender:
    """Has always more to read."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.reads = 0

    def take_turn(self) -> None:
        self.reads += 1
        self.turns.stand_in_line(self.take_turn)


class Leaver:
    """Has no more to read."""

    reads = 0

    def take_turn(self) -> None:
        self.reads += 1


def test_a_round_reads_one_of_many_and_each_as_often_as_the_others() -> None:
    loop = Loop()
    turns = Turns(loop)
    senders = [Sender(turns) for _ in range(10)]
    for sender in senders:
        turns.stand_in_line(sender.take_turn)
    for rounds in range(1, 31):
        loop.round()
        assert sum(sender.reads for sender in senders) == rounds
    assert {sender.reads for sender in senders} == {3}


def test_one_alone_reads_in_every_round() -> None:
    loop = Loop()
    turns = Turns(loop)
    sender = Sender(turns)
    turns.stand_in_line(sender.take_turn)
    for _ in range(5):
        loop.round()
    assert sender.reads == 5


def test_nobody_in_line_costs_no_round() -> None:
    loop = Loop()
    turns = Turns(loop)
    leavers = [Leaver() for _ in range(2)]
    for leaver in leavers:
        turns.stand_in_line(leaver.take_turn)
    loop.round()
    loop.round()
    assert loop.is_at_rest
    assert {leaver.reads for leaver in leavers} == {1}


def test_a_bug_of_one_does_not_end_the_turns_of_the_others() -> None:
    def broken() -> None:
        raise KeyError("a bug")

    loop, leaver = Loop(), Leaver()
    turns = Turns(loop)
    turns.stand_in_line(broken)
    turns.stand_in_line(leaver.take_turn)
    with pytest.raises(KeyError):
        loop.round()
    loop.round()
    assert leaver.reads == 1


def test_a_round_has_its_share_and_what_is_more_comes_later_in_its_order() -> None:
    loop = Loop()
    share = Share(loop, 2)
    done: list[int] = []

    def work(number: int) -> None:
        if share.take():
            done.append(number)
        else:
            share.stand_in_line(lambda: done.append(number))

    for number in range(5):
        work(number)
    assert done == [0, 1]
    loop.round()
    assert done == [0, 1, 2, 3]
    work(5)
    assert done == [0, 1, 2, 3], "who came later overtakes nobody"
    loop.round()
    assert done == [0, 1, 2, 3, 4, 5]
    loop.round()
    assert loop.is_at_rest
    work(6)
    assert done[-1] == 6


def test_a_bug_in_one_piece_of_work_does_not_keep_the_others_from_theirs() -> None:
    def broken() -> None:
        raise KeyError("a bug")

    loop, done = Loop(), list[str]()
    share = Share(loop, 1)
    assert share.take()
    share.stand_in_line(broken)
    share.stand_in_line(lambda: done.append("other"))
    with pytest.raises(KeyError):
        loop.round()
    loop.round()
    assert done == ["other"]


class Timers:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self._due.append((self._now + delay, callback))

    def go_on(self, seconds: float) -> None:
        self._now += seconds
        due = [one for one in self._due if one[0] <= self._now]
        self._due = [one for one in self._due if one[0] > self._now]
        for _, callback in due:
            callback()

    @property
    def is_at_rest(self) -> bool:
        return not self._due


class Paced:
    """Work that goes at a pace of two in a second."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.done: list[int] = []
        self.pace = Pace(self.timers, 2, 1.0)

    def work(self, *numbers: int) -> None:
        for number in numbers:
            if self.pace.take():
                self.done.append(number)
            else:
                self.pace.stand_in_line(lambda number=number: self.done.append(number))  # type: ignore[misc]


def test_of_a_crowd_a_few_have_their_turn_at_a_time_in_the_order_in_which_they_came() -> None:
    paced = Paced()
    paced.work(*range(5))
    assert paced.done == [0, 1]
    paced.timers.go_on(1.0)
    assert paced.done == [0, 1, 2, 3]
    paced.work(5)
    assert paced.done == [0, 1, 2, 3], "who came later overtakes nobody"
    paced.timers.go_on(1.0)
    assert paced.done == [0, 1, 2, 3, 4, 5]


def test_who_is_no_crowd_waits_for_nothing_and_leaves_no_timer() -> None:
    paced = Paced()
    for number in range(4):
        paced.work(number)
        paced.timers.go_on(0.5)
    assert paced.done == [0, 1, 2, 3]
    assert paced.timers.is_at_rest


def test_a_long_line_goes_faster() -> None:
    paced = Paced()
    paced.work(*range(3_202))
    steps = 0
    while len(paced.done) < 3_202:
        paced.timers.go_on(1.0)
        steps += 1
    assert steps < 200
    assert paced.done == list(range(3_202))


def test_a_bug_of_one_keeps_no_other_from_its_turn() -> None:
    def broken() -> None:
        raise KeyError("a bug")

    paced = Paced()
    paced.work(0, 1)
    paced.pace.stand_in_line(broken)
    paced.work(2)
    with pytest.raises(KeyError):
        paced.timers.go_on(1.0)
    paced.timers.go_on(1.0)
    assert paced.done == [0, 1, 2]
