from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sams.activity import events
from sams.activity.lines import Lines
from sams.activity.logs import FactLog
from sams.activity.metrics import Board
from sams.activity.recorder import Recorder
from sams.cli.failures import Exit
from sams.core.clock import SystemClock
from tests.activity.rig import FakeClock, journal_at
from tests.cli.desk import Desk
from tests.control.fakes import LOG

MESSAGE = "6C3VHCRP1300400"
SESSION = "6C3VHCR91B40400"


@pytest.fixture
def told(desk: Desk) -> Desk:
    """A journal with one session, one attempt and one change."""
    desk.data_dir.mkdir(mode=0o700)
    _tell(desk.data_dir)
    return desk


def _tell(data_dir: Path) -> None:
    clock = FakeClock(SystemClock().now() - 60)
    journal = journal_at(data_dir, clock)
    journal.start()
    recorder = Recorder(
        clock=clock,
        journal=journal,
        log=LOG,
        facts=FactLog(LOG, "error", people=True, lines=Lines(2)),
        metrics=Board(1).slot(0),
        on_alarm=lambda _: None,
    )
    session = recorder.session(SESSION, "192.0.2.7", 587)
    session.tell(events.SignInRefused("ann", "PLAIN", "wrong", "535 no (ref K7Q2-4F)", "K7Q2-4F"))
    session.tell(events.SignedIn("ann", "PLAIN"))
    session.tell(events.Accepted(MESSAGE, 10, 1))
    session.end("quit", 5)
    clock.advance(1)
    result = events.RecipientResult("bob@example.net", "delivered", "250 2.0.0 taken")
    recorder.tell(events.Attempted(MESSAGE, "hub", "hub:25", "", (result,), 0.1, "ann", SESSION))
    recorder.tell(events.AccountChanged("zoe", "suspended", "root"))
    journal.close()


def _kinds(desk: Desk, *arguments: str) -> list[str]:
    lines = desk.sams("activity", *arguments, "--json").stdout.splitlines()
    return [json.loads(line)["what"] for line in lines]


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ((), ["session", "attempt", "account"]),
        (("ann",), ["session", "attempt"]),
        (("ANN",), ["session", "attempt"]),
        ((MESSAGE.lower(),), ["session", "attempt"]),
        ((SESSION,), ["session", "attempt"]),
        (("k7q2-4f",), ["session"]),
        (("192.0.2.7",), ["session"]),
        (("bob@example.net",), ["attempt"]),
        (("zoe", "--since", "1h"), ["account"]),
    ],
)
def test_a_story_is_found_by_any_of_its_names(told: Desk, what: tuple[str, ...], found: list[str]) -> None:
    assert sorted(_kinds(told, "show", *what)) == sorted(found)


@pytest.mark.parametrize("what", [("nobody",), ("ann", "--since", "1s")])
def test_what_is_not_there_is_a_failure_that_says_why(told: Desk, what: tuple[str, ...]) -> None:
    assert "[activity]" in told.sams("activity", "show", *what, code=Exit.FAILED).stderr


def test_people_read_a_timeline_that_begins_with_the_oldest(told: Desk) -> None:
    text = told.sams("activity", "show", "ann").stdout
    places = [
        text.index(words)
        for words in ("connected from", "signed in as ann", "accepted as", "250 2.0.0 taken")
    ]
    assert places == sorted(places)


def test_tail_prints_the_latest(told: Desk) -> None:
    assert sorted(_kinds(told, "tail", "--no-follow")) == ["account", "attempt", "session"]
    assert "zoe: suspended by root" in told.sams("activity", "tail", "--no-follow").stdout


def test_without_a_journal_nothing_is_told(desk: Desk) -> None:
    result: Any = desk.sams("activity", "tail", "--no-follow")
    assert result.stdout == ""
