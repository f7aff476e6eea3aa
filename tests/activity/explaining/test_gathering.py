"""From a real journal to stories: what belongs together, and how much is read for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sams.activity import events as e
from sams.activity.explaining.gathering import MOST_STAGES, stories
from sams.activity.explaining.stages import Story
from sams.activity.interface import Cursor, Entry, Page, Search
from sams.activity.journal import FILE_NAME
from sams.activity.lines import Lines
from sams.activity.logs import FactLog
from sams.activity.metrics import Board
from sams.activity.reader import JournalReader
from sams.activity.recorder import STEPS_PER_ROW, Recorder
from sams.activity.rows import Keep
from sams.core.ids import IdMaker
from tests.activity.explaining.examples import CLIENT, ENVELOPE, HELLO, REFERENCE, TLS, attempt
from tests.activity.rig import FakeClock, journal_at
from tests.control.fakes import LOG


@dataclass
class CountingReader:
    """Counts the questions."""

    reader: JournalReader
    asked: list[Search] = field(default_factory=list)

    def search(self, search: Search, after: Cursor | None = None, limit: int = 50) -> Page:
        self.asked.append(search)
        return self.reader.search(search, after, limit)

    def tail(self) -> tuple[Entry, ...]:
        return self.reader.tail()

    def close(self) -> None:
        self.reader.close()


class House:
    """A journal that a recorder writes, and stories out of it."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.ids = IdMaker(self.clock, 3)
        self._journal = journal_at(folder, self.clock, keep=dict.fromkeys(Keep, 1e6))
        self._journal.start()
        self.recorder = Recorder(
            clock=self.clock,
            journal=self._journal,
            log=LOG,
            facts=FactLog(LOG, "error", people=True, lines=Lines(2)),
            metrics=Board(1).slot(0),
            on_alarm=lambda _: None,
        )
        self._folder = folder
        self._open = True
        self.reader: CountingReader | None = None

    def session(self, *happened: e.SessionEvent, how: str = "quit", client: str = CLIENT) -> str:
        """A session, and a second later the next thing happens."""
        made = self.recorder.session(self.ids.next(), client, 587)
        for event in happened:
            self.clock.advance(0.01)
            made.tell(event)
        if how:
            made.end(how, len(happened))
        self.clock.advance(2)
        self.recorder.tick()
        return made.id

    def sent(self, login: str = "ann", *, recipients: int = 1) -> tuple[str, str]:
        """A session with one message; the ids of both."""
        message = self.ids.next()
        accepted = e.Accepted(message, 100, recipients)
        return self.session(HELLO, TLS, HELLO, e.SignedIn(login, "PLAIN"), ENVELOPE, accepted), message

    def attempt(self, session: str, message: str, result: str, recipient: str = "bob@example.net") -> None:
        outcome = e.RecipientResult(recipient, result, "250 ok" if result == "delivered" else "550 no")
        self.recorder.tell(e.Attempted(message, "hub", "hub:25", "", (outcome,), 0.1, "ann", session))
        self.clock.advance(1)

    def told(self, search: Search, limit: int = 20, *, internal: bool = True) -> tuple[Story, ...]:
        if self._open:
            self._open = False
            self._journal.close()
        paths = sorted(self._folder.rglob(FILE_NAME))
        self.reader = CountingReader(JournalReader(lambda: list(enumerate(paths))))
        return stories(self.reader, search, self.clock.now(), limit, internal=internal)

    def close(self) -> None:
        if self._open:
            self._journal.close()
        if self.reader is not None:
            self.reader.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def kinds(story: Story) -> list[str]:
    return [stage.kind for stage in story.stages]


def test_the_latest_connection_comes_first(house: House) -> None:
    made = [house.session(HELLO), house.session(HELLO, TLS), house.session(HELLO)]
    assert [one.session for one in house.told(Search(client=CLIENT))] == made[::-1]
    assert [one.session for one in house.told(Search(client=CLIENT), limit=2)] == made[:0:-1]


def test_attempts_belong_to_the_connection_that_is_found_by_its_address(house: House) -> None:
    session, message = house.sent()
    house.attempt(session, message, "delivered")
    (one,) = house.told(Search(client=CLIENT))
    assert one.session == session
    assert kinds(one)[-1] == "delivered"
    assert one.login == "ann"


def test_a_recipient_leads_to_the_connection_and_to_that_message_alone(house: House) -> None:
    first, second = house.ids.next(), house.ids.next()
    session = house.session(
        HELLO,
        TLS,
        e.SignedIn("ann", "PLAIN"),
        ENVELOPE,
        e.Accepted(first, 1, 1),
        ENVELOPE,
        e.Accepted(second, 1, 1),
    )
    house.attempt(session, first, "delivered")
    house.attempt(session, second, "failed", "carol@example.net")
    (one,) = house.told(Search(recipient="carol@example.net"))
    assert one.client == CLIENT
    assert [stage.private["message"] for stage in one.stages if "message" in stage.private] == [
        second,
        second,
    ]
    assert kinds(one).count("envelope") == 1
    (by_id,) = house.told(Search(message=first))
    assert "delivered" in kinds(by_id)
    assert "delivery-refused" not in kinds(by_id)


def test_a_report_and_what_an_administrator_did_belong_to_the_message(house: House) -> None:
    session, message = house.sent()
    house.attempt(session, message, "failed")
    house.recorder.tell(e.Reported(message, house.ids.next(), "failed", "ann"))
    house.recorder.tell(e.QueueChanged("hold", 1, "root", message))
    for search in (
        Search(client=CLIENT),
        Search(login="ann"),
        Search(message=message),
        Search(session=session),
    ):
        (one,) = house.told(search)
        assert {"accepted", "delivery-refused", "report-failed", "queue-hold"} <= set(kinds(one)), search


def test_a_report_alone_leads_to_the_connection(house: House) -> None:
    session, message = house.sent()
    house.attempt(session, message, "failed")
    house.clock.advance(100)
    since = house.clock.now()
    house.clock.advance(1)
    house.recorder.tell(e.Reported(message, house.ids.next(), "failed", "ann"))
    (one,) = house.told(Search(login="ann", since=since))
    assert one.session == session
    assert "signed-in" in kinds(one)


def test_attempts_whose_session_is_gone_are_a_story_of_their_own(house: House) -> None:
    session, message = house.ids.next(), house.ids.next()
    house.attempt(session, message, "deferred")
    house.attempt(session, message, "delivered")
    (one,) = house.told(Search(login="ann"))
    assert (one.session, one.client, one.ended, one.login) == (session, "", True, "ann")
    assert kinds(one) == ["deferred", "delivered"]


def test_a_report_of_the_service_is_a_story_without_a_connection(house: House) -> None:
    report = house.ids.next()
    house.recorder.tell(
        e.Attempted(
            report, "hub", "hub:25", "", (e.RecipientResult("ann@x.org", "delivered", "250 ok"),), 0.1
        )
    )
    (one,) = house.told(Search(message=report))
    assert (one.session, one.client, kinds(one)) == ("", "", ["delivered"])


def test_a_long_session_is_one_story_with_its_begin_and_its_end(house: House) -> None:
    messages = [house.ids.next() for _ in range(STEPS_PER_ROW)]
    steps = [step for message in messages for step in (ENVELOPE, e.Accepted(message, 1, 1))]
    session = house.session(HELLO, TLS, e.SignedIn("ann", "PLAIN"), *steps)
    for search in (Search(client=CLIENT), Search(login="ann")):
        (one,) = house.told(search)
        assert one.session == session
        assert kinds(one)[:4] == ["connected-starttls", "greeted", "tls", "signed-in"]
        assert "closed-quit" in kinds(one)
        assert len(one.stages) == MOST_STAGES + 1
    (by_id,) = house.told(Search(message=messages[-1]))
    assert kinds(by_id).count("accepted") == 1
    assert kinds(by_id)[0] == "connected-starttls"


def test_a_running_session_is_told_as_far_as_it_is(house: House) -> None:
    house.session(HELLO, TLS, how="")
    (one,) = house.told(Search(client=CLIENT))
    assert not one.ended
    assert kinds(one) == ["connected-starttls", "greeted", "tls"]


def test_a_lock_of_the_guard_belongs_to_the_sign_in_that_led_to_it(house: House) -> None:
    made = house.recorder.session(house.ids.next(), CLIENT, 587)
    made.tell(TLS)
    house.recorder.tell(e.GuardLocked("pair", "ann", CLIENT, 300.0, 5))
    house.clock.advance(1)
    made.tell(e.SignInRefused("ann", "PLAIN", "password", "535 5.7.8 Wrong", REFERENCE, "wrong password"))
    made.end("quit", 2)
    house.clock.advance(1)
    house.recorder.tell(e.GuardLocked("pair", "zoe", CLIENT, 300.0, 5))
    other, one = house.told(Search(client=CLIENT))
    assert kinds(one) == ["connected-starttls", "tls", "guard-locked", "sign-in-wrong", "closed-quit"]
    assert (other.login, kinds(other)) == ("zoe", ["guard-locked"])


def test_a_lock_of_the_guard_is_not_put_into_a_later_connection_that_meets_it(house: House) -> None:
    led = house.recorder.session(house.ids.next(), CLIENT, 587)
    house.recorder.tell(e.GuardLocked("pair", "ann", CLIENT, 300.0, 5))
    house.clock.advance(8)
    led.tell(e.SignInRefused("ann", "PLAIN", "password", "535 5.7.8 Wrong", REFERENCE, "wrong password"))
    led.end("quit", 2)
    house.clock.advance(1)
    met = house.recorder.session(house.ids.next(), CLIENT, 587)
    met.tell(
        e.SignInRefused(
            "ann", "PLAIN", "locked", "454 4.7.0 Too many", REFERENCE, "locked for 291 s more (pair)"
        )
    )
    met.end("quit", 2)
    later, first = house.told(Search(client=CLIENT))
    assert "guard-locked" in kinds(first)
    assert "guard-locked" not in kinds(later)


def test_connections_that_accepted_nothing_cost_one_question(house: House) -> None:
    for _ in range(30):
        house.session(HELLO)
    assert len(house.told(Search(client=CLIENT))) == 20
    assert house.reader is not None
    assert len(house.reader.asked) == 1


def test_what_was_delivered_costs_one_question_for_each_connection(house: House) -> None:
    for _ in range(30):
        session, message = house.sent()
        house.attempt(session, message, "delivered")
    assert len(house.told(Search(client=CLIENT), limit=10)) == 10
    assert house.reader is not None
    assert len(house.reader.asked) == 1 + 10
    assert all(search.since for search in house.reader.asked[1:])


def test_what_is_internal_is_told_to_who_asks_for_it_alone(house: House) -> None:
    house.recorder.tell(e.Alarmed("quota", "ann comes near the limit", "ann"))
    house.session(
        TLS, e.SignInRefused("ann", "PLAIN", "unavailable", "454 4.7.0 x", REFERENCE, "ldap1 is down")
    )
    assert "ldap1" not in str(house.told(Search(login="ann"), internal=False))
    assert len(house.told(Search(login="ann"), internal=False)) == 1
    assert "ldap1" in str(house.told(Search(login="ann")))
    assert len(house.told(Search(login="ann"))) == 2


def test_the_time_of_a_search_is_that_of_the_connection(house: House) -> None:
    house.session(HELLO)
    house.clock.advance(100)
    since = house.clock.now()
    latest = house.session(HELLO)
    assert [one.session for one in house.told(Search(client=CLIENT, since=since))] == [latest]


def test_nothing_is_found_where_there_is_nothing(house: House) -> None:
    assert house.told(Search(login="nobody")) == ()


def test_an_attempt_of_many_recipients_is_not_told_recipient_by_recipient(house: House) -> None:
    session, message = house.sent(recipients=40)
    many = attempt("delivered", "250 ok", others=39)
    house.recorder.tell(e.Attempted(message, "hub", "hub:25", "", many.recipients, 0.1, "ann", session))
    (one,) = house.told(Search(client=CLIENT))
    assert kinds(one).count("delivered") == 1
    assert "waiting-again" not in kinds(one)
