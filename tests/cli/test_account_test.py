from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sams.cli.failures import Exit
from sams.control.messages import (
    AccountAdd,
    AccountShow,
    AccountShown,
    AccountTest,
    AccountTested,
    Done,
    SourceWord,
)
from sams.identity.walk import FOUND, NOT_ASKED, UNTELLING
from tests.cli.desk import PASSWORD, Desk
from tests.control.fakes import Answers, listening, supervisor

QUERY = "SELECT secret AS password, mail AS addresses FROM people WHERE uid = %(user)s"
SHARED = "SELECT 'events@example.org' AS address FROM people WHERE uid = %(login)s"


@pytest.fixture
def asked(desk: Desk) -> Desk:
    """Built-in accounts with Alice, and a table with Bob; the service is down."""
    desk.add_account("alice", "alice@example.org")
    table = desk.server.folder / "people.db"
    with sqlite3.connect(table) as database:
        database.execute("CREATE TABLE people (uid TEXT, secret TEXT, mail TEXT)")
        database.execute(
            "INSERT INTO people VALUES ('bob', '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'b@example.org')"
        )
    database.close()
    with desk.server.config.open("a") as file:
        file.write(
            '[[accounts.source]]\ntype = "builtin"\n[[accounts.source]]\ntype = "sql"\nname = "people"\n'
            f'database = "sqlite://{table}"\nquery = "{QUERY}"\n'
        )
    return desk


def test_each_source_is_told_of_in_its_order_and_what_follows(asked: Desk) -> None:
    told = asked.json("account", "test", "Bob@example.org", "--password-stdin", text="password\n")
    assert told["login"] == "bob"
    assert told["works"] is True
    builtin, people = told["words"]
    assert (builtin["source"], builtin["finding"]) == ("builtin", "no such login")
    assert (people["finding"], people["login"], people["addresses"]) == ("right", "bob", ["b@example.org"])
    shown = asked.sams("account", "test", "alice").stdout
    assert "found" in shown
    assert "builtin knows alice. With --password" in shown


def test_a_sign_in_that_would_fail_has_an_exit_code_and_words_for_it(asked: Desk) -> None:
    wrong = asked.sams(
        "account", "test", "alice", "--password-stdin", text="guess\n", code=Exit.FAILED
    ).stdout
    assert "The password is wrong for alice" in wrong
    nobody = asked.sams("account", "test", "carol", code=Exit.FAILED).stdout
    assert "No source lets carol in" in nobody
    asked.sams("account", "suspend", "alice", "--reason", "left")
    suspended = asked.sams(
        "account", "test", "alice", "--password-stdin", text=f"{PASSWORD}\n", code=Exit.FAILED
    )
    assert "but builtin says that alice may not sign in: left" in suspended.stdout
    assert PASSWORD not in suspended.output


def test_a_source_that_is_down_is_told_with_what_it_said(asked: Desk) -> None:
    (asked.server.folder / "people.db").unlink()
    told = asked.sams("account", "test", "carol", code=Exit.FAILED).stdout
    assert "source unavailable" in told
    assert "people cannot tell" in told


def test_who_adds_accounts_that_no_source_asks_about_is_told(asked: Desk) -> None:
    text = asked.server.config.read_text()
    asked.server.config.write_text(text.replace('[[accounts.source]]\ntype = "builtin"\n', ""))
    for arguments in (
        ("account", "add", "dora", "--address", "dora@example.org", "--password-stdin"),
        ("device", "add", "printer", "--owner", "bob", "--address", "p@example.org", "--password-stdin"),
    ):
        added = asked.sams(*arguments, text=f"{PASSWORD}\n")
        assert "may now sign in" not in added.stdout
        assert "built-in accounts let nobody in here" in added.stderr
    told = asked.sams("account", "test", "dora", code=Exit.FAILED).stdout
    assert "There is a built-in account of this name; but built-in accounts let nobody in here" in told
    assert "built-in" not in asked.sams("account", "test", "carol", code=Exit.FAILED).stdout


@pytest.mark.parametrize(("source", "warned"), [("builtin", False), ("ldap", True)])
def test_who_adds_an_account_whose_login_another_source_takes_is_told(
    desk: Desk, source: str, *, warned: bool
) -> None:
    word = SourceWord(source, FOUND, login="anna")
    answers: Answers = {
        **supervisor(1),
        AccountShow: lambda _: AccountShown(None),
        AccountAdd: lambda _: Done(),
        AccountTest: lambda _: AccountTested("anna", (word,)),
    }
    desk.data_dir.mkdir(mode=0o700)
    add = ("account", "add", "anna", "--address", "anna@example.org", "--password-stdin")
    with listening(desk.data_dir, answers, answers):
        added = desk.sams(*add, text=f"{PASSWORD}\n")
    assert ("this account lets nobody in" in added.stderr) == warned
    assert ("may now sign in" in added.stdout) != warned


def test_where_only_a_password_tells_it_is_asked_for(desk: Desk) -> None:
    word = SourceWord("radius", NOT_ASKED, UNTELLING)
    answers: Answers = {**supervisor(1), AccountTest: lambda _: AccountTested("anna", (word,))}
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, answers, answers):
        told = desk.sams("account", "test", "anna", code=Exit.FAILED).stdout
    assert "radius can tell by the password alone: try it with --password" in told


def test_what_can_be_no_login_is_said_so(asked: Desk) -> None:
    assert "no login" in asked.sams("account", "test", "a b", code=Exit.USAGE).stderr


def test_a_missing_password_is_asked_for_only_at_a_terminal(desk: Desk, tmp_path: Path) -> None:
    desk.add_account("alice", "alice@example.org")
    refused = desk.sams("account", "test", "alice", "--password", code=Exit.USAGE)
    assert "--password-stdin" in refused.stderr


def test_what_maps_of_senders_add_is_told_apart_from_what_the_source_says(asked: Desk) -> None:
    folder = asked.server.folder
    (folder / "senders").write_text("office@example.org alice, bob@example.org\n")
    database, query = f"sqlite://{folder}/people.db", SHARED
    with asked.server.config.open("a") as file:
        file.write('[[senders.map]]\npath = "senders"\nas = "on-behalf"\n')
        file.write(f'[[senders.map]]\ntype = "sql"\ndatabase = "{database}"\nquery = "{query}"\n')
    (word,) = (one for one in asked.json("account", "test", "bob")["words"] if one["finding"] == "found")
    assert (word["addresses"], word["mapped"], word["mapped_for"]) == (
        ["b@example.org"], ["events@example.org"], ["office@example.org"],
    )  # fmt: skip
    (folder / "people.db").unlink()
    shown = asked.sams("account", "test", "alice").stdout
    for part in ("sends as alice@example.org", "maps of senders for office@example.org", "map sql:"):
        assert part in " ".join(shown.split())
