"""What the documents say is held by a test is held by one that there is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.house.test_docs import PAGES, ROOT, each_page
from tests.mutants.catalogue import names, read

_CLAIM = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_FILE = re.compile(r"`(tests/[\w/]+\.py)(?:::\w+)?`")
_PROMISE = re.compile(r"^\| (R\d+) \| (.+) \| (.+) \| (.+) \| (.*)\|$", re.MULTILINE)
_PROMISES = [f"R{number}" for number in range(1, 17)]


@cache
def _tests(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE))


def missing(page: Path) -> list[str]:
    """The tests that a page names and that are not there."""
    claims = _CLAIM.findall(page.read_text())
    return [
        f"{path}::{name}"
        for path, name in claims
        if not (ROOT / path).exists() or name not in _tests(ROOT / path)
    ]


@each_page
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    assert missing(page) == []


def strange(text: str) -> list[str]:
    """The modules that a text names by their file, and that are none of ours."""
    there = [
        f"/{path.relative_to(ROOT)}"
        for folder in ("src", "tests", "tools", "benchmarks")
        for path in modules(folder)
    ]
    named = {name for name in re.findall(r"`([\w/]+\.py)`", text) if "NAME" not in name}
    return sorted(name for name in named if not any(path.endswith(f"/{name}") for path in there))


def modules(folder: str) -> Iterable[Path]:
    return (ROOT / folder).rglob("*.py")


@each_page
def test_every_module_that_a_page_names_is_there(page: Path) -> None:
    assert strange(page.read_text()) == []


def test_a_module_that_was_renamed_would_be_found() -> None:
    assert strange("`core/text.py`, `text.py`, `deep.py` and `core/tex.py`") == ["core/tex.py", "deep.py"]


@pytest.mark.parametrize("name", ["SECURITY.md", "docs/threat-model.md"])
def test_reporters_and_the_threat_model_have_a_page(name: str) -> None:
    assert ROOT / name in PAGES


def unheld(text: str) -> list[str]:
    """The rows of tables of claims that name no code, or no test."""
    found = []
    for table in re.findall(r"^\| claim \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE):
        for row in table.splitlines():
            _, _, code, test = row.split("|")[1:-1]
            if "](../src/sams/" not in code or not _CLAIM.search(test):
                found.append(row)
    return found


def test_every_claim_of_the_threat_model_names_its_code_and_its_test() -> None:
    text = (ROOT / "docs/threat-model.md").read_text()
    assert unheld(text) == []
    assert len(re.findall(r"^\| claim \|", text, re.MULTILINE)) >= 5


def test_a_claim_that_nothing_holds_would_be_found() -> None:
    head = "| claim | held by | code | test |\n|---|---|---|---|\n"
    held = "| x | R1 | [a.py](../src/sams/app/a.py) | `tests/a.py::test_x` |\n"
    assert unheld(head + held) == []
    assert len(unheld(head + held + "| y | R1 | hope | |\n")) == 1


@each_page
def test_every_file_of_tests_that_a_page_names_is_there(page: Path) -> None:
    named = _FILE.findall(page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def promises() -> dict[str, tuple[list[str], list[str]]]:
    """Of each promise the files that try it, and those that do so in the long run alone."""
    rows = _PROMISE.findall((ROOT / "docs/security.md").read_text())
    return {name: (_FILE.findall(tried), _FILE.findall(long)) for name, _, _, tried, long in rows}


def test_every_promise_names_who_tries_it_and_how_long_that_takes() -> None:
    found = promises()
    assert list(found) == _PROMISES
    for name, (tried, long) in found.items():
        assert tried, name
        assert not any(is_long(path, all_of_it=True) for path in tried), name
        assert all(is_long(path) for path in long), name


def is_long(path: str, *, all_of_it: bool = False) -> bool:
    """Whether tests in a file, or all of them, are left to the long run."""
    text = (ROOT / path).read_text()
    marks = text.partition("\npytestmark = ")[2].partition("\n\n")[0]
    return "pytest.mark.long" in (marks if all_of_it else text)


def test_every_promise_is_broken_by_a_mutant() -> None:
    broken = {mutant.promise for name in names() for mutant in read(name)}
    assert [name for name in _PROMISES if name not in broken] == []


def test_a_claim_without_a_test_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`tests/house/test_claims.py::test_nothing` `tests/none.py::test_x`")
    assert len(missing(page)) == 2
