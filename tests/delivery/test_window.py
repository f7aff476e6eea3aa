"""The bounded window and the turns of logins."""

from __future__ import annotations

import itertools
from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.core.address import parse_mailbox
from sams.core.envelope import Body, Recipient
from sams.delivery.window import Job, LoginTurns, Window
from sams.spool.interface import Content, MessageFacts, QueuedMessage, QueuedRecipient, Work
from tests.delivery.fake_spool import FakeSpool, MemoryBody
from tests.delivery.rig import START

_numbers = itertools.count()


class StoppedClock:
    def now(self) -> float:
        return START

    def monotonic(self) -> float:
        return 0.0


SPOOL = FakeSpool(StoppedClock())


def work(
    login: str = "ann", *, body: bytes | None = None, message: str = "", numbers: tuple[int, ...] = (0,)
) -> Work:
    queued = QueuedMessage(
        message or f"M{next(_numbers)}",
        login,
        "",
        None,
        START,
        len(body or b""),
        MessageFacts(),
        Body.SEVEN_BIT,
        smtputf8=False,
        ret=None,
        envid=None,
    )
    bob = Recipient(parse_mailbox("bob@example.org"))
    recipients = tuple(QueuedRecipient(number, bob, "hub", START) for number in numbers)
    return Work(queued, "hub", recipients, None if body is None else Content(b"", MemoryBody(body)))


def job(login: str) -> Job:
    return Job(work(login), ("id", "hub"), SPOOL, None, 0)


@given(st.lists(st.sampled_from("abcd"), max_size=40))
def test_each_login_has_a_turn_before_any_has_a_second(logins: list[str]) -> None:
    turns = LoginTurns()
    for login in logins:
        turns.put(job(login))
    left = Counter(logins)
    taken: deque[str] = deque()
    while (one := turns.take()) is not None:
        login = one.work.message.login
        since = list(itertools.takewhile(login.__ne__, reversed(taken)))
        if login in taken:
            assert {other for other in left if left[other]} - {login} <= set(since)
        taken.append(login)
        left[login] -= 1
    assert turns.count == 0
    assert Counter(taken) == Counter(logins)


def test_the_jobs_of_a_login_keep_their_order_and_one_put_back_comes_first() -> None:
    turns = LoginTurns()
    jobs = [job("ann") for _ in range(4)]
    for one in jobs:
        turns.put(one)
    first = turns.take()
    assert first is jobs[0]
    turns.put_back(first)
    assert [turns.take() for _ in range(5)] == [*jobs, None]


def test_removed_jobs_are_gone_and_the_others_stay() -> None:
    turns = LoginTurns()
    jobs = [job(login) for login in "aabbc"]
    for one in jobs:
        turns.put(one)
    turns.remove([jobs[0], jobs[2], jobs[3], job("d")])
    assert turns.count == 2
    assert {turns.take(), turns.take()} == {jobs[1], jobs[4]}


def test_the_last_quarter_is_for_lanes_and_logins_below_their_share() -> None:
    window = Window(40)
    for _ in range(30):
        assert window.open_places > 0
        window.add(work(), SPOOL)
    assert window.open_places == 0
    assert window.has_reserve(30, 30, 0)
    assert not window.has_reserve(30, 30, 5)
    assert not window.has_reserve(15, 30, 0)
    for _ in range(10):
        window.add(work(), SPOOL)
    assert window.is_full
    assert window.open_places == -10
    assert not window.has_reserve(30, 0, 0)


def test_content_is_held_up_to_the_octets_and_let_go_with_its_job() -> None:
    window = Window(10, octets=100)
    first, second = (window.add(work(body=b"x" * 60), SPOOL) for _ in range(2))
    assert first.content is not None
    assert second.content is None
    assert second.work.content is None
    assert window.octets == 60
    window.remove(first)
    window.remove(first)
    assert (window.octets, len(window)) == (0, 1)


def test_a_job_knows_whether_a_claim_brings_recipients_that_it_lacks() -> None:
    one = Window(10).add(work(message="M", numbers=(1, 3)), SPOOL)
    assert not one.lacks_any(work(message="M", numbers=(3,)))
    assert one.lacks_any(work(message="M", numbers=(2, 3)))


def test_what_is_being_sent_is_known_by_its_new_route_too() -> None:
    window = Window(10)
    one = window.add(work(message="M"), SPOOL)
    window.move(lambda _: "new")
    assert window.get(("M", "new")) is window.get(("M", "hub")) is one
    window.remove(one)
    assert window.get(("M", "new")) is None


def test_a_window_too_small_to_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        Window(3)
