"""What the documents say is held by a test is held by one that there is."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize("name", ["SECURITY.md", "docs/threat-model.md"])
def test_reporters_and_the_threat_model_have_a_page(name: str) -> None:
    assert ROOT / name in PAGES


def test_a_claim_without_a_test_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`tests/house/test_claims.py::test_nothing` `tests/none.py::test_x`")
    assert len(missing(page)) == 2
