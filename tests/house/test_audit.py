"""The audit of the dependencies: what it finds, what it lets pass, and what it does not take for clean."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tools.audit import (
    ACCEPTED,
    Acceptance,
    Answer,
    Ask,
    Judge,
    Report,
    Weakness,
    audit,
    read_accepted,
    read_answers,
    read_files,
    text_of,
    unused,
)
from tools.pins import REQUIREMENTS, ROOT, NotPinned, Pin, asked_for, read_pins

TODAY = dt.date(2026, 11, 24)
WEAK = Weakness(("PYSEC-1", "CVE-1"), ("1.1",))


def pin(name: str) -> Pin:
    return Pin(name, "1.0", "", ("0" * 64,), ())


def answering(answers: Mapping[str, Answer]) -> Ask:
    return lambda pins: {pin.name: answers[pin.name] for pin in pins if pin.name in answers}


def run(answers: Mapping[str, Answer], *accepted: Acceptance) -> Report:
    return audit({"runtime.txt": [pin("one"), pin("two")]}, answering(answers), Judge(accepted, TODAY))


def acceptance(until: dt.date, package: str = "one") -> Acceptance:
    return Acceptance("CVE-1", package, "not called", until)


def test_a_known_weakness_fails_and_says_what_mends_it() -> None:
    report = run({"one": [WEAK], "two": []})
    assert report.problems == ["one 1.0: PYSEC-1, mended in 1.1"]
    assert report.clean == 1
    assert "WEAK" in text_of(report)


def test_one_that_is_accepted_until_a_day_to_come_passes_under_any_of_its_names() -> None:
    assert run({"one": [WEAK], "two": []}, acceptance(TODAY)).problems == []


@pytest.mark.parametrize(
    "accepted", [acceptance(TODAY - dt.timedelta(days=1)), acceptance(TODAY, package="two")]
)
def test_an_acceptance_that_has_ended_or_is_for_another_package_does_not_help(accepted: Acceptance) -> None:
    assert len(run({"one": [WEAK], "two": []}, accepted).problems) == 1


def test_an_acceptance_of_nothing_is_named() -> None:
    assert run({"one": [], "two": []}, acceptance(TODAY)).notes == [
        "CVE-1 is accepted and was not found: take it out"
    ]


@pytest.mark.parametrize("answers", [{}, {"one": None, "two": None}])
def test_what_could_not_be_asked_is_neither_clean_nor_a_failure(answers: Mapping[str, Answer]) -> None:
    report = run(answers)
    assert (report.clean, report.unasked, report.problems) == (0, ["one 1.0", "two 1.0"], [])
    assert "2 could not be asked about" in text_of(report)


def test_an_index_that_tells_nothing_is_not_asked_about_the_rest() -> None:
    asked: list[list[str]] = []

    def ask(pins: Sequence[Pin]) -> Mapping[str, Answer]:
        asked.append([pin.name for pin in pins])
        return {}

    files = {"build.txt": [pin("three")], "runtime.txt": [pin("one")]}
    assert audit(files, ask, Judge([], TODAY)).unasked == ["one 1.0", "three 1.0"]
    assert asked == [["one"]]


def test_the_report_of_the_tool_is_read_with_what_it_skipped() -> None:
    told = {
        "dependencies": [
            {
                "name": "One",
                "version": "1.0",
                "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": ["CVE-1"]}],
            },
            {"name": "two", "version": "1.0", "vulns": []},
            {"name": "three", "skip_reason": "not found"},
        ]
    }
    assert read_answers(json.dumps(told)) == {"one": [Weakness(("PYSEC-1", "CVE-1"), ("1.1",))], "two": []}
    assert read_answers("") == {}


@pytest.mark.parametrize("text", ["click>=8\n", "click==8.1.7\n", "click==8.1.7 \\\n    --hash=md5:0123\n"])
def test_what_is_not_pinned_with_hashes_fails(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(NotPinned):
        read_pins(tmp_path / "bad.txt")
    report = Report()
    assert read_files(tmp_path, report) == {}
    assert len(report.problems) == 1


def test_all_our_requirements_are_pinned_with_hashes() -> None:
    report = Report()
    files = read_files(REQUIREMENTS, report)
    assert report.problems == []
    assert {path.stem for path in REQUIREMENTS.glob("*.in")} == {name.removesuffix(".txt") for name in files}
    for name, pins in files.items():
        missing = set(asked_for(REQUIREMENTS / name.replace(".txt", ".in"))) - {pin.name for pin in pins}
        assert not missing, name


def test_all_that_the_runtime_asks_for_is_imported() -> None:
    assert unused(asked_for(REQUIREMENTS / "runtime.in"), ROOT / "src") == []


def test_what_is_imported_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("import click\n")
    assert unused(["click", "rich"], tmp_path) == ["rich"]


def test_our_acceptances_can_be_read_and_one_without_a_reason_cannot(tmp_path: Path) -> None:
    read_accepted(ACCEPTED)
    bad = tmp_path / "accepted.toml"
    bad.write_text('[[accepted]]\nid = "CVE-1"\npackage = "one"\nreason = ""\nuntil = 2026-12-01\n')
    with pytest.raises(ValueError, match="needs id, package, reason and until"):
        read_accepted(bad)
