from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sams.activity.events import (
    Accepted,
    AnyEvent,
    Greeted,
    Omitted,
    Refused,
    ServiceEvent,
    SessionEvent,
    SignedIn,
    TlsFailed,
    Warned,
    kind_of,
)
from sams.activity.rows import MAX_RECORD, Record, decode_record, encode_record, recipient_term
from sams.activity.summaries import COUNTS, STEPS


def record(*steps: tuple[float, AnyEvent]) -> Record:
    return Record(1.0, "session", "0SES", "alice", "192.0.2.1", steps, ("s0SES",))


@given(st.text(), st.floats(0, 10**6))
def test_a_record_reads_back_as_it_was_told(text: str, at: float) -> None:
    told = record((at, Greeted("EHLO", text)), (at, SignedIn(text, "PLAIN")))
    again = decode_record(encode_record(told))
    if text.isprintable():
        assert list(again.steps) == list(told.steps)
    assert (again.at, again.session, list(again.terms)) == (1.0, "0SES", ["s0SES"])


def test_a_lone_surrogate_becomes_its_escape() -> None:
    ((_, event),) = decode_record(encode_record(record((0.0, Greeted("EHLO", "a\udc80"))))).steps
    assert event == Greeted("EHLO", "a\\udc80")


def test_a_story_that_is_too_long_is_cut_and_says_so() -> None:
    text = encode_record(record(*[(0.0, Greeted("EHLO", "x" * 1_000))] * 1_000))
    assert len(text) <= MAX_RECORD
    steps = decode_record(text).steps
    assert isinstance(steps[-1][1], Omitted)
    assert len(steps) > 100


def test_one_step_that_is_too_long_is_left_out() -> None:
    ((_, event),) = decode_record(encode_record(record((0.0, Greeted("EHLO", "x" * MAX_RECORD))))).steps
    assert event == Omitted(1)


def test_an_event_that_only_a_later_version_knows_is_still_shown() -> None:
    fields = json.loads(encode_record(record((0.5, Accepted("0MSG", 1, 1)))))
    fields[5] += [[0.75, {"kind": "teleported", "where": "moon"}], [0.8, {"kind": "accepted", "message": 3}]]
    steps = decode_record(json.dumps(fields)).steps
    assert steps[0] == (0.5, Accepted("0MSG", 1, 1))
    assert steps[1] == (0.75, Warned("an event of another version", '{"kind":"teleported","where":"moon"}'))
    assert isinstance(steps[2][1], Warned)


def test_spellings_of_one_recipient_have_one_term() -> None:
    terms = {
        recipient_term(text)
        for text in ("Bob@Example.com", '"bob"@example.COM', "bob@example.com", '"b\\ob"@example.com')
    }
    assert terms == {"abob@example.com"}
    assert recipient_term("x@bücher.example") == recipient_term("X@xn--bcher-kva.example")
    assert recipient_term("no address ü") == "ano address ü"


def test_the_term_of_a_recipient_is_the_one_under_which_older_journals_keep_it() -> None:
    assert recipient_term("Straße@example.org") == "astrasse@example.org"


def test_every_kind_of_event_has_a_rule() -> None:
    assert set(STEPS) == set(SessionEvent.__args__)
    assert set(COUNTS) == set(ServiceEvent.__args__)
    assert kind_of(Greeted("EHLO", "x")) == "greeted"


def test_what_an_older_version_told_of_a_failed_handshake_and_of_a_refusal_is_read() -> None:
    failed = '[0.5,{"kind":"tls_failed","why":"UNSUPPORTED_PROTOCOL"}]'
    refused = '[0.6,{"kind":"refused","verb":"?","reply":"500"}]'
    read = decode_record(f'[1.0,"session","0SES","","192.0.2.5",[{failed},{refused}],[]]')
    assert read.steps == [(0.5, TlsFailed("UNSUPPORTED_PROTOCOL")), (0.6, Refused("?", "500"))]


def test_what_is_not_known_of_a_failed_handshake_takes_no_room() -> None:
    text = encode_record(record((0.0, TlsFailed("the program said nothing", "silent"))))
    assert '{"kind":"tls_failed","why":"the program said nothing","cause":"silent"}' in text


def test_a_reference_keeps_the_name_that_journals_on_disk_and_programs_know() -> None:
    told = record((0.0, Refused("RCPT", "550 no (ref K7Q2-4F)", "K7Q2-4F")))
    text = encode_record(told)
    assert '"reason":"K7Q2-4F"' in text
    assert decode_record(text).steps[0] == told.steps[0]
