from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import apsw
import pytest

from sams.config.sources import BuiltinSource
from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.accounts.imports import ImportedAccount
from sams.identity.accounts.records import Device
from sams.identity.accounts.store import AccountStore
from sams.identity.passwords.foreign.libcrypt import LibCrypt
from sams.identity.passwords.hashes import HashCost
from tests.identity.rig import HOME, PASSWORD, CountingHashes, Rig, in_child, rig, typed


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        made.accounts.add("alice", PASSWORD, ["Alice@Example.org", "*@team.example"], ["info@example.org"])
        yield made


def test_an_account_is_found_with_its_patterns_as_keys(one: Rig) -> None:
    account = one.source().look_up(typed("alice"))
    assert account is not None
    identity = account.identity
    assert identity.addresses == ("alice@example.org", "*@team.example")
    assert identity.may_send_as == ("info@example.org",)
    assert str(identity.default_address) == "Alice@Example.org"


@pytest.mark.parametrize(
    ("login", "addresses", "default"),
    [
        ("bot", ["*@team.example", "bot@example.org"], "bot@example.org"),
        ("bot", ["*@team.example"], "bot@team.example"),
        ("bot@other.org", ["*@team.example"], "bot@team.example"),
        ("a..b", ["*@team.example"], "postmaster@team.example"),
    ],
)
def test_the_default_address_is_always_an_own_one(
    one: Rig, login: str, addresses: list[str], default: str
) -> None:
    one.accounts.add(login, PASSWORD, addresses)
    account = one.source().look_up(typed(login))
    assert account is not None
    assert str(account.identity.default_address) == default


def test_the_spelling_that_was_added_wins_over_the_one_without_domain(one: Rig) -> None:
    source = one.source()
    plain = source.look_up(typed("alice@example.org"))
    assert plain is not None
    assert plain.identity.login == "alice"
    one.accounts.add("alice@example.org", PASSWORD, ["other@example.org"])
    exact = source.look_up(typed("alice@example.org"))
    assert exact is not None
    assert exact.identity.login == "alice@example.org"
    assert source.look_up(typed("alice@elsewhere.org")) is None


CHANGES: list[Callable[[AccountStore], object]] = [
    lambda accounts: accounts.passwd("alice", "another horse 8"),
    lambda accounts: accounts.suspend("alice", "left"),
    lambda accounts: accounts.set_addresses("alice", ["b@example.org"]),
    lambda accounts: accounts.remove("alice"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_by_another_process_is_seen_by_the_next_look_up(
    one: Rig, change: Callable[[AccountStore], object]
) -> None:
    source = one.source()
    before = source.look_up(typed("alice"))
    in_child(lambda: change(one.accounts))
    assert source.look_up(typed("alice")) != before


@pytest.mark.parametrize("change", CHANGES)
def test_who_watches_hears_of_each_changed_login_once(
    one: Rig, change: Callable[[AccountStore], object]
) -> None:
    one.accounts.add("bob", PASSWORD, ["bob@example.org"])
    source = one.source()
    assert source.changed() == frozenset()
    in_child(lambda: change(one.accounts))
    source.look_up(typed("alice"))  # reading does not use the change up
    assert source.changed() == {"alice"}
    assert source.changed() == frozenset()


def test_nobody_asks_the_database_while_nothing_changes(one: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    source = one.source()
    assert source.look_up(typed("alice")) is not None
    monkeypatch.setattr(source._watch, "_connection", None)
    assert source.look_up(typed("alice")) is not None


def test_a_login_that_was_added_with_its_domain_is_found_without_it(one: Rig) -> None:
    """As password files of others have it: members type either."""
    source = one.source()
    one.accounts.add("bob@example.org", PASSWORD, ["bob@example.org"])
    one.accounts.add("carol@b.org", PASSWORD, ["carol@example.org"])
    found = source.look_up(typed("bob"))
    assert found is not None
    assert found.identity.login == "bob@example.org"
    assert source.look_up(typed("carol")) is None
    one.accounts.add("bob", PASSWORD, ["b@example.org"])
    exact = source.look_up(typed("bob"))
    assert exact is not None
    assert exact.identity.login == "bob"


def test_each_spelling_of_a_login_is_found_without_asking_again(
    one: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = one.source()
    read = [source.look_up(typed(spelling)) for spelling in ("alice@example.org", "alice")]
    monkeypatch.setattr(source._watch, "_connection", None)
    assert read == [source.look_up(typed(spelling)) for spelling in ("alice@example.org", "alice")]
    assert None not in read


def test_after_a_writer_that_died_each_change_is_still_seen_at_once(one: Rig) -> None:
    source = one.source()

    def die() -> None:
        with one.accounts.file.change():
            os._exit(0)

    in_child(die)
    for reason in ("first", "second"):
        assert source.look_up(typed("alice")) is not None
        connection = apsw.Connection(str(one.path))
        connection.execute("UPDATE accounts SET suspended = ?", (reason,))
        connection.close()
        account = source.look_up(typed("alice"))
        assert account is not None
        assert account.suspended == reason
    one.accounts.resume("alice")
    account = source.look_up(typed("alice"))
    assert account is not None
    assert account.suspended is None


def test_a_change_by_another_program_is_seen_when_the_worker_looks_for_changes(one: Rig) -> None:
    source = one.source()
    assert source.look_up(typed("alice")) is not None
    connection = apsw.Connection(str(one.path))
    connection.execute("UPDATE accounts SET suspended = 'by hand'")
    connection.close()
    source.changed()
    account = source.look_up(typed("alice"))
    assert account is not None
    assert account.suspended == "by hand"


def test_many_accounts_are_read_through_a_cache_of_few(one: Rig) -> None:
    for number in range(20):
        one.accounts.add(f"member{number}", PASSWORD, [f"m{number}@example.org"])
    source = one.source()
    source._max_cached = 5
    for number in [*range(20), *range(20)]:
        account = source.look_up(typed(f"member{number}"))
        assert account is not None
        assert account.identity.addresses == (f"m{number}@example.org",)
    assert len(source._cache) == 5
    assert source.look_up(typed("nobody")) is None


def test_a_password_is_right_wrong_or_of_nobody(one: Rig) -> None:
    source = one.source()
    findings = [
        asyncio.run(source.verify(typed(login), password, HOME, is_known=False)).finding
        for login, password in [("alice", PASSWORD), ("alice", "wrong"), ("nobody", PASSWORD)]
    ]
    assert findings == [Finding.RIGHT, Finding.WRONG, Finding.UNKNOWN]
    assert one.hashes.compared == [True, True, False]


def test_a_hash_of_another_cost_is_upgraded_at_sign_in_and_ends_no_session(one: Rig) -> None:
    one.hashes = CountingHashes(HashCost(memory=16, passes=2, scram_iterations=16))
    source = one.source()
    before = source.look_up(typed("alice"))
    first = asyncio.run(source.verify(typed("alice"), PASSWORD, HOME, is_known=False))
    second = asyncio.run(source.verify(typed("alice"), PASSWORD, HOME, is_known=False))
    assert (first.detail, second.detail) == ("the password hash was upgraded", "")
    assert second.account == before
    assert source.changed() == frozenset()


def test_an_upgrade_that_cannot_be_written_does_not_keep_the_member_out(
    one: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> bool:
        raise OperatorError("busy")

    one.hashes = CountingHashes(HashCost(memory=16, passes=2, scram_iterations=16))
    monkeypatch.setattr(AccountStore, "upgrade", busy)
    checked = asyncio.run(one.source().verify(typed("alice"), PASSWORD, HOME, is_known=False))
    assert checked.finding is Finding.RIGHT
    assert checked.detail == "the password hash was not upgraded: busy"


def test_a_damaged_hash_is_no_wrong_password(one: Rig) -> None:
    connection = apsw.Connection(str(one.path))
    connection.execute("UPDATE accounts SET password = '$argon2id$broken'")
    connection.close()
    checked = asyncio.run(one.source().verify(typed("alice"), PASSWORD, HOME, is_known=False))
    assert checked.finding is Finding.UNAVAILABLE
    assert PASSWORD not in checked.detail


def test_a_file_that_cannot_be_read_is_an_outage(one: Rig) -> None:
    source = one.source()
    source.close()
    with pytest.raises(TemporaryFailure):
        source.look_up(typed("alice"))
    with pytest.raises(TemporaryFailure):
        source.changed()
    assert (
        asyncio.run(source.verify(typed("alice"), PASSWORD, HOME, is_known=False)).finding
        is Finding.UNAVAILABLE
    )


def test_a_reader_cannot_write(one: Rig) -> None:
    with pytest.raises(apsw.ReadOnlyError):
        one.source()._watch._connection.execute("DELETE FROM accounts")


def test_what_is_cached_shows_no_hash(one: Rig) -> None:
    source = one.source()
    source.look_up(typed("alice"))
    assert "argon2" not in repr(source._cache)


def test_it_goes_by_its_section_of_the_configuration(one: Rig) -> None:
    one.section = BuiltinSource(
        name="staff", domains=("example.org",), logins=("a*",), submission="app-passwords-only"
    )
    source = one.source()
    account = source.look_up(typed("alice"))
    assert account is not None
    assert (source.name, account.identity.source, source.takes_passwords) == ("staff", "staff", False)
    served = [source.serves(typed(text)) for text in ("alice", "alice@example.org", "alice@b.org", "bob")]
    assert served == [True, True, False, False]
    source.use(BuiltinSource())
    account = source.look_up(typed("alice"))
    assert account is not None
    assert (source.name, account.identity.source, source.takes_passwords) == ("builtin", "builtin", True)
    assert source.serves(typed("bob@b.org"))


def test_a_device_is_known_with_its_limits_and_ends_by_itself(one: Rig) -> None:
    ends = one.clock.now() + 60
    device = Device("alice", ("192.0.2.0/24",), ("It@Example.org", "*@team.example"), ends)
    one.accounts.add("printer", PASSWORD, ["printer@example.org"], device=device)
    source = one.source()
    account = source.look_up(typed("printer"))
    assert account is not None
    assert (account.is_device, account.suspended) == (True, None)
    assert account.networks == (ip_network("192.0.2.0/24"),)
    assert account.identity.recipients == ("it@example.org", "*@team.example")
    one.clock.epoch += 60
    expired = source.look_up(typed("printer"))
    assert expired is not None
    assert expired.suspended == "expired on 2023-11-14"
    assert asyncio.run(source.find(typed("printer"))) == expired
    checked = asyncio.run(source.verify(typed("printer"), PASSWORD, HOME, is_known=False))
    assert checked.account == expired
    one.accounts.suspend("printer", "stolen")
    suspended = source.look_up(typed("printer"))
    assert suspended is not None
    assert suspended.suspended == "stolen"


def test_scram_may_be_offered_once_every_account_has_keys(one: Rig) -> None:
    source = one.source()
    assert source.has_all_keys
    imported = ImportedAccount("bob", one.hashes.make(PASSWORD), ("bob@example.org",))
    one.accounts.add_many([imported])
    before = source.look_up(typed("bob"))
    keys = source.scram_keys(typed("bob"), "sha256")
    assert (source.has_all_keys, keys is not None and keys.keys) == (False, ())
    checked = asyncio.run(source.verify(typed("bob"), PASSWORD, HOME, is_known=False))
    assert (checked.finding, checked.detail) == (Finding.RIGHT, "keys for SCRAM were made")
    keys = source.scram_keys(typed("bob"), "sha256")
    assert keys is not None
    assert len(keys.keys) == 1
    assert source.has_all_keys
    assert source.look_up(typed("bob")) == before
    assert source.scram_keys(typed("nobody"), "sha256") is None


def test_a_wrong_password_makes_no_keys(one: Rig) -> None:
    one.accounts.add_many([ImportedAccount("bob", one.hashes.make(PASSWORD), ("bob@example.org",))])
    source = one.source()
    assert asyncio.run(source.verify(typed("bob"), "wrong", HOME, is_known=False)).finding is Finding.WRONG
    assert not source.has_all_keys


def test_keys_are_not_made_of_a_password_of_which_only_the_beginning_was_looked_at(one: Rig) -> None:
    stored = LibCrypt().crypt(b"x" * 72, b"$2b$04$abcdefghijklmnopqrstuu")
    assert stored is not None
    one.accounts.add_many([ImportedAccount("bob", stored.decode(), ("bob@example.org",))])
    source = one.source()
    checked = asyncio.run(source.verify(typed("bob"), "x" * 80, HOME, is_known=False))
    assert checked.finding is Finding.RIGHT
    assert not source.has_all_keys
