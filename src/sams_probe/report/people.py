"""The report for people: what was found, a block for each port, and the verdict."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator

from sams_probe.looks.findings import PortFindings
from sams_probe.options import Security
from sams_probe.report.colours import Paint
from sams_probe.report.rows import Row, of_names, of_port
from sams_probe.text import visible
from sams_probe.verdicts.judging import Judgement, Report
from sams_probe.verdicts.kinds import Exit
from sams_probe.verdicts.troubles import troubles
from sams_probe.verdicts.verdict import WORDS

NARROWEST, WIDEST = 60, 110
_NAMES = 13
_LONGEST = 4_000
"""Characters of a value."""
_MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red"), "note": ("note", "")}
_COLOURS = {Exit.WELL: "green", Exit.PARTLY: "yellow"}


def width_of_terminal() -> int:
    """Columns to write in."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((100, 24)).columns))


def text_of(report: Report, judgement: Judgement, paint: Paint, width: int) -> str:
    """The whole report. width: columns."""
    lines = [paint(report.names.host, "bold"), *_rows(of_names(report.names), width), ""]
    for found in report.ports:
        lines += _port(found, report, paint, width)
    return "\n".join([*lines, *_verdicts(judgement, paint, width)]) + "\n"


def _port(found: PortFindings, report: Report, paint: Paint, width: int) -> Iterator[str]:
    mark, colour = _MARKS[level_of(found, report)]
    host = f" of {found.host}" if found.host != report.names.host else ""
    title = f"port {found.port.number} {WORDS[found.port.security]}, IPv{found.address.family}{host}"
    yield f"{paint(mark, colour)}  {paint(visible(title), 'bold')} ({visible(found.address.text)})"
    yield from _rows(of_port(found), width)
    yield ""


def level_of(found: PortFindings, report: Report) -> str:
    """`ok`, `warn`: it works, and something is wrong, `fail`, or `note` for a port that members do not need."""
    if found.port.security is Security.RELAY:
        return "note"
    wrong = [one.kind for one in troubles(found, report.clock) if one.kind != "ends-soon"]
    if wrong == ["no-network"]:
        return "note"
    if found.usable:
        return "warn" if wrong else "ok"
    return "fail"


def _rows(rows: Iterable[Row], width: int) -> Iterator[str]:
    for name, value in rows:
        yield from _wrapped(visible(value, _LONGEST), f"      {name:<{_NAMES}}", " " * (6 + _NAMES), width)


def _wrapped(text: str, first: str, rest: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _verdicts(judgement: Judgement, paint: Paint, width: int) -> Iterator[str]:
    main, *others = judgement.verdicts
    colour = _COLOURS.get(main.exit_code, "red")
    yield paint("Verdict", "bold")
    said: set[str] = set()
    for verdict in (main, *others):
        for line in _wrapped(verdict.sentence, "  ", "  ", width):
            yield paint(line, colour if verdict is main else "")
        if not any(verdict.advice in one for one in said):
            yield from _wrapped(verdict.advice, "    do: ", "        ", width)
        said.add(verdict.advice)
    for verdict in judgement.notes:
        yield from _wrapped(f"(Note: {verdict.sentence})", "  ", "  ", width)
