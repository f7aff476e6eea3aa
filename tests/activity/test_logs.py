from __future__ import annotations

import json
import logging
import os
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.typing import FilteringBoundLogger

from sams.activity.logs import FactLog, StandardLogs, is_for_people, make_logger
from sams.core.text import visible
from tests.activity.rig import FakeClock, FakeLines


def logger(lines: FakeLines, *, people: bool = False, level: str = "debug") -> FilteringBoundLogger:
    return make_logger(level, people=people, clock=FakeClock(), lines=lines)


@given(st.dictionaries(st.sampled_from("abcd"), st.text() | st.binary() | st.lists(st.text(), max_size=3)))
def test_a_line_is_one_line_and_shows_nothing_invisible(fields: dict[str, Any]) -> None:
    for people in (False, True):
        lines = FakeLines()
        logger(lines, people=people).info("x", **fields)
        (line,) = lines.lines
        assert visible(line.decode(), 10**6) == line.decode()
        assert b"\\u00" not in line


@given(st.text())
def test_json_carries_text_that_needs_no_escape_unchanged(text: str) -> None:
    lines = FakeLines()
    logger(lines).info("x", value=text)
    (told,) = lines.told()
    if text.isprintable() and len(text) <= 1_000:
        assert told["value"] == text


@pytest.mark.parametrize("people", [False, True])
@pytest.mark.parametrize("key", ["password", "secret", "response", "body", "token"])
def test_what_is_named_as_a_secret_is_never_written(people: bool, key: str) -> None:
    lines = FakeLines()
    logger(lines, people=people).info("x", **{key: "hunter2"})
    assert b"hunter2" not in lines.lines[0]
    assert b"(hidden)" in lines.lines[0]


def test_less_than_the_level_is_not_written() -> None:
    lines = FakeLines()
    log = logger(lines, level="warning")
    log.info("x")
    log.warning("y")
    assert [told["event"] for told in lines.told()] == ["y"]


def test_a_line_has_the_time_of_the_clock() -> None:
    lines, clock = FakeLines(), FakeClock()
    log = make_logger("info", people=False, clock=clock, lines=lines)
    for step in (0.0, 0.5, 0.75):
        clock.advance(step)
        log.info("x")
    assert [told["time"] for told in lines.told()] == [
        "2023-11-14T22:13:20.000Z",
        "2023-11-14T22:13:20.500Z",
        "2023-11-14T22:13:21.250Z",
    ]


def test_a_traceback_is_in_the_line_with_its_text_escaped() -> None:
    lines = FakeLines()
    try:
        int("bad\x1b[2J thing\u202e")
    except ValueError:
        logger(lines).exception("it broke")
    (told,) = lines.told()
    assert "Traceback" in told["exception"]
    assert "\u202e" not in told["exception"]
    assert told["level"] == "error"


def test_what_libraries_log_comes_out_as_ours() -> None:
    lines = FakeLines()
    handler = StandardLogs(logger(lines))
    handler.handle(
        logging.makeLogRecord(
            {"name": "asyncio", "msg": "slow %s", "args": ("x",), "levelno": 30, "levelname": "WARNING"}
        )
    )
    (told,) = lines.told()
    assert (told["event"], told["source"], told["level"]) == ("slow x", "asyncio", "warning")


def test_a_library_that_makes_its_line_wrongly_is_not_harmed_by_the_log() -> None:
    lines = FakeLines()
    wrong = {"name": "x", "msg": "%d\x1b", "args": ("no number",), "levelno": 50, "levelname": "CRITICAL"}
    StandardLogs(logger(lines)).handle(logging.makeLogRecord(wrong))
    (told,) = lines.told()
    assert (told["event"], told["level"]) == ("%d\\x1b", "error")


class Facts(msgspec.Struct, omit_defaults=True):
    who: str
    many: list[str]
    octets: int = 0
    seconds: float = -1.0


@given(
    st.builds(Facts, st.text(), st.lists(st.text(), max_size=5), st.integers(0, 10**9), st.floats(0, 10**6))
)
@pytest.mark.parametrize("people", [False, True])
@pytest.mark.parametrize("level", ["info", "warning"])
def test_a_line_of_facts_is_the_line_that_the_logger_writes(people: bool, level: str, facts: Facts) -> None:
    lines, clock = FakeLines(), FakeClock()
    log = logger(lines, people=people)
    FactLog(log, "debug", people=people, lines=lines).tell(level, "session", facts, clock.now())
    getattr(log, level)("session", **msgspec.to_builtins(facts))
    one, other = lines.lines
    assert one == other


def test_a_line_of_facts_that_is_too_long_is_cut_as_others_are() -> None:
    lines = FakeLines()
    facts = Facts("x" * 5_000, [])
    FactLog(logger(lines), "debug", people=False, lines=lines).tell("info", "session", facts, 0.0)
    assert len(lines.told()[0]["who"]) == 1_000


def test_facts_below_the_level_are_not_written() -> None:
    lines = FakeLines()
    facts = FactLog(logger(lines, level="warning"), "warning", people=False, lines=lines)
    for level in ("info", "warning"):
        facts.tell(level, "session", Facts("x", []), 0.0)
    assert [told["level"] for told in lines.told()] == ["warning"]


def test_lines_that_were_lost_are_told_of_once() -> None:
    lines = FakeLines()
    lines.lost = 3
    facts = FactLog(logger(lines), "info", people=False, lines=lines)
    facts.tell_lost()
    facts.tell_lost()
    assert [(told["level"], told["lines"]) for told in lines.told()] == [("error", 3)]


def test_json_is_for_programs_unless_a_terminal_or_the_setting_says_otherwise() -> None:
    reading, writing = os.pipe()
    assert [is_for_people(text, writing) for text in ("auto", "json", "text")] == [False, False, True]
    main, terminal = os.openpty()
    assert is_for_people("auto", terminal)
    for descriptor in (reading, writing, main, terminal):
        os.close(descriptor)


def test_a_line_of_values_that_json_does_not_know_is_written_as_text() -> None:
    lines = FakeLines()
    logger(lines).info("x", value=object, many=list(range(100)))
    told = json.loads(lines.lines[0])
    assert told["value"] == "<class 'object'>"
