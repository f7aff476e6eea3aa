from __future__ import annotations

import typing
from typing import Any

import pytest

from sams.activity import events
from sams.activity.interface import Entry, Step
from sams.cli import story

_ALL = typing.get_args(events.AnyEvent)


def _example(kind: type[events.Event]) -> Any:
    values: dict[str, Any] = {"str": "evil\x1b[2J\u202etext", "int": 2, "bool": True, "float": 1.5}
    hints = typing.get_type_hints(kind)
    given = {name: values.get(getattr(hint, "__name__", ""), ()) for name, hint in hints.items()}
    if kind is events.Attempted:
        given["recipients"] = (events.RecipientResult("a@example.net\x07", "failed", "550 no\x9b"),)
    return kind(**{name: value for name, value in given.items() if not name.startswith("_")})


def _entry(*steps: Any, what: str = "session", ended: bool = True) -> Entry:
    told = tuple(Step(1_000.0 + number, step) for number, step in enumerate(steps))
    return Entry(0, 1, what, "S" * 15, "ann\x1b", "192.0.2.1", ended, told)


@pytest.mark.parametrize("kind", _ALL)
def test_every_event_has_words_and_nothing_raw_reaches_the_terminal(kind: type[events.Event]) -> None:
    event = _example(kind)
    assert story.told(event)
    for lines in (story.timeline(_entry(event, event)), story.timeline(_entry(event, what="other"))):
        assert all(line.isprintable() for line in lines)


def test_a_session_is_told_step_by_step() -> None:
    lines = list(
        story.timeline(
            _entry(
                events.Connected("192.0.2.1", 587),
                events.TlsStarted("TLSv1.3", "AES", "smtp.example.org"),
                events.SignInRefused(
                    "ann", "PLAIN", "wrong", "535 5.7.8 No (ref K7Q2-4F)", "K7Q2-4F", "locked soon"
                ),
                ended=False,
            )
        )
    )
    assert "session SSSSSSSSSSSSSSS of ann" in lines[0]
    assert lines[1].endswith("connected from 192.0.2.1 to port 587")
    assert "TLS TLSv1.3 AES for smtp.example.org" in lines[2]
    assert "locked soon: 535 5.7.8 No (ref K7Q2-4F)" in lines[3]
    assert lines[4].strip() == "… it still lasts"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (events.TlsFailed("UNSUPPORTED_PROTOCOL"), "TLS failed: UNSUPPORTED_PROTOCOL"),
        (
            events.TlsFailed(
                "UNSUPPORTED_PROTOCOL",
                "old-version",
                offered="TLSv1.1",
                suites="X +3",
                server_name="mail.example.org",
            ),
            "TLS failed (old-version): UNSUPPORTED_PROTOCOL; it offered TLSv1.1; suites X +3; for mail.example.org",
        ),
        (
            events.TlsFailed(
                "TLSV1_ALERT_UNKNOWN_CA", "not-trusted", alert="unknown_ca", saw_certificate=True
            ),
            "TLS failed (not-trusted): TLSV1_ALERT_UNKNOWN_CA; its alert unknown_ca; our certificate was sent",
        ),
        (
            events.TlsFailed("HTTP_REQUEST", "http", word="GET"),
            "TLS failed (http): HTTP_REQUEST; it said GET",
        ),
        (events.Refused("?", "500 5.5.1 What", said="XXXXXXXX"), "? XXXXXXXX refused: 500 5.5.1 What"),
        (events.Refused("AUTH", "504 5.5.4 No", said="CRAM-MD5"), "AUTH CRAM-MD5 refused: 504 5.5.4 No"),
    ],
)
def test_a_failure_is_told_with_what_is_known_of_it(event: events.AnyEvent, words: str) -> None:
    assert story.told(event) == words


def test_a_single_event_is_one_line() -> None:
    (line,) = story.timeline(
        _entry(events.AccountChanged("ann", "suspended", "root", "stolen"), what="account")
    )
    assert line.endswith("account ann: suspended by root: stolen")


def test_the_size_at_acceptance_is_said_to_be_what_was_sent_and_not_what_is_delivered() -> None:
    told = story.told(events.Accepted("M" * 15, 70, 1))
    assert told == f"accepted as message {'M' * 15}: 70 B as it was sent, 1 recipient"


def test_programs_get_every_field_with_its_time() -> None:
    told = story.as_json(_entry(events.Accepted("M" * 15, 5, 2)))
    assert told["steps"] == [
        {"at": 1_000.0, "kind": "accepted", "message": "M" * 15, "size": 5, "recipients": 2}
    ]


def test_an_attempt_without_a_next_hop_is_told_by_its_route() -> None:
    result = events.RecipientResult("a@example.net", "delivered", "250 2.0.0 Stored")
    told = story.told(events.Attempted("M1", "maildir", "", "", (result,), 0.1))
    assert told.startswith("message M1 by route maildir: 1 recipient delivered")
