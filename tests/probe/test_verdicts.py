"""The table of verdicts: each can be told, each is documented, each was seen."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from sams_probe.smtp.sign_in import SignedIn
from sams_probe.verdicts import judging, troubles
from sams_probe.verdicts.kinds import KINDS, TABLE, Exit, Kind
from sams_probe.verdicts.verdict import tell

FACTS = (
    "host",
    "port",
    "over",
    "detail",
    "product",
    "signer",
    "begins",
    "ends",
    "now",
    "names",
    "works",
    "settings",
)
FULL = dict.fromkeys(FACTS, "x")
PAGE = Path(__file__).parents[2] / "docs/admin/probe.md"
KNOWN = list(KINDS.values())


@pytest.mark.parametrize("kind", KNOWN, ids=[kind.name for kind in KNOWN])
def test_each_verdict_is_a_sentence_with_something_to_do(kind: Kind) -> None:
    verdict = tell(kind.name, FULL)
    assert verdict.sentence.endswith((".", ".)"))
    assert verdict.advice.endswith(".")
    assert verdict.exit_code is kind.exit_code
    for text in (kind.sentence, kind.advice):
        assert {name for _, name, _, _ in Formatter().parse(text) if name} <= set(FACTS)


def test_names_of_verdicts_are_each_there_once() -> None:
    names = [kind.name for kind in KNOWN]
    assert len(KINDS) == len(set(names))
    assert all(re.fullmatch(r"[a-z-]+", name) for name in names)
    assert len(TABLE) < len(KINDS)


def test_each_verdict_that_the_code_names_is_in_the_table_and_the_other_way_round() -> None:
    folder = Path(judging.__file__).parent
    code = "".join(path.read_text() for path in (folder / "judging.py", folder / "troubles.py"))
    used = {name for name in KINDS if f'"{name}"' in code}
    assert used == set(KINDS)
    assert troubles.SOON > 0


def test_what_comes_from_outside_is_made_visible_and_cut() -> None:
    verdict = tell("turned-away", {**FULL, "detail": "\x1b[31m\u202e" + "y" * 1_000})
    assert "\x1b" not in verdict.sentence
    assert "\\x1b[31m\\u202e" in verdict.sentence
    assert len(verdict.sentence) < 600


def test_places_in_words_from_outside_are_no_places() -> None:
    assert "{host}" in tell("turned-away", {**FULL, "detail": "{host} {0} {x.y}"}).sentence


def test_each_result_of_a_sign_in_but_yes_has_a_verdict() -> None:
    assert set(judging._SIGNED) == set(SignedIn) - {SignedIn.ACCEPTED}


def test_the_page_tells_each_exit_code_and_each_verdict() -> None:
    text = PAGE.read_text()
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert codes == set(map(int, Exit))
    assert [name for name in KINDS if f"`{name}`" not in text] == []
