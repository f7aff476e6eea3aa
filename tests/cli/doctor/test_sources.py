from __future__ import annotations

from pathlib import Path

import pytest

from sams.cli.doctor.finding import Level
from sams.cli.doctor.sources import check
from sams.control.messages import AccountTested, SourceWord
from sams.core.errors import OperatorError
from tests.cli.desk import Desk


class Told:
    """Sources that say what a test wants."""

    def __init__(self, *words: SourceWord, broken: str = "") -> None:
        self.words = words
        self.broken = broken

    def test(self, login: str, password: str | None) -> AccountTested:
        assert password is None
        if self.broken:
            raise OperatorError(self.broken)
        return AccountTested(login, self.words)


@pytest.mark.parametrize(
    ("word", "level", "said"),
    [
        (SourceWord("staff", "no such login", seconds=0.012), Level.OK, "answers, in 12 ms"),
        (SourceWord("staff", "source unavailable", "refused"), Level.FAIL, "does not answer: refused"),
        (SourceWord("staff", "not asked", "no password"), Level.WARN, "was not tried: no password"),
        (SourceWord("staff", "found", login="sams-probe"), Level.WARN, "knows somebody"),
    ],
)
def test_each_source_is_asked_about_nobody(word: SourceWord, level: Level, said: str) -> None:
    (finding,) = check(Told(word))
    assert (finding.subject, finding.level) == ("source of accounts staff", level)
    assert said in finding.what
    assert bool(finding.advice) is (level is not Level.OK)


def test_sources_that_cannot_be_made_are_a_finding() -> None:
    (finding,) = check(Told(broken="the extra `postgresql` is not installed"))
    assert (finding.level, finding.what) == (Level.FAIL, "the extra `postgresql` is not installed")


def test_the_doctor_looks_at_sources_last(desk: Desk, tmp_path: Path) -> None:
    desk.add_account("alice", "alice@example.org")
    with desk.server.config.open("a") as file:
        file.write(
            '[[accounts.source]]\n[[accounts.source]]\ntype = "sql"\nname = "people"\n'
            f'database = "sqlite://{tmp_path}/none.db"\nquery = "SELECT 1 AS password WHERE %(user)s = 1"\n'
        )
    found = desk.json("doctor", code=1)["findings"]
    assert [one["subject"] for one in found[-2:]] == [
        "source of accounts builtin",
        "source of accounts people",
    ]
    assert [one["level"] for one in found[-2:]] == ["ok", "fail"]
    offline = desk.json("doctor", "--offline")["findings"]
    assert not any(one["subject"].startswith("source of accounts") for one in offline)
