"""A file of the version before, and what the version before does with one of today."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from sams.identity.account_sources import Finding
from sams.identity.accounts.records import Device
from sams.identity.accounts.store import AccountStore
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.passwords.hashes import Hashes
from tests.identity.rig import CHEAP, HOME, PASSWORD, FakeClock, Rig, rig, typed

BEFORE = """
CREATE TABLE accounts (
    login TEXT PRIMARY KEY, password TEXT NOT NULL, addresses TEXT NOT NULL, may_send_as TEXT NOT NULL,
    suspended TEXT, per_hour INTEGER, per_day INTEGER, generation INTEGER NOT NULL, created REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE changes (login TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX changes_by_generation ON changes (generation);
PRAGMA user_version = 1;
"""
ADD_BEFORE = """
INSERT INTO accounts
    (login, password, addresses, may_send_as, suspended, per_hour, per_day, generation, created)
VALUES (?, ?, '["alice@example.org"]', '[]', NULL, NULL, NULL, 7, 0.0)
"""
SET_BEFORE = "UPDATE accounts SET password = ?, generation = generation + 1 WHERE login = ?"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


def before(path: Path, statement: str, *values: str) -> None:
    """What a program of the version before does to the file."""
    connection = apsw.Connection(str(path))
    connection.execute(statement, values or None)
    connection.close()


def test_accounts_of_the_version_before_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    before(path, BEFORE)
    before(path, ADD_BEFORE, "alice", Hashes(CHEAP).make(PASSWORD))
    accounts = AccountStore(path, FakeClock(), Hashes(CHEAP))
    (record,) = accounts.list()
    assert (record.login, record.generation, record.device, record.has_scram_keys) == (
        "alice",
        7,
        None,
        False,
    )
    assert apsw.Connection(str(path)).pragma("user_version") == 2_001


def test_each_file_draws_keys_of_its_own_and_keeps_them(tmp_path: Path) -> None:
    keyrings = []
    for name in ("a.db", "b.db", "a.db"):
        accounts = AccountStore(tmp_path / name, FakeClock(), Hashes(CHEAP))
        accounts.prepare()
        keyrings.append(accounts.file.keyring())
    first, second, again = keyrings
    assert first == again
    assert len({first.salts, first.app_passwords, second.salts, second.app_passwords}) == 4
    assert first.salts.hex() not in repr(first)
    assert repr(first.salts) not in repr(first)


def test_keys_of_a_password_that_the_version_before_replaced_count_no_more(one: Rig) -> None:
    one.accounts.add("alice", PASSWORD, ["alice@example.org"])
    source = one.source()
    before(one.path, SET_BEFORE, one.hashes.make("another horse 8"), "alice")
    source.changed()
    keys = source.scram_keys(typed("alice"), "sha256")
    assert keys is not None
    assert keys.keys == ()
    assert not source.has_all_keys
    right = asyncio.run(source.verify(typed("alice"), "another horse 8", HOME, is_known=False))
    assert (right.finding, right.detail) == (Finding.RIGHT, "keys for SCRAM were made")
    assert source.has_all_keys


def test_a_device_lets_nobody_in_where_its_networks_are_not_known(one: Rig) -> None:
    one.accounts.add("printer", PASSWORD, ["printer@example.org"], device=Device("alice", ("192.0.2.0/24",)))
    one.accounts.passwd("printer", "another horse 8")
    source = one.source()
    right = asyncio.run(source.verify(typed("printer"), "another horse 8", HOME, is_known=False))
    assert right.finding is Finding.RIGHT
    connection = apsw.Connection(str(one.path))
    stored = connection.execute("SELECT password FROM accounts").get
    connection.close()
    with pytest.raises(ValueError, match="damaged"):
        one.hashes.compare(stored, "another horse 8")


def test_app_passwords_end_with_an_account_whatever_version_removes_it(one: Rig) -> None:
    one.accounts.add("alice", PASSWORD, ["alice@example.org"])
    store = AppPasswordStore(one.accounts.file, one.clock)
    _, ours = store.add("builtin", "alice", "phone", is_builtin=True)
    _, other = store.add("staff", "alice", "phone")
    app_passwords = one.app_passwords()
    assert app_passwords.find(ours) is not None
    before(one.path, "DELETE FROM accounts WHERE login = ?", "alice")
    app_passwords.changed()
    assert app_passwords.find(ours) is None
    assert app_passwords.find(other) is not None
