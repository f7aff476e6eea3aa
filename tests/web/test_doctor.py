"""The live doctor: what is shown to whom, how it streams, and how much of it there may be."""

from __future__ import annotations

import asyncio
import datetime as dt
import re

import msgspec
import pytest

from sams.activity.explaining.stages import Stage, Story, for_strangers
from sams.config.offered import MailServer
from sams.control.messages import Stories
from sams.web.application import make_application
from sams.web.link import ServiceUnreachable
from sams.web.pages.doctor import LONGEST, PATIENCE
from sams.web.watching import MOST_OF_NETWORK, Watching, Whose
from tests.activity.rig import START, FakeClock
from tests.web.client import ADDRESS, Client, ask
from tests.web.markup import markup
from tests.web.rig import HOST, SITE, ScriptedLink, pages

WHOLE = Story(
    "S1",
    ADDRESS,
    START + 1,
    True,
    "alice",
    (
        Stage(START + 1, "connected-starttls", {"port": 587}),
        Stage(START + 2, "signed-in", {"mechanism": "PLAIN"}, {"login": "alice"}),
    ),
)
SEEN = for_strangers(WHOLE)


def doctor(link: ScriptedLink, at: float = START + 10) -> tuple[Client, FakeClock]:
    clock = FakeClock(at)
    return Client(make_application(SITE, link, clock=clock)), clock


def test_start_begins_a_watch_now() -> None:
    visitor, _ = doctor(ScriptedLink())
    answer = visitor.get("/doctor/start")
    assert (answer.status, answer.headers["location"]) == (303, f"/doctor/watch?since={int(START + 10)}")


def test_a_connection_of_the_visitors_address_is_shown_stage_by_stage() -> None:
    asked: list[str] = []

    def of_address(address: str, _since: float) -> tuple[Story, ...]:
        asked.append(address)
        return (SEEN,)

    visitor, _ = doctor(ScriptedLink(of_address=of_address))
    html = visitor.get(f"/doctor/watch?since={START:.0f}").text
    assert asked == [ADDRESS]
    assert html.count("<article") == 1
    assert "587" in html
    assert "alice" not in html


def test_a_browser_without_scripts_reloads_the_page() -> None:
    visitor, _ = doctor(ScriptedLink())
    assert '<noscript><meta http-equiv="refresh"' in visitor.get("/doctor/watch?since=0").text


def test_the_begin_of_the_watch_can_be_shown_in_the_visitors_own_zone_as_all_times_are() -> None:
    visitor, _ = doctor(ScriptedLink(of_address=lambda _a, _s: (SEEN,)))
    html = visitor.get(f"/doctor/watch?since={START:.0f}").text
    began = dt.datetime.fromtimestamp(START, dt.UTC).isoformat(timespec="seconds")
    assert html.count(f'<time datetime="{began}">') == 1


def test_a_time_in_a_sentence_names_its_zone_and_its_day_if_that_is_another() -> None:
    at = dt.datetime(2024, 5, 17, 14, 5, 9, tzinfo=dt.UTC)
    lock = Stage(START + 2, "sign-in-locked", {"until": at.timestamp()})
    seen = Story("", ADDRESS, START + 1, True, "", (lock,))
    visitor, _ = doctor(ScriptedLink(of_address=lambda _a, _s: (seen,)))
    html = visitor.get(f"/doctor/watch?since={START:.0f}").text
    assert at.astimezone().strftime("until %Y-%m-%d %H:%M:%S %Z.") in html


def test_what_happened_before_the_watch_is_not_shown() -> None:
    visitor, _ = doctor(ScriptedLink(of_address=lambda _a, _s: (SEEN,)), START + 100)
    assert "<article" not in visitor.get(f"/doctor/watch?since={START + 50:.0f}").text


def test_a_watch_begins_an_hour_ago_at_most_and_never_in_the_future() -> None:
    visitor, _ = doctor(ScriptedLink(), START)
    assert f"since={START - 3600:.0f}&amp;" in visitor.get("/doctor/watch?since=0").text
    assert f"since={START:.0f}&amp;" in visitor.get("/doctor/watch?since=99999999999").text


@pytest.mark.parametrize("since", ["", "x", "-1", "1e9", "٣", "9" * 400, "nan"])
def test_a_begin_that_is_none_is_now(since: str) -> None:
    visitor, _ = doctor(ScriptedLink(), START)
    assert f"since={START:.0f}&amp;" in visitor.get(f"/doctor/watch?since={since}").text


def test_nothing_for_a_while_explains_blocked_ports_with_those_that_there_are() -> None:
    visitor, clock = doctor(ScriptedLink(), START)
    path = f"/doctor/watch?since={START:.0f}"
    assert "Waiting for your program" in visitor.get(path).text
    clock.advance(PATIENCE + 1)
    html = visitor.get(path).text
    assert "Nothing has arrived" in html
    assert "<b>465</b>" in html
    assert "<b>587</b>" in html
    words = markup(html).all("main")[0].words
    assert re.findall(r"\w+\.[A-Z]\w+", words) == [], "sentences have a blank between them"


def test_what_came_several_times_says_how_often() -> None:
    refused = Stage(START + 2, "sign-in-wrong", {"code": "535", "times": 3})
    once = Story(
        "", ADDRESS, START + 1, True, "", (Stage(START + 1, "connected-tls", {"port": 465}), refused)
    )
    visitor, _ = doctor(ScriptedLink(of_address=lambda _a, _s: (once,)))
    html = visitor.get(f"/doctor/watch?since={START:.0f}").text
    assert html.count("\N{MULTIPLICATION SIGN}") == 1
    assert "\N{MULTIPLICATION SIGN}&nbsp;3" in html


def test_what_to_set_are_the_ports_of_the_site() -> None:
    seen = Story(
        "", ADDRESS, START + 1, True, "", (Stage(START + 1, "tls-failed-tls-to-plain", {"port": 2525}),)
    )
    ways = (MailServer("smtp", HOST, 4465, "implicit"), MailServer("smtp", HOST, 2525, "starttls"))
    site = msgspec.structs.replace(SITE, outgoing=ways)
    link = ScriptedLink(of_address=lambda _a, _s: (seen,))
    visitor = Client(make_application(site, link, clock=FakeClock(START + 10)))
    html = visitor.get(f"/doctor/watch?since={START:.0f}").text
    assert "STARTTLS for port 2525, or keep SSL/TLS and set port 4465." in html


def test_who_is_not_signed_in_is_told_what_signing_in_would_show() -> None:
    visitor, _ = doctor(ScriptedLink())
    path = f"/doctor/watch?since={START:.0f}"
    assert "If you sign in here" in visitor.get(path).text
    visitor.post("/sign-in", {"login": "alice", "password": "correct horse"})
    html = visitor.get(path).text
    assert "If you sign in here" not in html
    assert "</time>. You are signed in" in html


def test_a_member_sees_the_own_stories_whole_and_others_as_strangers_do() -> None:
    other = for_strangers(
        Story("S2", ADDRESS, START + 3, True, "bob", (Stage(START + 3, "connected-tls", {"port": 465}),))
    )
    link = ScriptedLink(of_address=lambda _a, _s: (other, SEEN), of_member=lambda _l, _s: (WHOLE,))
    visitor, _ = doctor(link)
    visitor.post("/sign-in", {"login": "alice", "password": "correct horse"})
    html = visitor.get(f"/doctor/watch?since={START:.0f}").text
    assert html.count("<article") == 2
    assert "alice" in html
    assert "bob" not in html


def test_a_ticket_that_is_over_says_so() -> None:
    visitor, _ = doctor(ScriptedLink(of_address=lambda _a, _s: (SEEN,)))
    visitor.cookies["__Host-sams"] = "made-up"
    html = visitor.get(f"/doctor/watch?since={START:.0f}").text
    assert "Your sign-in is over" in html
    assert "<article" in html


def test_a_service_that_does_not_answer_is_told_of() -> None:
    visitor, _ = doctor(ScriptedLink(failure=ServiceUnreachable("It is down.", "internal")))
    answer = visitor.get("/doctor/watch?since=0")
    assert answer.status == 503
    assert "It is down." in answer.text


def test_the_stream_sends_the_same_fragment_whenever_it_changes() -> None:
    stories: list[Story] = []

    async def watch() -> str:
        link = ScriptedLink(of_address=lambda _a, _s: tuple(stories))
        app = pages(link)

        def enough(body: bytes) -> bool:
            stories.append(Story("", ADDRESS, 4_000_000_000.0, False, "", SEEN.stages))
            return body.count(b"event: seen") >= 2

        answer = await ask(app, "/doctor/events", enough=enough)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        return answer.text

    text = asyncio.run(watch())
    first, second = text.split("event: seen\n")[1:]
    assert "<article" not in first
    assert "<article" in second
    assert all(line.startswith("data:") for line in second.strip().split("\n"))


def test_a_stream_ends_after_its_time_and_its_place_is_free_again() -> None:
    class Rushing(FakeClock):
        def monotonic(self) -> float:
            self.advance(LONGEST / 5)
            return self.passed

    async def watch() -> bool:
        app = make_application(SITE, ScriptedLink(), clock=Rushing())
        answers = [await ask(app, "/doctor/events") for _ in range(2)]
        return all(one.text.rstrip().endswith("event: over\ndata:") and one.is_whole for one in answers)

    assert asyncio.run(watch())


def test_a_network_has_so_many_places_and_they_come_back() -> None:
    async def watch() -> list[int]:
        app = pages()
        streams = [asyncio.ensure_future(_hang(app)) for _ in range(MOST_OF_NETWORK)]
        await asyncio.sleep(0.2)
        refused = await ask(app, "/doctor/events")
        other = await ask(app, "/doctor/events", address="198.51.100.9", enough=bool)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        again = await ask(app, "/doctor/events", enough=bool)
        return [refused.status, other.status, again.status]

    assert asyncio.run(watch()) == [429, 200, 200]


async def _hang(app: object) -> None:
    await ask(app, "/doctor/events")  # type: ignore[arg-type]  # an ASGI application


def test_many_who_watch_one_address_ask_once_a_moment() -> None:
    async def watch() -> tuple[int, int]:
        asked: list[float] = []

        def note(_address: str, since: float) -> tuple[Story, ...]:
            asked.append(since)
            return ()

        clock = FakeClock()
        watching = Watching(ScriptedLink(of_address=note), clock.now, clock.monotonic)
        await asyncio.gather(*(watching.of_address(ADDRESS) for _ in range(50)))
        at_once = len(asked)
        clock.advance(1.0)
        await watching.of_address(ADDRESS)
        return at_once, len(asked)

    assert asyncio.run(watch()) == (1, 2)


def test_a_failure_is_kept_for_a_moment_as_an_answer_is() -> None:
    async def watch() -> int:
        asked = 0

        class Failing(ScriptedLink):
            async def stories_of_address(self, address: str, since: float) -> Stories:
                nonlocal asked
                asked += 1
                raise ServiceUnreachable("down", "down")

        clock = FakeClock()
        watching = Watching(Failing(), clock.now, clock.monotonic)
        for _ in range(5):
            with pytest.raises(ServiceUnreachable):
                await watching.of_address(ADDRESS)
        return asked

    assert asyncio.run(watch()) == 1


def test_who_hangs_up_does_not_take_the_answer_from_the_others() -> None:
    async def watch() -> int:
        release = asyncio.Event()

        class Slow(ScriptedLink):
            async def stories_of_address(self, address: str, since: float) -> Stories:
                await release.wait()
                return await ScriptedLink.stories_of_address(self, address, since)

        clock = FakeClock()
        watching = Watching(Slow(of_address=lambda _a, _s: (SEEN,)), clock.now, clock.monotonic)
        one, other = (asyncio.ensure_future(watching.of_address(ADDRESS)) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        release.set()
        return len((await other).stories)

    assert asyncio.run(watch()) == 1


def test_whose_says_nothing_of_a_ticket_by_itself() -> None:
    assert Whose(ADDRESS).ticket == ""
