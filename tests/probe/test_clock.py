"""The clock: what is known of it, and what is not."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import format_datetime, formatdate

import pytest

from sams_probe.clock import MADE, Clock, ask_time, read_time, told_time
from sams_probe.options import Security
from sams_probe.probing import probe
from sams_probe.verdicts.judging import judge
from sams_probe.verdicts.kinds import Exit
from tests.probe.certificates import DAY, HOST, issue
from tests.probe.desk import PATIENT, Desk
from tests.support.middlebox import Smtp, standing

HOUR = 3_600.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("220 h ESMTP Exim 4.96 Sun, 29 Nov 2026 02:28:50 +0000", 1_795_919_330.0),
        ("220 h Microsoft ESMTP MAIL Service ready at Sun, 29 Nov 2026 03:28:50 +0100", 1_795_919_330.0),
        ("220 h ESMTP Sendmail 8.17; Sun, 29 Nov 2026 02:28:50 GMT", 1_795_919_330.0),
        ("220 h ESMTP Sun, 29 Nov 2026 02:28:50 -0000", 1_795_919_330.0),
        ("220 h ESMTP Postfix", None),
        ("220 h Sun, 99 Nov 2026 02:28:50 +0000", None),
        ("220 h Sun, 29 Nov 2026", None),
    ],
)
def test_the_time_in_a_greeting_is_read(text: str, at: float | None) -> None:
    assert told_time(text) == at


def test_a_greeting_that_names_another_time_tells_of_a_wrong_clock(desk: Desk) -> None:
    greeting = f"220 {HOST} ESMTP Exim {formatdate(time.time() + HOUR)}"
    with standing(replace(Smtp(desk.good.context()), greeting=greeting)) as port:
        report, judgement = desk.ask(f"{port}/starttls")
    assert [one.kind for one in judgement.verdicts] == ["partly", "clock-wrong"]
    assert "slow by the greeting of port" in judgement.verdicts[1].sentence
    assert report.clock.offset is not None
    assert abs(report.clock.offset - HOUR) < 600


def test_a_certificate_that_would_be_valid_by_the_clock_of_others_is_told_with_the_clock(desk: Desk) -> None:
    made = issue(desk.root, HOST, begins=2 * DAY)
    later = format_datetime(made.certificate.not_valid_before_utc + DAY)
    with standing(replace(Smtp(made.context()), greeting=f"220 {HOST} ESMTP {later}")) as port:
        _, judgement = desk.ask(f"{port}/starttls")
    assert [one.kind for one in judgement.verdicts] == ["clock-wrong", "not-yet-valid"]
    assert judgement.exit_code is Exit.CLOCK


def test_nobody_is_told_to_turn_back_the_clock_by_who_shows_an_old_certificate(desk: Desk) -> None:
    old = issue(desk.root, HOST, begins=-250 * DAY, ends=-190 * DAY)
    greeting = f"220 {HOST} ESMTP Exim {format_datetime(old.certificate.not_valid_after_utc - DAY)}"
    with standing(replace(Smtp(old.context()), greeting=greeting)) as port:
        report, judgement = desk.ask(f"{port}/starttls")
    assert [one.kind for one in judgement.verdicts] == ["expired"]
    assert report.clock.offset is None  # that day this program was not made yet
    later = report._replace(clock=Clock(report.clock.local, -200 * 86_400.0, "the greeting of port 587"))
    told = judge(later).verdicts
    assert [one.kind for one in told] == ["clock-wrong", "expired"]
    assert "Compare it with another clock" in told[0].advice


@contextmanager
def time_server(offset: float) -> Iterator[int]:
    """One that answers SNTP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.settimeout(0.05)
        ended = threading.Event()

        def run() -> None:
            while not ended.is_set():
                try:
                    octets, back = link.recvfrom(100)
                except TimeoutError:
                    continue
                assert octets[0] & 7 == 3
                link.sendto(packet(time.time() + offset), back)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield link.getsockname()[1]
        finally:
            ended.set()
            thread.join()


def packet(at: float, first: int = 0x24, stratum: int = 2) -> bytes:
    seconds = int(at) + 2_208_988_800
    return struct.pack("!BB38xII", first, stratum, seconds & 0xFFFFFFFF, int((at % 1) * 2**32))


def test_a_time_server_is_asked_where_one_is_named() -> None:
    with time_server(-HOUR) as port:
        offset = ask_time("127.0.0.1", PATIENT, port)
    assert offset is not None
    assert abs(offset + HOUR) < 60


def test_one_that_does_not_answer_tells_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert ask_time("127.0.0.1", 0.5, silent.getsockname()[1]) is None
    assert ask_time("nosuch.invalid", 5.0) is None


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        (packet(1_000.0), 0.0),
        (packet(1_030.5), 30.5),
        (packet(2.0**32 - 2_208_988_800 + 10), 2.0**32 - 2_208_988_800 + 10 - 1_000),  # after February 2036
        (packet(1_000.0, stratum=0), None),  # go away
        (packet(1_000.0, first=0xE4), None),  # it has no time itself
        (packet(1_000.0, first=0x23), None),  # a question
        (packet(1_000.0)[:40], None),
        (bytes([0x24, 2]) + bytes(46), None),
    ],
)
def test_answers_of_time_servers_are_read_or_refused(octets: bytes, offset: float | None) -> None:
    found = read_time(octets, 999.0, 1_001.0)
    assert found == (None if offset is None else pytest.approx(offset, abs=1e-3))


@pytest.mark.parametrize(
    ("clock", "wrong"),
    [
        (Clock(MADE - 1), True),
        (Clock(MADE + 1), False),
        (Clock(MADE + 1, 299.0, "x"), False),
        (Clock(MADE + 1, -301.0, "x"), True),
        (Clock(MADE - 1, 0.0, "x"), False),
    ],
)
def test_when_a_clock_is_wrong(clock: Clock, *, wrong: bool) -> None:
    assert clock.wrong is wrong


def test_a_clock_before_the_program_was_made_is_wrong_without_asking(desk: Desk) -> None:
    with standing(Smtp(desk.good.context(), implicit=True)) as port:
        report = probe(desk.options(f"{port}/tls"))
    judgement = judge(report._replace(clock=Clock(0.0)))
    told = next(one for one in judgement.verdicts if one.kind == "clock-wrong")
    assert "1970-01-01 00:00 UTC" in told.sentence
    assert judgement.settings is not None
    assert judgement.settings.security is Security.TLS
