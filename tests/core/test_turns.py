"""Much work takes turns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sams.core.courtesy import SECONDS, Courtesy
from sams.core.turns import REST, Share, Turns


class Loop:
    """Calls what is due when it is told to: one round at a time. time: of its clock; later: what has a time."""

    def __init__(self) -> None:
        self._due: list[Callable[[], object]] = []
        self.later: list[tuple[float, Callable[[], object]]] = []
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self.later.append((self.time + delay, callback))

    def sleep(self) -> float:
        """Go on to the first that has a time, and call it; the seconds until then."""
        self.later.sort(key=lambda one: one[0])
        at, callback = self.later.pop(0)
        slept, self.time = at - self.time, at
        callback()
        return slept

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
    turns = Turns(loop, Courtesy(loop.now))
    senders = [Sender(turns) for _ in range(10)]
    for sender in senders:
        turns.stand_in_line(sender.take_turn)
    for rounds in range(1, 31):
        loop.round()
        assert sum(sender.reads for sender in senders) == rounds
    assert {sender.reads for sender in senders} == {3}


def test_one_alone_reads_in_every_round() -> None:
    loop = Loop()
    turns = Turns(loop, Courtesy(loop.now))
    sender = Sender(turns)
    turns.stand_in_line(sender.take_turn)
    for _ in range(5):
        loop.round()
    assert sender.reads == 5


def test_nobody_in_line_costs_no_round() -> None:
    loop = Loop()
    turns = Turns(loop, Courtesy(loop.now))
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
    turns = Turns(loop, Courtesy(loop.now))
    turns.stand_in_line(broken)
    turns.stand_in_line(leaver.take_turn)
    with pytest.raises(KeyError):
        loop.round()
    loop.round()
    assert leaver.reads == 1


def beside_small_mail() -> tuple[Loop, Turns]:
    """A line, just after a small message came."""
    loop = Loop()
    courtesy = Courtesy(loop.now)
    courtesy.small_mail_came()
    return loop, Turns(loop, courtesy)


def test_beside_small_mail_a_line_rests_in_proportion_to_the_round_that_it_had() -> None:
    loop, turns = beside_small_mail()
    sender = Sender(turns)
    turns.stand_in_line(sender.take_turn)
    loop.round()
    loop.time += 0.004
    loop.round()
    loop.round()
    assert sender.reads == 1, "it rests"
    assert loop.sleep() == pytest.approx(0.004 * REST)
    assert sender.reads == 2


def test_rests_that_are_too_short_for_a_timer_add_up() -> None:
    loop, turns = beside_small_mail()
    sender = Sender(turns)
    turns.stand_in_line(sender.take_turn)
    began = loop.time
    loop.round()
    while not loop.later:
        loop.time += 0.0003
        loop.round()
    assert sender.reads > 1
    assert loop.sleep() == pytest.approx((loop.time - began) * REST / (1 + REST))


def test_a_moment_after_the_last_small_message_nobody_rests_any_more() -> None:
    loop, turns = beside_small_mail()
    sender = Sender(turns)
    loop.time += SECONDS
    turns.stand_in_line(sender.take_turn)
    for _ in range(5):
        loop.round()
        loop.time += 0.004
    assert sender.reads == 5


def test_who_comes_while_a_line_rests_waits_for_its_end() -> None:
    leaver = Leaver()
    loop, turns = beside_small_mail()
    turns.stand_in_line(Leaver().take_turn)
    loop.round()
    loop.time += 0.004
    loop.round()
    turns.stand_in_line(leaver.take_turn)
    loop.round()
    assert leaver.reads == 0
    loop.sleep()
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
