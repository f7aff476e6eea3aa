"""Stories for the pages, out of journals as a worker writes them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from sams.activity.events import Connected, Proxied, SignedIn, SignInRefused, TlsStarted
from sams.activity.explaining.sign_ins import PAGE
from sams.activity.explaining.stages import Stage
from sams.activity.interface import Cursor, Entry, Page, Search, Step
from sams.control.messages import MAX_STORIES, Stories
from sams.service import story_view
from sams.service.story_view import LONGEST, LONGEST_REST, MOST_WAITING, StoryReader, TooMany
from tests.identity.rig import FakeClock
from tests.spool.rig import on_loop

HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9"


def session(number: int, clock: FakeClock, *events: object, client: str = HERE, login: str = "") -> Entry:
    at = clock.now() - 100 + number
    steps = (Step(at, Connected(client, 587)), *(Step(at + 0.1, event) for event in events))  # type: ignore[arg-type]
    return Entry(0, number, "session", f"S{number:014}", login, client, False, steps)


def signed_in(login: str, mechanism: str = "PLAIN") -> SignedIn:
    return SignedIn(login, mechanism, how="as is")


class FakeReader:
    """A journal of entries, which can be made to take its time."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = entries
        self.asked: list[Search] = []
        self.gate = threading.Event()
        self.gate.set()
        self.threads: set[int] = set()
        self.closed = False
        self.fails = False
        self.cost: Callable[[], None] = lambda: None

    def search(self, search: Search, after: Cursor | None = None, limit: int = 50) -> Page:
        del after, limit
        self.gate.wait(30)
        self.threads.add(threading.get_ident())
        self.asked.append(search)
        self.cost()
        if self.fails:
            raise OSError("the disk is gone")
        found = [
            one
            for one in self.entries
            if (not search.client or one.client == search.client)
            and (not search.login or one.login == search.login)
            and (not search.session or one.session == search.session)
            and not search.message
        ]
        return Page(tuple(sorted(found, key=lambda one: -one.number)), None)

    def tail(self) -> tuple[Entry, ...]:
        return ()

    def close(self) -> None:
        self.closed = True


def view(reader: FakeReader, clock: FakeClock, tmp_path: Path) -> StoryReader:
    return StoryReader(tmp_path, clock, lambda: reader)


def facts(stories: Stories) -> str:
    return repr([(stage.facts, stage.private) for story in stories.stories for stage in story.stages])


@on_loop
async def test_a_stranger_sees_connections_from_the_address_and_nothing_private(tmp_path: Path) -> None:
    clock = FakeClock()
    reader = FakeReader(
        session(1, clock, TlsStarted("TLSv1.3", "AES"), signed_in("alice"), login="alice"),
        session(2, clock, client=ELSEWHERE),
    )
    found = view(reader, clock, tmp_path)
    told = await found.of_address(HERE, clock.now() - 500)
    await found.close()
    (story,) = told.stories
    assert (story.client, story.login, story.session) == (HERE, "", "")
    assert [stage.kind for stage in story.stages][-1] == "signed-in"
    assert "alice" not in repr(told)


@on_loop
async def test_a_member_sees_what_is_their_own_and_of_others_what_a_stranger_sees(tmp_path: Path) -> None:
    clock = FakeClock()
    refused = SignInRefused("alice", "PLAIN", "password", "535 5.7.8 Wrong", "AAAA-11", "wrong password")
    reader = FakeReader(
        session(1, clock, signed_in("alice"), login="alice"),
        session(2, clock, refused, signed_in("mallory"), login="alice"),
    )
    found = view(reader, clock, tmp_path)
    told = await found.of_login("alice", clock.now() - 500)
    await found.close()
    assert [story.login for story in told.stories] == ["", "alice"]
    assert "mallory" not in repr(told)
    assert "'login': 'alice'" in facts(told)
    assert "wrong password" not in repr(told), "what no reply may tell is for administrators"


@on_loop
async def test_a_member_sees_nothing_of_whom_the_journal_takes_for_the_same(tmp_path: Path) -> None:
    clock = FakeClock()
    other = SignedIn("alice", "PLAIN", source="students")
    folded = SignedIn("aliße", "PLAIN")
    reader = FakeReader(
        session(1, clock, signed_in("alice"), login="alice"),
        session(2, clock, other, login="alice", client=ELSEWHERE),
        session(3, clock, folded, login="alice", client=ELSEWHERE),
    )
    found = view(reader, clock, tmp_path)
    builtin = await found.of_login("alice", clock.now() - 500)
    students = await found.of_login("alice", clock.now() - 500, "students")
    await found.close()
    assert [story.client for story in builtin.stories] == [HERE]
    assert [story.client for story in students.stories] == [ELSEWHERE]
    assert "aliße" not in repr((builtin, students))


@pytest.mark.parametrize(
    "events",
    [
        (Proxied("192.0.2.7", 2, own=True),),
        (signed_in("alice", PAGE),),
        (SignInRefused("alice", PAGE, "password", "535 5.7.8 Wrong", "AAAA-11"),),
    ],
    ids=["a balancer's own", "signed in at the pages", "refused at the pages"],
)
@on_loop
async def test_what_is_no_mail_program_is_left_out(events: tuple[object, ...], tmp_path: Path) -> None:
    clock = FakeClock()
    reader = FakeReader(session(1, clock), session(2, clock, *events))
    found = view(reader, clock, tmp_path)
    told = await found.of_address(HERE, clock.now() - 500)
    await found.close()
    assert [story.begun for story in told.stories] == [clock.now() - 99]


@pytest.mark.parametrize(
    ("since", "asked"),
    [(-1e308, -LONGEST), (-LONGEST - 10, -LONGEST), (-50, -50), (1e308, 0)],
    ids=["the begin of time", "a little too long ago", "a while ago", "the end of time"],
)
@on_loop
async def test_stories_reach_back_an_hour(since: float, asked: float, tmp_path: Path) -> None:
    clock = FakeClock()
    reader = FakeReader()
    found = view(reader, clock, tmp_path)
    await found.of_address(HERE, clock.now() + since)
    await found.close()
    assert [search.since for search in reader.asked] == [clock.now() + asked]


@on_loop
async def test_one_reader_on_one_thread_reads_all_and_is_closed(tmp_path: Path) -> None:
    clock = FakeClock()
    reader = FakeReader(session(1, clock))
    found = view(reader, clock, tmp_path)
    await asyncio.gather(*(found.of_address(HERE, clock.now() - 60) for _ in range(5)))
    await found.of_address(ELSEWHERE, clock.now() - 60)
    await found.close()
    assert len(reader.asked) == 6
    assert len(reader.threads) == 1
    assert reader.closed


@on_loop
async def test_questions_wait_in_a_bounded_line(tmp_path: Path) -> None:
    clock = FakeClock()
    reader = FakeReader()
    found = view(reader, clock, tmp_path)
    reader.gate.clear()
    waiting = [asyncio.ensure_future(found.of_login(f"m{n}", clock.now())) for n in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany):
        await found.of_login("one-more", clock.now())
    reader.gate.set()
    assert await asyncio.gather(*waiting) == [Stories()] * MOST_WAITING
    assert await found.of_login("one-more", clock.now()) == Stories()
    await found.close()


@on_loop
async def test_however_many_ask_the_journal_is_read_half_of_the_time_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, slept, now = FakeClock(), list[float](), [100.0]
    reader = FakeReader()
    found = view(reader, clock, tmp_path)
    costs = [0.0]

    def take_time() -> None:
        now[0] += costs[-1]

    def rest(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(story_view, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=rest))
    reader.cost = take_time
    for number, cost in enumerate((0.25, 3.0, 0.0, 0.0)):
        costs.append(cost)
        await found.of_login(f"member-{number}", clock.now())
    await found.close()
    assert slept == [0.0, 0.25, LONGEST_REST, 0.0]


@on_loop
async def test_what_could_not_be_read_is_tried_again_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    reader = FakeReader(session(1, clock))
    found = view(reader, clock, tmp_path)
    reader.fails = True
    with pytest.raises(OSError, match="the disk is gone"):
        await found.of_address(HERE, clock.now() - 60)
    reader.fails = False
    assert len((await found.of_address(HERE, clock.now() - 60)).stories) == 1
    await found.close()


@on_loop
async def test_who_hangs_up_gives_the_place_in_the_line_back(tmp_path: Path) -> None:
    clock = FakeClock()
    reader = FakeReader(session(1, clock))
    found = view(reader, clock, tmp_path)
    reader.gate.clear()
    waiting = [asyncio.ensure_future(found.of_login(f"m{n}", clock.now())) for n in range(MOST_WAITING)]
    await asyncio.sleep(0)
    waiting[-1].cancel()
    await asyncio.sleep(0)
    other = asyncio.ensure_future(found.of_address(HERE, clock.now() - 60))
    reader.gate.set()
    assert len((await other).stories) == 1
    assert (
        sum(isinstance(one, Stories) for one in await asyncio.gather(*waiting, return_exceptions=True))
        == len(waiting) - 1
    )
    await found.close()


@on_loop
async def test_an_answer_holds_the_latest_stories_and_fits_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    reader = FakeReader(*(session(number, clock) for number in range(1, 60)))
    found = view(reader, clock, tmp_path)
    told = await found.of_address(HERE, clock.now() - 500)
    assert [story.begun for story in told.stories] == [
        clock.now() - 100 + number for number in range(59, 59 - MAX_STORIES, -1)
    ]
    monkeypatch.setattr("sams.service.story_view._LARGEST", 1_000)
    clock.seconds += 2
    few = await found.of_address(HERE, clock.now() - 502)
    await found.close()
    assert 0 < len(few.stories) < MAX_STORIES
    assert few.stories == told.stories[: len(few.stories)]
    assert isinstance(told.stories[0].stages[0], Stage)
