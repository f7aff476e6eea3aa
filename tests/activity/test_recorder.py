from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from sams.activity import metrics as m
from sams.activity.events import (
    Accepted,
    AccountChanged,
    Alarmed,
    Attempted,
    Closed,
    Connected,
    Enveloped,
    Greeted,
    GuardLocked,
    JournalLost,
    Omitted,
    QueueChanged,
    RecipientResult,
    Refused,
    Reported,
    ServiceChanged,
    SignedIn,
    SignInRefused,
    TlsFailed,
    TlsStarted,
    Warned,
)
from sams.activity.interface import Activity, SessionLog
from sams.activity.recorder import MAX_KEPT, MAX_REFUSALS, STEPS_PER_ROW
from sams.activity.rows import Keep
from sams.core.text import visible
from sams.protocol.sasl.registry import all_mechanisms
from tests.activity.rig import START, Rig

ATTEMPT = Attempted(
    "0MSG",
    "hub",
    "hub.example:25",
    "TLSv1.3 X",
    (RecipientResult("Bob@Example.com", "delivered", "250 ok"),),
    0.5,
    "alice",
    "0SES",
)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def whole_session(rig: Rig) -> SessionLog:
    session = rig.recorder.session("0SES", "192.0.2.5", 587)
    session.tell(Greeted("EHLO", "client.example"))
    session.tell(TlsStarted("TLSv1.3", "AES", "smtp.example", resumed=True))
    session.tell(SignedIn("Alice", "PLAIN", remembered=True))
    session.tell(Enveloped("alice@example.org", 2, "bob@example.com"))
    session.tell(Accepted("0MSG", 4_096, 2))
    rig.clock.advance(0.25)
    session.end("quit", 7)
    return session


def test_the_recorder_is_what_others_expect(rig: Rig) -> None:
    activity: Activity = rig.recorder
    session: SessionLog = activity.session("0SES", "192.0.2.5", 587)
    assert session.id == "0SES"


def test_a_short_session_is_one_row_and_one_line(rig: Rig) -> None:
    whole_session(rig)
    assert rig.journal.puts == 1
    (record,) = rig.journal.records()
    assert [type(event) for _, event in record.steps] == [
        Connected, Greeted, TlsStarted, SignedIn, Enveloped, Accepted, Closed,
    ]  # fmt: skip
    assert record.steps[-1] == (0.25, Closed("quit", 7, 0.25))
    assert (record.what, record.session, record.login, record.client, record.at) == (
        "session", "0SES", "Alice", "192.0.2.5", START,
    )  # fmt: skip
    assert rig.lines.told() == [
        {
            "time": "2023-11-14T22:13:20.250Z",
            "level": "info",
            "event": "session",
            "session": "0SES",
            "client": "192.0.2.5",
            "port": 587,
            "tls": "TLSv1.3 AES",
            "sni": "smtp.example",
            "helo": "client.example",
            "login": "Alice",
            "mechanism": "PLAIN",
            "accepted": 1,
            "recipients": 2,
            "octets": 4096,
            "messages": ["0MSG"],
            "how": "quit",
            "seconds": 0.25,
        }
    ]


def test_a_row_is_found_by_all_that_names_its_session(rig: Rig) -> None:
    session = rig.recorder.session("0SES", "192.0.2.5", 587)
    session.tell(SignInRefused("bob", "PLAIN", "password", "535 no", "K7Q2-4F"))
    session.tell(Refused("MAIL", "530 no", "AAAA-AA"))
    session.tell(SignedIn("Alice", "PLAIN"))
    session.tell(Accepted("0MSG", 1, 1))
    session.end("quit")
    (row,) = rig.journal.rows.values()
    assert set(row.terms) == {"s0SES", "c192.0.2.5", "lbob", "rK7Q2-4F", "rAAAA-AA", "lalice", "m0MSG"}
    assert row.keep is Keep.SESSIONS


def test_a_session_in_which_nobody_signed_in_is_a_strangers(rig: Rig) -> None:
    session = rig.recorder.session("0SES", "192.0.2.5", 587)
    session.tell(SignInRefused("bob", "PLAIN", "password", "535 no", "K7Q2-4F"))
    session.end("lost")
    (row,) = rig.journal.rows.values()
    assert row.keep is Keep.STRANGERS
    (line,) = rig.lines.told()
    assert (line["login"], line["refused"], line["last_refusal"], line["refs"]) == (
        "bob",
        1,
        "535 no",
        ["K7Q2-4F"],
    )


def test_a_running_session_is_written_once_a_second_and_only_when_it_told_something(rig: Rig) -> None:
    session = rig.recorder.session("0SES", "192.0.2.5", 587)
    rig.recorder.tick()
    assert rig.journal.puts == 0, "it has just begun and may be over at once"
    rig.clock.advance(1.0)
    rig.recorder.tick()
    rig.clock.advance(1.0)
    rig.recorder.tick()
    assert rig.journal.puts == 1
    assert [row.ended for row in rig.journal.rows.values()] == [False]
    session.tell(SignedIn("alice", "PLAIN"))
    rig.recorder.tick()
    session.end("quit")
    rig.recorder.tick()
    assert rig.journal.puts == 3
    assert list(rig.journal.rows) == [1]
    assert [row.ended for row in rig.journal.rows.values()] == [True]
    assert len(rig.journal.records()[0].steps) == 3


def test_a_long_story_goes_on_in_further_rows_and_nothing_of_it_is_lost(rig: Rig) -> None:
    session = rig.recorder.session("0SES", "192.0.2.5", 587)
    for number in range(STEPS_PER_ROW * 2):
        session.tell(Accepted(f"{number}", 1, 1))
        rig.clock.advance(0.1)
        rig.recorder.tick()
    session.end("quit")
    records = rig.journal.records()
    assert [len(record.steps) for record in records] == [STEPS_PER_ROW, STEPS_PER_ROW, 2]
    steps = [event for record in records for _, event in record.steps]
    assert [event.message for event in steps if isinstance(event, Accepted)] == [
        str(number) for number in range(STEPS_PER_ROW * 2)
    ]
    assert all(row.ended for row in rig.journal.rows.values())


def test_refusals_without_end_are_counted_and_not_kept(rig: Rig) -> None:
    session = rig.recorder.session("0SES", "192.0.2.5", 587)
    for _ in range(MAX_REFUSALS + 5):
        session.tell(Refused("RCPT", "550 no", "K7Q2-4F"))
    session.end("lost")
    steps = [event for record in rig.journal.records() for _, event in record.steps]
    assert sum(isinstance(event, Refused) for event in steps) == MAX_REFUSALS
    assert Omitted(5) in steps
    assert rig.board.value(m.REFUSED, "RCPT") == MAX_REFUSALS + 5


def test_what_is_told_after_the_end_is_left_out(rig: Rig) -> None:
    session = whole_session(rig)
    session.tell(Refused("MAIL", "x"))
    session.end("lost")
    assert rig.journal.puts == 1
    assert len(rig.lines.lines) == 1
    assert rig.board.value(m.CONNECTIONS) == 0


def test_everything_is_counted_at_once(rig: Rig) -> None:
    session = whole_session(rig)
    assert session.id
    other = rig.recorder.session("0OTH", "192.0.2.6", 465, implicit=True)
    other.tell(TlsFailed("NO_SHARED_CIPHER", "no-suite"))
    other.tell(TlsFailed("what an older version told"))
    other.tell(Refused("XYZZY", "500 what"))
    other.tell(Warned("From", "alias"))
    rig.recorder.tell(ATTEMPT)
    rig.recorder.tell(Reported("0MSG", "0REP", "failed"))
    values: dict[m.Counter | m.Gauge, tuple[str, int]] = {
        m.CONNECTIONS: ("", 1), m.CONNECTED: ("", 2), m.CLOSED: ("quit", 1), m.TLS: ("TLSv1.3", 1),
        m.TLS_FAILED: ("no-suite", 1), m.TLS_RESUMED: ("", 1), m.SIGNED_IN: ("memory", 1),
        m.ACCEPTED: ("", 1), m.ACCEPTED_RECIPIENTS: ("", 2), m.ACCEPTED_OCTETS: ("", 4_096),
        m.REFUSED: ("other", 1), m.WARNED: ("", 1), m.ATTEMPTED: ("", 1),
        m.SETTLED: ("delivered", 1), m.REPORTED: ("failed", 1),
    }  # fmt: skip
    assert {
        family: (label, rig.board.value(family, label)) for family, (label, _) in values.items()
    } == values
    assert rig.board.value(m.TLS, "failed") == 2
    assert rig.board.value(m.TLS_FAILED, "other") == 1


@pytest.mark.parametrize("name", all_mechanisms().names)
def test_a_sign_in_is_counted_by_what_was_checked(rig: Rig, name: str) -> None:
    by = {
        "OAUTHBEARER": "token",
        "XOAUTH2": "token",
        "EXTERNAL": "certificate",
        "GSSAPI": "ticket",
        "PLAIN": "hash",
        "LOGIN": "hash",
    }
    rig.recorder.session("0SES", "192.0.2.5", 587).tell(SignedIn("alice", name))
    assert rig.board.value(m.SIGNED_IN, by.get(name, "proof")) == 1


def test_an_attempt_is_one_row_and_one_line(rig: Rig) -> None:
    rig.recorder.tell(ATTEMPT)
    (row,) = rig.journal.rows.values()
    assert row.keep is Keep.DELIVERIES
    assert set(row.terms) == {"m0MSG", "abob@example.com", "lalice", "s0SES"}
    (line,) = rig.lines.told()
    assert (line["event"], line["message"], line["delivered"], line["reply"], line["to"]) == (
        "delivery", "0MSG", 1, "250 ok", ["Bob@Example.com"],
    )  # fmt: skip


def test_an_attempt_that_failed_for_one_shows_that_reply(rig: Rig) -> None:
    results = (
        RecipientResult("a@x.example", "delivered", "250 ok"),
        RecipientResult("b@x.example", "failed", "550 no"),
    )
    rig.recorder.tell(Attempted("0MSG", "hub", "", "", results, 0.1))
    (line,) = rig.lines.told()
    assert (line["level"], line["delivered"], line["failed"], line["reply"]) == ("warning", 1, 1, "550 no")


def test_the_line_of_an_attempt_has_its_time_in_milliseconds(rig: Rig) -> None:
    rig.recorder.tell(msgspec.structs.replace(ATTEMPT, seconds=0.0015787419999924168))
    (line,) = rig.lines.told()
    assert line["seconds"] == 0.002


def test_long_replies_of_many_recipients_are_cut(rig: Rig) -> None:
    results = tuple(
        RecipientResult(f"{number}@x.example", "deferred", "450 " + "x" * 900) for number in range(1000)
    )
    rig.recorder.tell(Attempted("0MSG", "hub", "", "", results, 0.1))
    (row,) = rig.journal.rows.values()
    assert len(row.record) <= 262_144
    assert "a999@x.example" in row.terms


@pytest.mark.parametrize(
    ("event", "term"),
    [
        (AccountChanged("alice", "suspended", "root"), "lalice"),
        (QueueChanged("hold", 3, "root", login="alice"), "lalice"),
        (QueueChanged("delete", 1, "root", message="0msg"), "m0MSG"),
        (Alarmed("quota", "alice is at 80 %", "alice"), "lalice"),
        (ServiceChanged("reloaded"), None),
        (JournalLost(3, "full"), None),
    ],
)
def test_what_happens_to_the_service_is_kept_longest_and_logged(
    rig: Rig, event: object, term: str | None
) -> None:
    rig.recorder.tell(event)  # type: ignore[arg-type]
    (row,) = rig.journal.rows.values()
    assert row.keep is Keep.SERVICE
    assert row.terms == ([term] if term else [])
    assert len(rig.lines.lines) == 1


@pytest.mark.parametrize(
    ("what", "level"), [("route down", "warning"), ("route up", "info"), ("source down", "warning")]
)
def test_a_route_or_source_that_goes_down_is_a_warning(rig: Rig, what: str, level: str) -> None:
    rig.recorder.tell(ServiceChanged(what, "hub: 451 4.4.1 refused"))
    (line,) = rig.lines.told()
    assert (line["level"], line["what"], line["detail"]) == (level, what, "hub: 451 4.4.1 refused")


def test_the_line_of_a_lock_has_its_own_level(rig: Rig) -> None:
    rig.recorder.tell(GuardLocked("pair", "alice", "192.0.2.7", 300.0, 10))
    (line,) = rig.lines.told()
    assert (line["level"], line["lock"], line["login"]) == ("info", "pair", "alice")


def test_an_alarm_is_handed_on(rig: Rig) -> None:
    rig.recorder.tell(Alarmed("disk", "it is full"))
    assert rig.alarms == [Alarmed("disk", "it is full")]


class Gathering:
    """A rig whose recorder keeps what ended for a moment; `pass_by` is that moment."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []
        self.rig = Rig(later=lambda _, call: self.due.append(call))

    def pass_by(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()

    def told(self) -> list[object]:
        return [line["event"] for line in self.rig.lines.told()]


def test_ended_sessions_and_attempts_are_written_together_a_moment_later_as_they_were_told() -> None:
    gathering = Gathering()
    rig = gathering.rig
    whole_session(rig).end("quit", 8)
    told_at = rig.clock.now()
    rig.recorder.tell(ATTEMPT)
    assert gathering.told() == []
    assert rig.journal.puts == 0
    assert rig.board.value(m.CLOSED, "quit") == rig.board.value(m.ATTEMPTED) == 1, "it is counted at once"
    assert len(gathering.due) == 1
    rig.clock.advance(0.05)
    gathering.pass_by()
    assert gathering.told() == ["session", "delivery"]
    assert [record.session for record in rig.journal.records()] == ["0SES", "0SES"]
    attempt = rig.journal.records()[1]
    assert attempt.at == told_at, "a row has the time at which it was told"
    rig.recorder.tell(ATTEMPT)
    gathering.pass_by()
    assert gathering.told() == ["session", "delivery", "delivery"]


def test_what_else_is_told_is_written_behind_what_was_kept() -> None:
    gathering = Gathering()
    gathering.rig.recorder.tell(ATTEMPT)
    gathering.rig.recorder.tell(Reported("0MSG", "0RPT", "failed"))
    assert gathering.told() == ["delivery", "report"]
    gathering.pass_by()
    assert gathering.rig.journal.puts == 2, "once"


def test_of_many_that_end_at_once_no_more_than_a_few_are_kept() -> None:
    gathering = Gathering()
    for _ in range(MAX_KEPT + 1):
        gathering.rig.recorder.tell(ATTEMPT)
    assert gathering.rig.journal.puts == MAX_KEPT
    gathering.rig.recorder.tick()
    assert gathering.rig.journal.puts == MAX_KEPT + 1


def test_rows_that_the_journal_lost_are_told_of(rig: Rig) -> None:
    rig.journal.lost = 3
    rig.recorder.tick()
    (record,) = rig.journal.records()
    assert record.steps[0][1] == JournalLost(3, "the journal could not be written in time")
    assert rig.board.value(m.JOURNAL_LOST) == 3


def test_text_from_outside_harms_neither_line_nor_row(rig: Rig) -> None:
    evil = "a\r\nb\x1b[2J\u202e\udc80\x7f" + "x" * 5_000
    session = rig.recorder.session("0SES", "192.0.2.5", 587)
    session.tell(Greeted("EHLO", evil))
    session.end("quit")
    (line,) = rig.lines.lines
    assert visible(line, 10**6) == line.decode()
    assert b"\\\\x1b" in line
    assert len(line) < 2_000
    assert rig.journal.puts == 1


def test_a_bug_in_one_of_those_written_together_loses_no_other() -> None:
    gathering = Gathering()
    broken = msgspec.structs.replace(ATTEMPT, recipients=None)
    for attempt in (broken, ATTEMPT):
        gathering.rig.recorder.keep(attempt)
    gathering.rig.recorder.write_kept()
    assert gathering.rig.journal.puts == 1
    assert [line["event"] for line in gathering.rig.lines.told()] == ["bug", "delivery"]
