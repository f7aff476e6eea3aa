from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sams.activity.events import AccountChanged
from sams.control import wire
from sams.control.messages import (
    AppPasswordAdd,
    AppPasswordAdded,
    AppPasswordList,
    AppPasswordPage,
    AppPasswordRevoke,
    Changed,
)
from sams.control.peers import Peer
from sams.core.clock import SystemClock
from sams.core.errors import OperatorError
from sams.identity.accounts.store import AccountStore
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.app_passwords.uses import AppPasswordUses, read_uses
from sams.identity.passwords.hashes import HashCost, Hashes
from sams.service.app_password_view import FoundMember, LocalAppPasswords, app_password_handlers

LONG = f"{'y' * 60}.{'z' * 60}.example.org"
ROOT = Peer(1, 0, frozenset())
MEMBERS: dict[tuple[str, str], FoundMember] = {
    ("anna", ""): FoundMember("staff", "anna.smith", ("anna@example.org", "*@lab.example.org")),
    ("anna", "lab"): FoundMember("lab", "anna", (f"*@{LONG}",)),
    ("printer", ""): FoundMember("builtin", "printer", ("p@example.org",), is_builtin=True, is_device=True),
}


async def find(login: str, source: str) -> FoundMember:
    if (login, source) in MEMBERS:
        return MEMBERS[login, source]
    raise OperatorError("nobody here")


@pytest.fixture
def local(tmp_path: Path) -> LocalAppPasswords:
    cheap = Hashes(HashCost(memory=8, passes=1, scram_iterations=16))
    accounts = AccountStore(tmp_path / "accounts.db", SystemClock(), cheap)
    store = AppPasswordStore(accounts.file, SystemClock())
    return LocalAppPasswords(accounts, store, "builtin", tmp_path / "uses.db")


def _ask(local: LocalAppPasswords, told: list[AccountChanged], *requests: Any) -> list[Any]:
    table: Any = app_password_handlers(local, find, told.append)

    async def ask() -> list[Any]:
        return [await table[type(request)](request, ROOT) for request in requests]

    return asyncio.run(ask())


def test_a_member_of_any_source_gets_one_and_each_change_is_told_without_it(local: LocalAppPasswords) -> None:
    told: list[AccountChanged] = []
    (added,) = _ask(local, told, AppPasswordAdd("anna", "phone", senders=("x@lab.example.org",)))
    assert isinstance(added, AppPasswordAdded)
    assert (added.entry.source, added.entry.login) == ("staff", "anna.smith")
    (page,) = _ask(local, told, AppPasswordList("anna.smith"))
    assert page == AppPasswordPage((added.entry,), more=False)
    assert _ask(local, told, AppPasswordRevoke("anna.smith", "phone")) == [Changed(1)]
    assert [(event.login, event.what, event.by, event.detail) for event in told] == [
        ("anna.smith", "app password added", "root", "phone (staff)"),
        ("anna.smith", "app password revoked", "root", "phone (staff)"),
    ]
    assert added.password not in str(told)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (AppPasswordAdd("bob", "phone"), "nobody here"),
        (AppPasswordAdd("printer", "phone"), "is a device"),
        (AppPasswordAdd("anna", "phone", senders=("bob@example.org",)), "anna.smith may send from anna@"),
        (AppPasswordAdd("anna", "phone", expires=1.0), "future"),
        (AppPasswordAdd("anna", "phone", senders=("anna@example.org",) * 101), "At most 100"),
        (AppPasswordRevoke("anna", "phone"), "no app password"),
        (AppPasswordRevoke(None), "the source for all"),
        (AppPasswordRevoke(None, "phone", "staff"), "the source for all"),
    ],
)
def test_what_cannot_be_is_refused_and_not_told(local: LocalAppPasswords, wanted: Any, words: str) -> None:
    told: list[AccountChanged] = []
    with pytest.raises(OperatorError, match=words):
        _ask(local, told, wanted)
    assert told == []
    assert local.list(None, ("", ""), 10) == ()


def test_with_the_service_down_members_of_other_sources_are_not_known(local: LocalAppPasswords) -> None:
    for wanted in (AppPasswordAdd("anna", "phone", "staff"), AppPasswordAdd("anna", "phone")):
        with pytest.raises(OperatorError, match=r"only the running service|no account anna"):
            local.add(wanted)


def test_the_last_use_goes_with_the_app_password(local: LocalAppPasswords, tmp_path: Path) -> None:
    (added,) = _ask(local, [], AppPasswordAdd("anna", "phone"))
    uses = AppPasswordUses(tmp_path / "uses.db", SystemClock())
    uses.note(added.entry.id, "192.0.2.1", "Pigeon")
    uses.write(uses.take())
    (entry,) = local.list(None, ("", ""), 10)
    assert (entry.used_from, entry.used_by) == ("192.0.2.1", "Pigeon")
    _ask(local, [], AppPasswordRevoke(None, source="staff"))
    assert read_uses(tmp_path / "uses.db", [added.entry.id]) == {}


def test_pages_fit_into_a_line(local: LocalAppPasswords) -> None:
    senders = tuple(f"{number:03}{'x' * 60}@{LONG}" for number in range(100))
    for number in range(50):
        _ask(local, [], AppPasswordAdd("anna", f"phone {number}", "lab", senders=senders))
    names: list[str] = []
    after, more = ("", ""), True
    while more:
        (page,) = _ask(local, [], AppPasswordList(None, after, 500))
        assert len(wire.encode(page)) <= wire.MAX_LINE
        names += [entry.name for entry in page.entries]
        after, more = (page.entries[-1].login, page.entries[-1].id), page.more
    assert len(set(names)) == 50
