from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sams.core.clock import SystemClock
from sams.core.errors import OperatorError
from sams.identity.accounts.imports import MAX_IMPORTED, ImportedAccount, ImportResult
from sams.identity.accounts.store import AccountStore
from sams.identity.passwords.hashes import HashCost, Hashes

APR1 = "$apr1$abcdefgh$W0e/OLhEAJIyZwM7u6lED0"
OTHER = "$1$abcdefgh$NQEZhnK0LUFSk6OyfWhq//"


@pytest.fixture
def accounts(tmp_path: Path) -> AccountStore:
    return AccountStore(tmp_path / "accounts.db", SystemClock(), Hashes(HashCost(memory=8, passes=1)))


def one(login: str, secret: str = APR1, *addresses: str, per_hour: int | None = None) -> ImportedAccount:
    return ImportedAccount(
        login, secret, addresses or (f"{login}@example.org",), recipients_per_hour=per_hour
    )


def stored(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path / "accounts.db")) as connection:
        return dict(connection.execute("SELECT login, password FROM accounts").fetchall())


def results(accounts: AccountStore, *imported: ImportedAccount, update: bool = False) -> list[ImportResult]:
    return [each.result for each in accounts.add_many(imported, update=update)]


def test_hashes_are_stored_as_they_are_and_passwords_in_clear_as_argon2id(
    accounts: AccountStore, tmp_path: Path
) -> None:
    found = accounts.add_many([one("Ann"), one("ben", "{CRYPT}" + OTHER), one("cat", "{PLAIN}password")])
    assert [(each.login, each.result) for each in found] == [
        (name, ImportResult.ADDED) for name in ("ann", "ben", "cat")
    ]
    kept = stored(tmp_path)
    assert (kept["ann"], kept["ben"]) == (APR1, OTHER)
    assert kept["cat"].startswith("$argon2id$")
    assert b"{PLAIN}" not in (tmp_path / "accounts.db").read_bytes()


def test_one_that_is_refused_keeps_no_other_from_being_taken(accounts: AccountStore) -> None:
    found = accounts.add_many(
        [
            one("ann", "nonsense"),
            one("b c"),
            one("cat", APR1, "no address"),
            one("dan", APR1, per_hour=-1),
            one("eve"),
        ]
    )
    assert [each.result for each in found] == [ImportResult.REFUSED] * 4 + [ImportResult.ADDED]
    assert all(each.why for each in found[:4])
    assert [record.login for record in accounts.list()] == ["eve"]


def test_each_account_has_a_generation_of_its_own_and_what_stays_keeps_it(accounts: AccountStore) -> None:
    assert results(accounts, one("ann"), one("ben")) == [ImportResult.ADDED] * 2
    before = {record.login: record.generation for record in accounts.list()}
    assert len(set(before.values())) == 2
    assert results(accounts, one("ann", OTHER), one("ben")) == [ImportResult.THERE] * 2
    assert results(accounts, one("ann", OTHER), one("ben"), update=True) == [
        ImportResult.UPDATED,
        ImportResult.UNCHANGED,
    ]
    after = {record.login: record.generation for record in accounts.list()}
    assert after["ann"] > max(before.values())
    assert after["ben"] == before["ben"]


def test_an_update_leaves_addresses_limits_and_a_suspension(accounts: AccountStore, tmp_path: Path) -> None:
    results(accounts, one("ann", APR1, "ann@example.org", per_hour=7))
    accounts.suspend("ann", "left")
    results(accounts, one("ann", OTHER, "other@example.org"), update=True)
    record = accounts.get("ann")
    assert (record.addresses, record.recipients_per_hour, record.suspended) == (
        ("ann@example.org",),
        7,
        "left",
    )
    assert stored(tmp_path)["ann"] == OTHER


def test_a_dry_run_makes_no_file(accounts: AccountStore, tmp_path: Path) -> None:
    found = accounts.add_many([one("ann"), one("ben", "{PLAIN}word of before")], dry_run=True)
    assert [each.result for each in found] == [ImportResult.ADDED] * 2
    assert list(tmp_path.iterdir()) == []


def test_too_many_at_once_are_refused(accounts: AccountStore) -> None:
    with pytest.raises(OperatorError, match="At most"):
        accounts.add_many([one("ann")] * (MAX_IMPORTED + 1))


def test_nothing_of_a_secret_is_in_the_text_form_of_what_is_imported() -> None:
    assert "abcdefgh" not in repr(one("ann"))
