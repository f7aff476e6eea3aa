from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import apsw
import pytest

from sams.core.errors import OperatorError
from sams.core.stored_version import StoredVersion
from sams.identity.accounts import file as file_module
from sams.identity.accounts.imports import ImportedAccount, ImportResult
from sams.identity.accounts.records import Device
from sams.identity.accounts.store import AccountStore
from sams.identity.passwords.hashes import Hashes
from tests.identity.rig import CHEAP, PASSWORD, FakeClock, ended_well, fork, in_child


@pytest.fixture
def accounts(tmp_path: Path) -> AccountStore:
    return AccountStore(tmp_path / "accounts.db", FakeClock(), Hashes(CHEAP))


def test_an_account_is_listed_as_it_was_added(accounts: AccountStore) -> None:
    added = accounts.add(
        "Alice",
        PASSWORD,
        ["Alice@Example.org", "*@team.example"],
        ["info@example.org"],
        recipients_per_hour=10,
        recipients_per_day=0,
    )
    assert accounts.list() == (added,)
    assert accounts.get("ALICE") == added
    assert (added.login, added.addresses) == ("alice", ("Alice@Example.org", "*@team.example"))
    assert (added.may_send_as, added.suspended) == (("info@example.org",), None)
    assert (added.recipients_per_hour, added.recipients_per_day) == (10, 0)


def test_a_list_is_read_in_pages(accounts: AccountStore) -> None:
    for login in ("dora", "alice", "carl", "bob"):
        accounts.add(login, PASSWORD, [f"{login}@example.org"])
    assert [record.login for record in accounts.list(limit=2)] == ["alice", "bob"]
    assert [record.login for record in accounts.list(after="bob", limit=9)] == ["carl", "dora"]


def test_without_a_file_there_is_no_account_and_reading_makes_none(
    accounts: AccountStore, tmp_path: Path
) -> None:
    assert accounts.list() == ()
    with pytest.raises(OperatorError, match="no account alice"):
        accounts.get("alice")
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_may_read_the_files_whatever_the_umask(accounts: AccountStore, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        accounts.add("alice", PASSWORD, ["alice@example.org"])
        held = apsw.Connection(str(tmp_path / "accounts.db"))
        held.execute("SELECT * FROM accounts").fetchall()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    held.close()
    assert set(modes.values()) == {0o600}
    assert "accounts.db-wal" in modes


def test_a_change_leaves_the_locks_of_those_who_watch_in_the_same_process(
    accounts: AccountStore, tmp_path: Path
) -> None:
    """Or another program that looks into the file (`sqlite3`) is the last to close it, and takes its journal away."""
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    path = tmp_path / "accounts.db"
    with closing(file_module.connect(path)) as watcher:
        watcher.execute("SELECT count(*) FROM accounts").fetchall()
        accounts.suspend("alice", "")
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        assert [line for line in locks if f":{path.stat().st_ino} " in line]


def test_a_damaged_file_is_told_with_what_to_do(accounts: AccountStore, tmp_path: Path) -> None:
    accounts.prepare()
    path = tmp_path / "accounts.db"
    path.write_bytes(bytes(100) + path.read_bytes()[100:])
    with pytest.raises(OperatorError, match=r"is damaged: .*accounts\.db of a backup"):
        accounts.prepare()


def test_the_file_survives_power_loss_by_its_settings(accounts: AccountStore, tmp_path: Path) -> None:
    accounts.prepare()
    writer = file_module.connect(tmp_path / "accounts.db", create=True)
    assert writer.pragma("journal_mode") == "wal"
    assert writer.pragma("synchronous") == 2
    writer.close()


def test_every_change_gives_a_higher_generation_even_to_a_login_that_comes_again(
    accounts: AccountStore,
) -> None:
    generations = [accounts.add("alice", PASSWORD, ["alice@example.org"]).generation]
    changes: tuple[Callable[[], None], ...] = (
        lambda: accounts.passwd("alice", "another horse 8"),
        lambda: accounts.suspend("alice", "left"),
        lambda: accounts.resume("alice"),
        lambda: accounts.set_addresses("alice", ["a@example.org"], ["b@example.org"]),
        lambda: accounts.set_limits("alice", 1, 2),
    )
    for change in changes:
        change()
        generations.append(accounts.get("alice").generation)
    accounts.remove("alice")
    generations.append(accounts.add("alice", PASSWORD, ["alice@example.org"]).generation)
    assert generations == sorted(set(generations))


def test_a_clock_that_goes_back_gives_no_generation_twice(tmp_path: Path) -> None:
    clock = FakeClock()
    accounts = AccountStore(tmp_path / "accounts.db", clock, Hashes(CHEAP))
    first = accounts.add("alice", PASSWORD, ["alice@example.org"]).generation
    clock.epoch -= 1_000_000
    assert accounts.add("bob", PASSWORD, ["bob@example.org"]).generation > first


def test_a_hash_upgrade_keeps_the_generation_and_loses_against_a_change(accounts: AccountStore) -> None:
    generation = accounts.add("alice", PASSWORD, ["alice@example.org"]).generation
    assert accounts.upgrade("alice", generation, "$new", PASSWORD)
    assert accounts.get("alice").generation == generation
    accounts.passwd("alice", "another horse 8")
    assert not accounts.upgrade("alice", generation, "$late", PASSWORD)


@pytest.mark.parametrize(
    "operation", ["passwd", "suspend", "resume", "remove", "set_addresses", "set_limits"]
)
def test_no_change_is_made_to_an_account_that_is_not_there(accounts: AccountStore, operation: str) -> None:
    arguments = {
        "passwd": ("nobody", PASSWORD),
        "suspend": ("nobody", "left"),
        "set_addresses": ("nobody", ["a@example.org"]),
        "set_limits": ("nobody", 1, 1),
    }.get(operation, ("nobody",))
    with pytest.raises(OperatorError, match="no account nobody"):
        getattr(accounts, operation)(*arguments)


@pytest.mark.parametrize(
    ("login", "addresses", "words"),
    [
        ("alice", ["a@example.org"], "already"),
        ("ALICE", ["a@example.org"], "already"),
        ("b b", ["a@example.org"], "no login"),
        ("", ["a@example.org"], "no login"),
        ("bob", [], "1 to 1000"),
        ("bob", ["nonsense"], "neither an address nor"),
        ("bob", ["*@"], "neither an address nor"),
        ("bob", ["a@example.org"] * 1001, "1 to 1000"),
    ],
)
def test_an_account_that_cannot_be_is_refused_with_words(
    accounts: AccountStore, login: str, addresses: list[str], words: str
) -> None:
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    with pytest.raises(OperatorError, match=words):
        accounts.add(login, PASSWORD, addresses)
    assert len(accounts.list()) == 1


@pytest.mark.parametrize("limit", [-1, 2**31])
def test_a_limit_that_cannot_be_is_refused(accounts: AccountStore, limit: int) -> None:
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    with pytest.raises(OperatorError, match="limit"):
        accounts.set_limits("alice", limit, None)


def test_a_reason_is_one_line_of_bounded_length(accounts: AccountStore) -> None:
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    accounts.suspend("alice", "left\r\nthe   house")
    assert accounts.get("alice").suspended == "left the house"
    with pytest.raises(OperatorError, match="200"):
        accounts.suspend("alice", "x" * 201)


def test_a_weak_password_changes_nothing(accounts: AccountStore) -> None:
    generation = accounts.add("alice", PASSWORD, ["alice@example.org"]).generation
    with pytest.raises(OperatorError, match="too short"):
        accounts.passwd("alice", "short")
    assert accounts.get("alice").generation == generation


def test_passwords_stand_nowhere_in_the_file_and_in_no_record(accounts: AccountStore, tmp_path: Path) -> None:
    record = accounts.add("alice", PASSWORD, ["alice@example.org"])
    assert PASSWORD not in repr(record)
    assert all(PASSWORD.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_changes_by_many_processes_at_once_are_all_there_and_have_their_own_generations(
    tmp_path: Path,
) -> None:
    accounts = AccountStore(tmp_path / "accounts.db", FakeClock(), Hashes(CHEAP))

    def add_five(child: int) -> None:
        for number in range(5):
            accounts.add(f"member{child}{number}", PASSWORD, ["a@example.org"])

    assert ended_well(*[fork(partial(add_five, child)) for child in range(4)])
    assert len({record.generation for record in accounts.list()}) == 20


def test_a_writer_that_dies_holds_up_nobody(accounts: AccountStore) -> None:
    def die_inside() -> None:
        accounts.file.change().__enter__()

    in_child(die_inside)
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    assert len(accounts.list()) == 1


def test_a_writer_that_does_not_finish_is_told_of(
    accounts: AccountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_module, "BUSY_SECONDS", 0.0)
    with accounts.file.change(), pytest.raises(OperatorError, match="does not finish"):
        accounts.add("alice", PASSWORD, ["alice@example.org"])


def made_newer(path: Path, version: StoredVersion) -> None:
    """Add to the tables as a later version may."""
    connection = apsw.Connection(str(path))
    connection.execute("ALTER TABLE accounts ADD COLUMN phone TEXT")
    connection.execute("ALTER TABLE changes ADD COLUMN at REAL")
    connection.execute("CREATE TABLE keys(login TEXT PRIMARY KEY) STRICT")
    connection.pragma("user_version", version.user_version)
    connection.close()


def test_accounts_to_which_the_next_version_added_are_worked_with(
    accounts: AccountStore, tmp_path: Path
) -> None:
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    made_newer(tmp_path / "accounts.db", StoredVersion(3, readable_from=1))
    added = accounts.add("bob", PASSWORD, ["bob@example.org"])
    accounts.passwd("alice", "another " + PASSWORD)
    accounts.suspend("alice", "for a while")
    assert accounts.list() == (accounts.get("alice"), added)
    accounts.remove("alice")
    assert accounts.list() == (added,)
    assert apsw.Connection(str(tmp_path / "accounts.db")).pragma("user_version") == 3_001


@pytest.mark.parametrize("version", [StoredVersion(3, 3), StoredVersion(99, 99), StoredVersion(4, 3)])
def test_accounts_that_this_version_would_misread_are_left_alone(
    version: StoredVersion, accounts: AccountStore, tmp_path: Path
) -> None:
    accounts.prepare()
    made_newer(tmp_path / "accounts.db", version)
    before = (tmp_path / "accounts.db").read_bytes()
    with pytest.raises(OperatorError, match=f"a newer SAMS .it has version {version.number}, .* run that"):
        accounts.add("alice", PASSWORD, ["alice@example.org"])
    with pytest.raises(OperatorError, match="a newer SAMS"):
        accounts.list()
    assert (tmp_path / "accounts.db").read_bytes() == before


def test_a_backup_is_a_whole_file_of_its_own_that_only_the_owner_may_read(
    accounts: AccountStore, tmp_path: Path
) -> None:
    record = accounts.add("alice", PASSWORD, ["alice@example.org"])
    target = tmp_path / "backup" / "accounts.db"
    target.parent.mkdir()
    held = apsw.Connection(str(tmp_path / "accounts.db"))  # as a worker that reads
    held.execute("SELECT * FROM accounts").fetchall()
    accounts.backup(target)
    held.close()
    assert [path.name for path in target.parent.iterdir()] == ["accounts.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    restored = AccountStore(target, FakeClock(), Hashes(CHEAP))
    assert restored.list() == (record,)
    assert restored.add("bob", PASSWORD, ["bob@example.org"]).generation > record.generation


def test_a_backup_overwrites_nothing(accounts: AccountStore, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with pytest.raises(OperatorError, match="no accounts"):
        accounts.backup(target)
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    target.write_text("something else")
    with pytest.raises(OperatorError, match="there already"):
        accounts.backup(target)
    assert target.read_text() == "something else"


def test_on_a_full_disk_a_change_is_refused_in_words_and_leaves_nothing(
    accounts: AccountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    plain = file_module.connect

    def full(path: Path, *, create: bool = False) -> apsw.Connection:
        connection = plain(path, create=create)
        connection.execute("PRAGMA max_page_count = 1")  # what is there already stays allowed
        return connection

    monkeypatch.setattr(file_module, "connect", full)
    with pytest.raises(OperatorError, match=r"nothing was changed: .*disk is full\. "):
        accounts.set_addresses("alice", [f"{'a' * 60}{number}@example.org" for number in range(500)], [])
    monkeypatch.undo()
    assert accounts.get("alice").addresses == ("alice@example.org",)
    accounts.suspend("alice", "stolen")


def test_a_device_is_an_account_with_an_owner_and_limits_of_its_own(accounts: AccountStore) -> None:
    device = Device("Alice", ("192.0.2.0/24", "2001:db8::1"), ("*@example.org",), FakeClock().now() + 60)
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    added = accounts.add("printer", PASSWORD, ["printer@example.org"], device=device)
    assert added.device == Device(
        "alice", ("192.0.2.0/24", "2001:db8::1/128"), ("*@example.org",), device.expires
    )
    assert [record.login for record in accounts.list(devices_only=True)] == ["printer"]
    accounts.set_device("printer", Device("bob"))
    accounts.passwd("printer", "another horse 8")
    assert accounts.get("printer").device == Device("bob")
    with pytest.raises(OperatorError, match="alice is no device"):
        accounts.set_device("alice", Device("bob"))


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (Device("b b"), "no login"),
        (Device("alice", ("192.0.2.1/24",)), "no network .*host bits"),
        (Device("alice", ("home",)), "no network"),
        (Device("alice", ("192.0.2.1",) * 101), "100 networks"),
        (Device("alice", recipients=("all",)), "neither an address nor"),
        (Device("alice", expires=FakeClock().now()), "future"),
        (Device("alice", expires=1e12), "9999"),
    ],
)
def test_a_device_that_cannot_be_is_refused_with_words(
    accounts: AccountStore, device: Device, words: str
) -> None:
    with pytest.raises(OperatorError, match=words):
        accounts.add("printer", PASSWORD, ["printer@example.org"], device=device)
    accounts.add("printer", PASSWORD, ["printer@example.org"], device=Device("alice"))
    with pytest.raises(OperatorError, match=words):
        accounts.set_device("printer", device)


def test_an_import_leaves_a_device_of_the_same_login_alone(accounts: AccountStore) -> None:
    accounts.add("printer", PASSWORD, ["printer@example.org"], device=Device("alice"))
    imported = ImportedAccount("printer", "{PLAIN}correct horse 9", ("printer@example.org",))
    (result,) = accounts.add_many([imported], update=True)
    assert (result.result, result.why) == (
        ImportResult.REFUSED,
        "a device has this login: see `sams device list`",
    )


def test_what_is_set_or_imported_in_clear_has_scram_keys_and_an_imported_hash_has_none(
    accounts: AccountStore,
) -> None:
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    hashed = Hashes(CHEAP).make(PASSWORD)
    accounts.add_many(
        [
            ImportedAccount("bob", "{PLAIN}" + PASSWORD, ("bob@example.org",)),
            ImportedAccount("carl", hashed, ("carl@example.org",)),
        ]
    )
    assert {record.login: record.has_scram_keys for record in accounts.list()} == {
        "alice": True,
        "bob": True,
        "carl": False,
    }
    assert accounts.upgrade("carl", accounts.get("carl").generation, hashed, PASSWORD)
    assert accounts.get("carl").has_scram_keys
    accounts.add_many([ImportedAccount("alice", hashed, ("alice@example.org",))], update=True)
    assert not accounts.get("alice").has_scram_keys
