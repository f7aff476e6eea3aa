"""`sams activity explain`, of a journal that the test writes."""

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
from sams.activity.rows import Keep
from sams.cli.failures import Exit
from sams.core.clock import SystemClock
from tests.activity.rig import FakeClock, journal_at
from tests.cli.desk import Desk
from tests.control.fakes import LOG

MESSAGE = "6C3VHCRP1300400"
SESSION = "6C3VHCR91B40500"
FAILED = "6C3VHCR91B40400"
PLAIN = "6C3VHCR91B40300"
_HOUR = 3_600.0


@pytest.fixture
def told(desk: Desk) -> Desk:
    """A sign-in that failed, and then one message that the next hop refused."""
    desk.data_dir.mkdir(mode=0o700)
    _tell(desk.data_dir)
    return desk


def _tell(data_dir: Path) -> None:
    clock = FakeClock(SystemClock().now() - _HOUR)
    journal = journal_at(data_dir, clock, keep=dict.fromkeys(Keep, 1e6))
    journal.start()
    recorder = Recorder(
        clock=clock,
        journal=journal,
        log=LOG,
        facts=FactLog(LOG, "error", people=True, lines=Lines(2)),
        metrics=Board(1).slot(0),
        on_alarm=lambda _: None,
    )
    tls = events.TlsStarted("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    plain = recorder.session(PLAIN, "203.0.113.9", 587)
    plain.tell(events.TlsFailed("x", "tls-to-plain", "TLSv1.3"))
    plain.end("tls", 0)
    first = recorder.session(FAILED, "192.0.2.7", 587)
    first.tell(events.Greeted("EHLO", "evil\x1b[2J\u202ename"))
    first.tell(tls)
    wrong = "535 5.7.8 Wrong user name or password (ref K7Q2-4F)"
    first.tell(events.SignInRefused("ann", "PLAIN", "unknown", wrong, "K7Q2-4F", "unknown login"))
    first.end("quit", 3)
    clock.advance(10)
    second = recorder.session(SESSION, "192.0.2.7", 465, implicit=True)
    second.tell(tls)
    second.tell(events.SignedIn("ann", "PLAIN"))
    second.tell(events.Enveloped("ann@example.org", 1, "bob@example.net"))
    second.tell(events.Accepted(MESSAGE, 2_048, 1))
    second.end("quit", 5)
    clock.advance(1)
    result = events.RecipientResult("bob@example.net", "failed", "550 5.1.1 nobody\x07 here")
    recorder.tell(events.Attempted(MESSAGE, "hub", "hub:25", "", (result,), 0.1, "ann", SESSION))
    journal.close()


def _stories(desk: Desk, *arguments: str) -> list[dict[str, Any]]:
    lines = desk.sams("activity", "explain", *arguments, "--json").stdout.splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("what", "found"),
    [
        (("ann",), [SESSION, FAILED]),
        (("ANN",), [SESSION, FAILED]),
        (("192.0.2.7",), [SESSION, FAILED]),
        (("192.0.2.7", "--limit", "1"), [SESSION]),
        (("k7q2-4f",), [FAILED]),
        ((MESSAGE.lower(),), [SESSION]),
        ((SESSION,), [SESSION]),
        (("bob@example.net",), [SESSION]),
        (("<bob@example.net>",), [SESSION]),
        ((f"<{MESSAGE}@mail.example.org>",), [SESSION]),
        (("ann", "--since", "2h"), [SESSION, FAILED]),
    ],
)
def test_stories_are_found_by_any_of_their_names_the_latest_first(
    told: Desk, what: tuple[str, ...], found: list[str]
) -> None:
    assert [story["session"] for story in _stories(told, *what)] == found


def test_programs_get_verdict_stages_and_facts(told: Desk) -> None:
    sent, failed = _stories(told, "ann")
    assert (sent["client"], sent["login"], sent["ended"]) == ("192.0.2.7", "ann", True)
    assert sent["verdict"]["kind"] == "delivery-refused"
    assert failed["verdict"]["kind"] == "sign-in-unknown"
    assert failed["verdict"]["tone"] == "bad"
    assert "no account of this name" in failed["verdict"]["sentence"]
    (refused,) = [stage for stage in failed["stages"] if stage["kind"] == "sign-in-unknown"]
    assert refused["facts"]["explanation"] == "unknown login"
    assert refused["facts"]["reference"] == "K7Q2-4F"


def test_people_read_what_went_wrong_first_and_then_how_it_came(told: Desk) -> None:
    text = told.sams("activity", "explain", "K7Q2-4F").stdout
    words = (
        "from 192.0.2.7 as ann, session 6C3VHCR91B40400",
        "✗ Sign-in as ann refused: there is no account of this name.",
        "What to do: Correct the user name",
        "✓ Connected to port 587",
        "✓ Encryption is on: TLSv1.3",
        "✗ Sign-in as ann refused",
        "(535 5.7.8, ref K7Q2-4F)",
        "explanation: unknown login",
        "· The program said goodbye.",
    )
    place = 0
    for one in words:
        place = text.index(one, place) + len(one)
    assert text.count("What to do") == 1


def test_what_to_set_are_the_ports_of_this_service(told: Desk) -> None:
    said = " ".join(told.sams("activity", "explain", "203.0.113.9").stdout.split())
    ports = told.server.starttls, told.server.implicit
    assert "STARTTLS for port {}, or keep SSL/TLS and set port {}.".format(*ports) in said


def test_nothing_raw_reaches_the_terminal(told: Desk) -> None:
    text = told.sams("activity", "explain", "ann").stdout
    assert all(line.isprintable() for line in text.splitlines())
    assert "\\x07" in text


def test_lines_are_no_wider_than_can_be_read(told: Desk) -> None:
    assert max(map(len, told.sams("activity", "explain", "ann").stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (("nobody",), ("about nobody in all that it keeps", "a login", "sams probe", "blocked")),
        (("nobody@example.net",), ("a login, a recipient",)),
        (("198.51.100.1", "--since", "1h"), ("a client's address", "since 20")),
        (("ann", "--since", "1min"), ("since 20",)),
        (("AAAA-AA",), ("a reference", "[activity]")),
        (("\x1b[2J",), ("\\x1b[2J", "none of these", "a login")),
    ],
)
def test_where_there_is_nothing_it_says_what_that_means(
    told: Desk, what: tuple[str, ...], words: tuple[str, ...]
) -> None:
    said = told.sams("activity", "explain", *what, code=Exit.FAILED).stderr
    for one in words:
        assert one in said


def test_programs_get_nothing_where_there_is_nothing(told: Desk) -> None:
    assert _stories(told, "nobody") == []


def test_without_a_journal_there_is_nothing(desk: Desk) -> None:
    assert "sams probe" in desk.sams("activity", "explain", "ann", code=Exit.FAILED).stderr
