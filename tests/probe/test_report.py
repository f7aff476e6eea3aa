"""What is shown: for people in columns and colour, for programs as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams_probe.names.found import Address, Announced
from sams_probe.names.message import Service
from sams_probe.options import Security
from sams_probe.report.colours import Paint, paint_for
from sams_probe.report.document import document
from sams_probe.report.people import text_of
from sams_probe.text import count, listed, moment, span, visible
from sams_probe.verdicts.judging import judge
from tests.probe.certificates import HOST
from tests.probe.desk import Desk
from tests.support.middlebox import Peer, Smtp, standing


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "on"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    stream: io.StringIO, environment: Mapping[str, str], *, on: bool
) -> None:
    assert paint_for(stream, environment).on is on


def test_the_report_says_what_works_and_what_to_set(desk: Desk) -> None:
    box = Smtp(starttls="500 unsupported command", clear=("SIZE",))
    with standing(box) as bad, standing(Smtp(desk.good.context(), implicit=True)) as good:
        report, judgement = desk.ask(f"{bad}/starttls", f"{good}/tls")
    text = text_of(report, judgement, Paint(on=False), 80)
    assert f"FAIL  port {bad} STARTTLS, IPv4 (127.0.0.1)" in text
    assert f"ok    port {good} SSL/TLS, IPv4 (127.0.0.1)" in text
    for row in (
        "greeting     220 smtp.example.org ESMTP",
        "STARTTLS     not offered",
        "in TLS       sign-in by PLAIN LOGIN",
    ):
        assert row in text
    assert f"outgoing server {HOST}, port {good}, security SSL/TLS" in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text
    assert "\x1b[32mok" in text_of(report, judgement, Paint(on=True), 80)


def test_nothing_of_a_server_reaches_the_terminal_raw(desk: Desk) -> None:
    evil = "\x1b]0;x\x07\x9b31m\u202e"

    def script(peer: Peer) -> None:
        peer.say(f"220 {evil} {HOST}")
        peer.line()
        peer.say(f"250-{evil}", f"250-AUTH {evil}", "250 STARTTLS")
        peer.line()
        peer.say(f"454 {evil}")
        peer.wait()

    with standing(script) as port:
        report, judgement = desk.ask(f"{port}/starttls")
    text = text_of(report, judgement, Paint(on=False), 100)
    assert "\\x1b]0" in text
    assert not set(text) & set(evil) - set("]0;x31m")
    assert document(report, judgement).isprintable()


def test_the_document_has_the_keys_that_are_promised(desk: Desk) -> None:
    with standing(Smtp(desk.good.context())) as port:
        report, judgement = desk.ask(f"{port}/starttls", host="nosuch.example.org")
        wrong = json.loads(document(report, judgement))
        report, judgement = desk.ask(f"{port}/starttls")
    told = json.loads(document(report, judgement))
    assert wrong["settings"] is None
    assert wrong["exit_code"] == 10
    assert told["settings"] == {"host": HOST, "port": port, "security": "starttls"}
    assert list(told) == [
        "form",
        "exit_code",
        "verdicts",
        "notes",
        "settings",
        "names",
        "ports",
        "clock",
        "sign_in",
    ]
    assert told["form"] == 1
    assert list(told["verdicts"][0]) == ["kind", "sentence", "advice", "exit_code", "port"]
    (found,) = told["ports"]
    assert found["tls"]["verified"] is True
    assert found["tls"]["certificate"]["names"] == [HOST]
    assert found["inside"]["mechanisms"] == ["PLAIN", "LOGIN"]


@given(st.text(max_size=400), st.integers(2, 300))
def test_visible_text_is_one_line_of_at_most_so_many_characters(text: str, length: int) -> None:
    shown = visible(text, length)
    assert shown.isprintable()
    assert len(shown) <= length
    assert visible(shown, length) == shown


@given(st.binary(max_size=400))
def test_octets_are_shown_as_well(octets: bytes) -> None:
    assert visible(octets).isprintable()


def test_words_for_numbers() -> None:
    assert [listed(["a", "b", "c"][:number]) for number in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert [span(seconds) for seconds in (1, 59, 60, 7_300, 172_800)] == [
        "1 second",
        "59 seconds",
        "1 minute",
        "2 hours",
        "2 days",
    ]
    assert (count(1, "port"), count(2, "port")) == ("1 port", "2 ports")
    assert moment(-62_135_596_800 * 2) == "a time out of range"


@pytest.mark.parametrize(
    "evil", ["\x1b]0;owned\x07\x1b[2J", "a\n\nVerdict\n  All is well", "\u202eabc", "\x9b31m"]
)
def test_no_name_of_dns_can_write_to_the_terminal(desk: Desk, evil: str) -> None:
    with standing(Smtp(desk.good.context(), implicit=True)) as port:
        report, _ = desk.ask(f"{port}/tls")
    announced = Announced("_submissions._tcp.example.org", Security.TLS, Service(0, 1, 465, evil))
    found = report.ports[0]._replace(host=evil, address=Address(f"fe80::1%{evil}", 6))
    names = report.names._replace(announced=(announced,), invented=(evil,))
    shown = report._replace(names=names, ports=(found,))
    lines = text_of(shown, judge(shown), Paint(on=False), 80).split("\n")
    assert all(line.isprintable() for line in lines)
    assert lines.count("Verdict") == 1
