"""`make audit`: has a pinned dependency a known weakness? Is everything pinned, and is it used?

pip-audit asks the package index for the weaknesses that are known of each pin. An index that does not answer that
question (a mirror, or none in reach) is told as such: it does not fail the audit, and nothing counts as clean by it.
The status is 1 where a weakness is known that `requirements/accepted.toml` does not accept with a reason and until a
day that is still to come, and where something is not pinned.
"""

from __future__ import annotations

import ast
import datetime as dt
import json
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from tools.pins import REQUIREMENTS, ROOT, NotPinned, Pin, asked_for, normalised, read_pins

FIRST = "runtime.txt"
"""Asked about before all others: an index that tells nothing of these is not asked about the rest."""
ACCEPTED = REQUIREMENTS / "accepted.toml"
PATIENCE = 900.0


@dataclass(frozen=True, slots=True)
class Weakness:
    """A known one. ids: its name and its other names. fixed: the versions that mend it."""

    ids: tuple[str, ...]
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A weakness that we live with. until: the last day on which we do."""

    id: str
    package: str
    reason: str
    until: dt.date


Answer = Sequence[Weakness] | None
"""What is known of a pin; None: the index could not be asked."""
Ask = Callable[[Sequence[Pin]], Mapping[str, Answer]]
"""Answers by name, of pins with names that are all different. What is missing could not be asked."""


@dataclass
class Report:
    """What was found.

    rows: name, version, state. unasked: pins that the index was not, or could not be, asked about.
    problems: what fails the audit. notes: what only should be known.
    """

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    clean: int = 0


@dataclass
class Judge:
    """Which weaknesses we live with today. used: the ids of those that were found."""

    accepted: Sequence[Acceptance]
    today: dt.date
    used: set[str] = field(default_factory=set)

    def unused(self) -> list[str]:
        """Acceptances that nothing was found for."""
        return [one.id for one in self.accepted if one.id not in self.used]

    def judge(self, report: Report, pin: Pin, weakness: Weakness) -> None:
        """Put it into the report."""
        name = weakness.ids[0]
        fits = [
            one for one in self.accepted if one.id in weakness.ids and normalised(one.package) == pin.name
        ]
        self.used.update(one.id for one in fits)
        good = next((one for one in fits if one.until >= self.today), None)
        if good is not None:
            state = f"{name}: accepted until {good.until} ({good.reason})"
        else:
            ended = f", was accepted until {fits[0].until}" if fits else ""
            mended = f"mended in {', '.join(weakness.fixed)}" if weakness.fixed else "not mended yet"
            state = f"WEAK: {name}, {mended}{ended}"
            report.problems.append(f"{pin.name} {pin.version}: {name}, {mended}{ended}")
        report.rows.append((pin.name, pin.version, state))


def audit(files: Mapping[str, Sequence[Pin]], ask: Ask, judge: Judge) -> Report:
    """Ask about every pin once, and judge the answers."""
    report, answers = Report(), _answers(files, ask)
    every = {_key(pin): pin for pins in files.values() for pin in pins}
    for key, pin in sorted(every.items()):
        answer = answers.get(key)
        if answer is None:
            report.unasked.append(f"{pin.name} {pin.version}")
        elif not answer:
            report.clean += 1
            report.rows.append((pin.name, pin.version, "nothing known"))
        else:
            for weakness in answer:
                judge.judge(report, pin, weakness)
    report.notes += [f"{name} is accepted and was not found: take it out" for name in judge.unused()]
    return report


def _key(pin: Pin) -> tuple[str, str]:
    return pin.name, pin.version


def _answers(files: Mapping[str, Sequence[Pin]], ask: Ask) -> dict[tuple[str, str], Answer]:
    answers: dict[tuple[str, str], Answer] = {}
    for name in sorted(files, key=lambda name: (name != FIRST, name)):
        fresh = [pin for pin in files[name] if _key(pin) not in answers]
        found = ask(fresh) if fresh else {}
        answers |= {_key(pin): found.get(pin.name) for pin in fresh}
        if all(answer is None for answer in answers.values()):
            break  # the others would hear the same
    return answers


def read_accepted(path: Path) -> list[Acceptance]:
    """The weaknesses that we live with.

    Raises:
        ValueError: one has no reason, or no last day.
    """
    found = []
    for entry in tomllib.loads(path.read_text()).get("accepted", []):
        made = Acceptance(*(entry.get(key) for key in ("id", "package", "reason", "until")))
        if not (made.id and made.package and made.reason) or not isinstance(made.until, dt.date):
            raise ValueError(f"{path.name}: {entry} needs id, package, reason and until (a date)")
        found.append(made)
    return found


def ask_index(pins: Sequence[Pin]) -> Mapping[str, Answer]:
    """By pip-audit, which knows where to ask."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.txt"
        path.write_text("".join(f"{pin.line}\n" for pin in pins))
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-r", str(path)]
        try:
            done = subprocess.run(  # noqa: S603 - our own choice of words
                [*command, "--format", "json", "--progress-spinner", "off", "--timeout", "30"],
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return {}
    return read_answers(done.stdout)


def read_answers(text: str) -> Mapping[str, Answer]:
    """pip-audit's report; empty where it wrote none, as when nothing could be reached."""
    try:
        dependencies: Iterable[dict[str, Any]] = json.loads(text)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {
        normalised(one["name"]): [
            Weakness((each["id"], *each.get("aliases", ())), tuple(each.get("fix_versions", ())))
            for each in one["vulns"]
        ]
        for one in dependencies
        if "vulns" in one  # without it there is a reason why it was skipped
    }


def unused(names: Iterable[str], sources: Path) -> list[str]:
    """What we ask for and never import."""
    imported = set()
    for path in sources.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    known = packages_distributions()
    used = {normalised(name) for module in imported for name in known.get(module, ())}
    return sorted(set(names) - used)


def read_files(folder: Path, report: Report) -> dict[str, list[Pin]]:
    """All pins by file; what is not pinned goes into the report."""
    files = {}
    for path in sorted(folder.glob("*.txt")):
        try:
            files[path.name] = read_pins(path)
        except NotPinned as error:
            report.problems.append(str(error))
    return files


def main() -> int:
    """See the file's own words."""
    strict = Report()
    files = read_files(REQUIREMENTS, strict)
    judge = Judge(read_accepted(ACCEPTED), dt.datetime.now(dt.UTC).date())
    report = audit(files, ask_index, judge)
    report.problems += strict.problems
    names = unused(asked_for(REQUIREMENTS / "runtime.in"), ROOT / "src")
    report.notes += [f"{name} is asked for in runtime.in and imported nowhere" for name in names]
    print(text_of(report))  # noqa: T201 - the report
    return int(bool(report.problems))


def text_of(report: Report) -> str:
    """The table, and what it comes to."""
    wide = max((len(f"{name} {version}") for name, version, _ in report.rows), default=0)
    lines = [f"{f'{name} {version}':<{wide}}  {state}" for name, version, state in report.rows]
    lines += [f"note: {note}" for note in report.notes]
    lines += [f"FAILS: {problem}" for problem in report.problems]
    if report.unasked:
        listed = textwrap.indent(textwrap.fill(", ".join(report.unasked), 110, break_on_hyphens=False), "  ")
        lines += [
            "could not be asked about, and so not clean; run it where the public index is in reach:",
            listed,
        ]
    known = len({(name, version) for name, version, _ in report.rows})
    lines.append(
        f"audit: of {known + len(report.unasked)} pins {report.clean} have no known weakness, "
        f"{len(report.unasked)} could not be asked about; {len(report.problems)} problems"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
