from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sams.activity.events import AccountChanged
from sams.control import wire
from sams.control.messages import (
    AccountAdd,
    AccountAddresses,
    AccountEntry,
    AccountLimits,
    AccountList,
    AccountPassword,
    AccountRemove,
    AccountResume,
    AccountShow,
    AccountShown,
    AccountSuspend,
    Done,
)
from sams.control.peers import Peer
from sams.core.clock import SystemClock
from sams.core.errors import OperatorError
from sams.identity.accounts.store import AccountStore
from sams.identity.passwords.hashes import HashCost, Hashes
from sams.service.account_view import LocalAccounts, account_handlers

ROOT = Peer(1, 0, frozenset())
PASSWORD = "a-long-enough-secret"


@pytest.fixture
def local(tmp_path: Path) -> LocalAccounts:
    cheap = Hashes(HashCost(memory=8, passes=1, scram_iterations=16))
    return LocalAccounts(
        AccountStore(tmp_path / "accounts.db", SystemClock(), cheap), ["example.org", "xn--bcher-kva.example"]
    )


def _ask(local: LocalAccounts, told: list[AccountChanged], *requests: Any) -> list[Any]:
    table: Any = account_handlers(local, told.append)

    async def ask() -> list[Any]:
        return [await table[type(request)](request, ROOT) for request in requests]

    return asyncio.run(ask())


def test_every_change_is_made_and_told_without_the_password(local: LocalAccounts) -> None:
    told: list[AccountChanged] = []
    changes = [
        AccountAdd("ann", PASSWORD, ("ann@example.org",), recipients_per_day=9),
        AccountPassword("ann", PASSWORD + "2"),
        AccountAddresses("ann", ("a@example.org",), ("office@example.org",)),
        AccountLimits("ann", 5, None),
        AccountSuspend("ann", "stolen"),
    ]
    assert _ask(local, told, *changes) == [Done()] * len(changes)
    (shown,) = _ask(local, told, AccountShow("ann"))
    assert isinstance(shown, AccountShown)
    account = shown.account
    assert account is not None
    assert (account.addresses, account.may_send_as) == (("a@example.org",), ("office@example.org",))
    assert (account.recipients_per_hour, account.recipients_per_day) == (5, None)
    assert account.suspended == "stolen"
    _ask(local, told, AccountResume("ann"), AccountRemove("ann"))
    assert _ask(local, told, AccountShow("ann")) == [AccountShown(None)]
    assert [event.what for event in told] == [
        "added",
        "password",
        "addresses",
        "limits",
        "suspended",
        "resumed",
        "removed",
    ]
    assert {event.by for event in told} == {"root"}
    assert PASSWORD not in str(told)


@pytest.mark.parametrize(
    "address", ["ann@elsewhere.example", "*@example.net", "ann", "ann@", "@example..org"]
)
def test_an_address_outside_the_domains_is_refused_and_not_told(local: LocalAccounts, address: str) -> None:
    told: list[AccountChanged] = []
    with pytest.raises(OperatorError, match="domain"):
        _ask(local, told, AccountAdd("ann", PASSWORD, (address,)))
    assert told == []
    assert local.list(None, 10) == ()


def test_a_domain_is_compared_in_every_spelling(local: LocalAccounts) -> None:
    local.add(AccountEntry("ann", ("ann@EXAMPLE.org", "*@bücher.example")), PASSWORD)
    assert local.show("ANN") is not None


def test_pages_of_accounts_fit_into_a_line(local: LocalAccounts) -> None:
    for number in range(30):
        patterns = tuple(f"{number}-{each}-{'x' * 20}@example.org" for each in range(1_000))
        local.add(AccountEntry(f"u{number:02}", patterns), PASSWORD)
    names: list[str] = []
    more = True
    while more:
        (page,) = _ask(local, [], AccountList(names[-1] if names else None, 500))
        assert len(wire.encode(page)) <= wire.MAX_LINE
        names += [account.login for account in page.accounts]
        more = page.more
    assert names == [f"u{number:02}" for number in range(30)]
