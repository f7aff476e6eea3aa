from __future__ import annotations

from pathlib import Path

import pytest

from sams.config.loading import load
from sams.config.problems import ConfigError
from tests.config.samples import MINIMAL, loaded, problems

FILE = '[[senders.map]]\npath = "senders"\n'
SQL = '[[senders.map]]\ntype = "sql"\ndatabase = "sqlite:///srv/a.db"\nquery = "SELECT a FROM b WHERE c = %(user)s"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("fullchain.pem", "key.pem"):
        (tmp_path / name).write_text("secret\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "sams.toml").write_text(MINIMAL + FILE)
    return tmp_path


def told(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        load(folder / "sams.toml")
    return [problem.show("sams.toml") for problem in refusal.value.problems]


def test_several_maps_of_both_types_stand_in_one_configuration() -> None:
    maps = loaded(MINIMAL + FILE + 'as = "on-behalf"\n' + SQL).config.senders.maps
    assert [(one.id, one.counts_as) for one in maps] == [("file", "on-behalf"), ("sql", "own")]


@pytest.mark.parametrize(
    ("text", "key", "part"),
    [
        (FILE + FILE, "senders.map[2].name", 'map[1] is called "file" too'),
        (FILE + 'as = "his"\n', "senders.map[1].as", '"own" or "on-behalf"'),
        (SQL.replace("sqlite:", "mysql:"), "senders.map[1].database", "other databases are not asked"),
        (SQL.replace("%(user)s", "1"), "senders.map[1].query", "it has no parameter"),
        (SQL + 'password_file = "p"\n', "senders.map[1].password_file", "has no password"),
        ('[[senders.map]]\ntype = "ldap"\n', "senders.map[1].type", '"file" or "sql"'),
        (FILE + "cache = 1\n", "senders.map[1].cache", 'belongs under [[accounts.source]] of type "ldap"'),
    ],
)
def test_what_cannot_be_is_told_at_its_key(text: str, key: str, part: str) -> None:
    (problem,) = problems(MINIMAL + text)
    assert f" {key}: " in problem
    assert part in problem


def test_a_map_whose_lines_are_in_order_loads_and_warnings_name_its_lines(folder: Path) -> None:
    (folder / "senders").write_text("a@example.org alice\na@example.org bob\n")
    (warning,) = load(folder / "sams.toml").warnings
    assert warning.text.startswith(f"{folder}/senders:2: a@example.org stands on line 1")


def test_a_mistake_in_a_map_is_told_with_file_and_line(folder: Path) -> None:
    (folder / "senders").write_text("a@example.org alice\n\nb@ bob\n")
    (problem,) = told(folder)
    assert f"senders.map[1].path: {folder}/senders:3: b@ is no address" in problem


def test_of_many_mistakes_some_are_told_and_how_many_more_there_are(folder: Path) -> None:
    (folder / "senders").write_text("a\n" * 25)
    found = told(folder)
    assert len(found) == 11
    assert any("and 15 more like these" in one for one in found)


def test_a_map_that_is_not_there_is_told_once(folder: Path) -> None:
    (problem,) = told(folder)
    assert "senders cannot be read" in problem
    (folder / "senders").mkdir()
    (problem,) = told(folder)
    assert "cannot be read" in problem
