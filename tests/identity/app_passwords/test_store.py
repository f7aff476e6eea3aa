from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import apsw
import pytest

from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.app_passwords.lookup import AppPasswords
from sams.identity.app_passwords.store import MAX_PER_LOGIN, AppPasswordStore
from sams.identity.passwords.stored_password import OWN
from tests.identity.rig import HOME, PASSWORD, Rig, in_child, rig, typed


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        made.accounts.add("alice", PASSWORD, ["alice@example.org"])
        yield made


@pytest.fixture
def store(one: Rig) -> AppPasswordStore:
    return AppPasswordStore(one.accounts.file, one.clock)


def test_one_is_found_however_it_is_typed_and_by_nothing_else(one: Rig, store: AppPasswordStore) -> None:
    made, password = store.add(
        "staff", "Anna", "Anna's  phone", networks=["192.0.2.0/24"], senders=["A@Example.org"]
    )
    app_passwords = one.app_passwords()
    for text in (password, password.upper(), password.replace("-", ""), password.replace("-", " ")):
        assert app_passwords.find(text) == made
    assert app_passwords.find(password[:-1] + ("a" if password[-1] != "a" else "b")) is None
    assert app_passwords.find("") is None
    assert (made.source, made.login, made.name) == ("staff", "anna", "Anna's phone")
    assert (made.networks, made.senders) == ((ip_network("192.0.2.0/24"),), ("a@example.org",))
    assert app_passwords.get(made.id) == made


def test_what_is_kept_of_it_is_no_help_without_the_key_and_shows_nothing(
    one: Rig, store: AppPasswordStore, tmp_path: Path
) -> None:
    _, password = store.add("staff", "anna", "phone")
    bare = password.replace("-", "")
    plain_tags = [hashlib.blake2b(text.encode(), digest_size=32).digest() for text in (bare, password)]
    app_passwords = one.app_passwords()
    assert app_passwords.find(password) is not None
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert all(one not in kept for one in (password.encode(), bare.encode(), *plain_tags))
    assert "tag" not in repr(app_passwords._by_tag.values())


def test_a_row_whose_tag_is_not_that_of_the_password_lets_nobody_in(
    one: Rig, store: AppPasswordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, password = store.add("staff", "anna", "phone")
    app_passwords = one.app_passwords()
    assert app_passwords.find(password) is not None
    (known,) = app_passwords._by_tag.values()
    _, other = store.add("staff", "anna", "tablet")
    monkeypatch.setattr(app_passwords, "_read_tag", lambda _tag: known)
    assert app_passwords.find(other) is None


CHANGES: list[Callable[[AppPasswordStore], object]] = [
    lambda store: store.revoke("anna", "PHONE"),
    lambda store: store.revoke("anna", "phone", "staff"),
    lambda store: store.revoke_all("anna"),
    lambda store: store.revoke_all("anna", "staff"),
    lambda store: store.revoke_source("staff"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_one_that_is_revoked_ends_at_once_in_every_process(
    one: Rig, store: AppPasswordStore, change: Callable[[AppPasswordStore], object]
) -> None:
    made, password = store.add("staff", "anna", "Phone")
    _, other = store.add("students", "bob", "phone")
    app_passwords = one.app_passwords()
    assert app_passwords.find(password) == made
    assert app_passwords.get(made.id) == made
    assert app_passwords.keys_of("staff", "anna", "sha256")
    in_child(lambda: change(store))
    assert app_passwords.find(password) is None
    assert app_passwords.get(made.id) is None
    assert app_passwords.keys_of("staff", "anna", "sha256") == ()
    assert app_passwords.changed() == {"anna"}
    assert app_passwords.changed() == frozenset()
    assert app_passwords.find(other) is not None


def test_one_ends_when_its_time_is_over_without_anybody_changing_it(
    one: Rig, store: AppPasswordStore
) -> None:
    made, password = store.add("staff", "anna", "phone", expires=one.clock.now() + 60)
    app_passwords = one.app_passwords()
    assert app_passwords.get(made.id) == made
    one.clock.epoch += 60
    assert app_passwords.find(password) == made
    assert app_passwords.get(made.id) is None
    assert app_passwords.keys_of("staff", "anna", "sha256") == ()


def test_nobody_asks_the_database_while_nothing_changes(
    one: Rig, store: AppPasswordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, password = store.add("staff", "anna", "phone")
    app_passwords = one.app_passwords()

    def asked() -> tuple[object, ...]:
        return (
            app_passwords.find(password),
            app_passwords.get(made.id),
            app_passwords.keys_of("staff", "anna", "sha1"),
        )

    before = asked()
    monkeypatch.setattr(app_passwords._watch, "_connection", None)
    assert asked() == before


def test_logins_that_have_none_push_nobody_out_of_memory(one: Rig, store: AppPasswordStore) -> None:
    store.add("staff", "anna", "phone")
    app_passwords = AppPasswords(one.path, one.clock, max_cached=3)
    one.sources.append(app_passwords)
    for login in ("anna", *(f"stranger{number}" for number in range(9))):
        app_passwords.keys_of("staff", login, "sha256")
    assert list(app_passwords._by_login) == [("staff", "anna")]


def test_many_are_read_through_a_cache_of_few(one: Rig, store: AppPasswordStore) -> None:
    passwords = [store.add("staff", f"member{number}", "phone")[1] for number in range(8)]
    app_passwords = AppPasswords(one.path, one.clock, max_cached=3)
    one.sources.append(app_passwords)
    assert all(app_passwords.find(password) is not None for password in (*passwords, *passwords))
    assert len(app_passwords._by_tag) == 3


def test_a_file_that_cannot_be_read_is_an_outage(one: Rig, store: AppPasswordStore) -> None:
    _, password = store.add("staff", "anna", "phone")
    app_passwords = one.app_passwords()
    app_passwords.close()
    with pytest.raises(TemporaryFailure):
        app_passwords.find(password)


def test_an_own_password_and_all_app_passwords_of_a_login_have_one_salt(
    one: Rig, store: AppPasswordStore
) -> None:
    _, phone = store.add("builtin", "alice", "phone", is_builtin=True)
    app_passwords, source = one.app_passwords(), one.source()
    own = source.scram_keys(typed("Alice@example.org".lower()), "sha256")
    assert own is not None
    assert own.salt == app_passwords.salt_of("alice") == app_passwords.salt_of("alice/phone@example.org")
    assert own.iterations == app_passwords.iterations
    (key,) = app_passwords.keys_of("builtin", "alice", "sha256")
    for password, kept in ((PASSWORD, own.keys[0]), (phone, key)):
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), own.salt, own.iterations)
        client = hmac.digest(salted, b"Client Key", "sha256")
        assert kept.stored_key == hashlib.sha256(client).digest()
        assert kept.server_key == hmac.digest(salted, b"Server Key", "sha256")
    assert own.keys[0].id == OWN


def test_nobodys_salt_is_made_as_that_of_a_member_and_stays(one: Rig) -> None:
    app_passwords = one.app_passwords()
    nobody = app_passwords.salt_of("nobody")
    one.accounts.add("nobody", PASSWORD, ["nobody@example.org"])
    keys = one.source().scram_keys(typed("nobody"), "sha256")
    assert keys is not None
    assert keys.salt == nobody == app_passwords.salt_of("nobody@elsewhere.org")
    assert len(nobody) == 16
    assert nobody != app_passwords.salt_of("alice")


def test_a_source_that_takes_no_passwords_gives_no_keys_of_them(one: Rig) -> None:
    one.section = type(one.section)(submission="app-passwords-only")
    keys = one.source().scram_keys(typed("alice"), "sha256")
    assert keys is not None
    assert keys.keys == ()


@pytest.mark.parametrize("hash_name", ["sha256", "sha1"])
def test_keys_are_there_for_each_hash(one: Rig, store: AppPasswordStore, hash_name: str) -> None:
    store.add("staff", "anna", "phone")
    (key,) = one.app_passwords().keys_of("staff", "anna", hash_name)
    octets = hashlib.new(hash_name).digest_size
    assert (len(key.stored_key), len(key.server_key)) == (octets, octets)


def test_a_name_is_of_one_app_password_of_a_login_until_it_has_expired(
    one: Rig, store: AppPasswordStore
) -> None:
    store.add("staff", "anna", "Phone", expires=one.clock.now() + 60)
    with pytest.raises(OperatorError, match="already"):
        store.add("staff", "anna", "phone")
    store.add("students", "anna", "phone")
    one.clock.epoch += 60
    made, _ = store.add("staff", "anna", "phone")
    assert [found.id for found in store.list("anna") if found.source == "staff"] == [made.id]


@pytest.mark.parametrize(
    ("name", "words"), [("", "1 to 60"), ("x" * 61, "1 to 60"), ("a\x1bb", "1 to 60"), (" \t ", "1 to 60")]
)
def test_a_name_that_cannot_be_is_refused(store: AppPasswordStore, name: str, words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        store.add("staff", "anna", name)


def test_what_cannot_be_is_refused_with_words(one: Rig, store: AppPasswordStore) -> None:
    with pytest.raises(OperatorError, match="no account nobody"):
        store.add("builtin", "nobody", "phone", is_builtin=True)
    with pytest.raises(OperatorError, match="no network"):
        store.add("staff", "anna", "phone", networks=["home"])
    with pytest.raises(OperatorError, match="neither an address"):
        store.add("staff", "anna", "phone", senders=["me"])
    with pytest.raises(OperatorError, match="future"):
        store.add("staff", "anna", "phone", expires=one.clock.now())
    with pytest.raises(OperatorError, match="no app password 'phone'"):
        store.revoke("anna", "phone")
    assert store.list() == ()
    assert store.revoke_all("anna") == ()


def test_a_login_has_no_more_of_them_than_a_proof_may_be_tried_with(
    one: Rig, store: AppPasswordStore
) -> None:
    connection = apsw.Connection(str(one.path))
    connection.execute(
        """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO app_passwords
        SELECT 'id' || i, 'staff', 'anna', 'n' || i, 'n' || i, CAST('tag' || i AS BLOB), x'00', '[]', '[]', 0,
            NULL, i, 0 FROM n
        """,
        (MAX_PER_LOGIN,),
    )
    connection.close()
    with pytest.raises(OperatorError, match="as many as there may be"):
        store.add("staff", "anna", "phone")


def test_they_are_listed_in_pages(store: AppPasswordStore) -> None:
    for login in ("carl", "anna"):
        for name in ("phone", "tablet"):
            store.add("staff", login, name)
    first = store.list(limit=3)
    rest = store.list(after=(first[-1].login, first[-1].id), limit=3)
    assert [one.login for one in (*first, *rest)] == ["anna", "anna", "carl", "carl"]
    assert len({one.id for one in (*first, *rest)}) == 4
    assert {one.name for one in store.list("anna")} == {"phone", "tablet"}


def test_a_change_of_an_app_password_leaves_the_account_as_it_is(one: Rig, store: AppPasswordStore) -> None:
    source = one.source()
    before = source.look_up(typed("alice"))
    store.add("builtin", "alice", "phone", is_builtin=True)
    assert source.look_up(typed("alice")) == before
    right = asyncio.run(source.verify(typed("alice"), PASSWORD, HOME, is_known=False))
    assert right.account == before


def test_a_backup_carries_them_and_their_keys(one: Rig, store: AppPasswordStore, tmp_path: Path) -> None:
    made, password = store.add("staff", "anna", "phone")
    target = tmp_path / "copy" / "accounts.db"
    target.parent.mkdir()
    one.accounts.backup(target)
    restored = type(one.accounts)(target, one.clock, one.hashes)
    restored.prepare()
    app_passwords = AppPasswords(target, one.clock)
    assert app_passwords.find(password) == made
    assert app_passwords.salt_of("anna") == one.app_passwords().salt_of("anna")
    app_passwords.close()
