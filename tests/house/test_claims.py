"""What the documents say is held by a test is held by one that there is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.house.test_docs import PAGES, ROOT, each_page

_CLAIM = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


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


def test_a_claim_without_a_test_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`tests/house/test_claims.py::test_nothing` `tests/none.py::test_x`")
    assert len(missing(page)) == 2
