from __future__ import annotations

import asyncio
import os

from sams.activity.events import GuardReleased
from sams.control.messages import (
    MAX_PAGE,
    ROLE_FOR,
    Changed,
    GuardEntry,
    GuardList,
    GuardPage,
    GuardRelease,
    Role,
)
from sams.control.peers import Peer
from sams.identity.guard.interface import GuardSettings, SignInAttempt
from sams.identity.guard.locks import GuardLocks
from sams.identity.guard.memory import GuardMemory
from sams.identity.guard.shared_guard import SharedGuard
from sams.identity.logins import LoginForms
from sams.service.guard_view import LocalGuard, guard_handlers
from tests.identity.rig import CAFE, KEY, FakeClock

ROOT = Peer(os.getpid(), 0, frozenset())


class View:
    """The handlers over a guard that locks at the first wrong password."""

    def __init__(self) -> None:
        clock, memory = FakeClock(), GuardMemory(KEY)
        self.guard = SharedGuard(memory, clock, GuardSettings(pair_failures=1, address_failures=10_000))
        self.told: list[GuardReleased] = []
        local = LocalGuard(GuardLocks(memory, clock), LoginForms(("example.org",)))
        self.handlers = guard_handlers(local, self.told.append)

    def lock(self, login: str, address: str = CAFE) -> None:
        self.guard.failed(SignInAttempt(address, login, "wrong"), 1)

    def ask(self, request: GuardList | GuardRelease) -> object:
        async def answered() -> object:
            return await self.handlers[type(request)](request, ROOT)

        return asyncio.run(answered())

    def page(self, request: GuardList) -> GuardPage:
        answer = self.ask(request)
        assert isinstance(answer, GuardPage)
        return answer


def test_locks_come_in_pages_and_each_once() -> None:
    view = View()
    for number in range(7):
        view.lock(f"member{number}")
    found: list[GuardEntry] = []
    more = True
    while more:
        page = view.page(GuardList(found[-1].id if found else None, 3))
        assert len(page.locks) <= 3
        found += page.locks
        more = page.more
    assert sorted(lock.login for lock in found) == [f"member{number}" for number in range(7)]
    assert len(view.page(GuardList(limit=10 * MAX_PAGE)).locks) == 7


def test_a_release_is_told_with_who_did_it() -> None:
    view = View()
    view.lock("alice")
    assert view.ask(GuardRelease("alice")) == Changed(1)
    assert view.ask(GuardRelease(CAFE)) == Changed(0)
    assert view.ask(GuardRelease()) == Changed(0)
    assert view.told == [
        GuardReleased("alice", 1, ROOT.name),
        GuardReleased(CAFE, 0, ROOT.name),
        GuardReleased("everything", 0, ROOT.name),
    ]


def test_a_login_may_be_named_in_any_spelling_even_one_that_no_account_can_have() -> None:
    view = View()
    view.lock("alice")
    assert view.ask(GuardRelease("Alice@Example.ORG")) == Changed(1)
    view.lock("no\x07body")
    assert view.ask(GuardRelease("no\x07body")) == Changed(1)


def test_who_may_read_may_list_and_who_has_the_accounts_may_release() -> None:
    assert (ROLE_FOR[GuardList], ROLE_FOR[GuardRelease]) == (Role.READ, Role.ACCOUNTS)
