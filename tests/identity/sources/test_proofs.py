"""A realm as a source: a ticket is a proof of its own, and older than what the realm says now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from sams.identity.account_sources import Checked, Finding
from sams.identity.sources.directory_source import SourceSettings
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.proofs import PrincipalDirectorySource
from sams.protocol.sasl.interface import PrincipalClaim, SecurityContext
from tests.identity.rig import FakeClock
from tests.identity.sources.rig import ALICE, BROKEN, FORMS, ToldDirectory, login

TICKET = PrincipalClaim("", "alice@REALM")
_T = TypeVar("_T")


class Realm(ToldDirectory):
    async def find_principal(self, claim: PrincipalClaim) -> Answer:
        name, _, realm = claim.principal.partition("@")
        if realm != "REALM":
            return Answer(Finding.UNKNOWN, detail="another realm")
        return Answer(Finding.RIGHT, Member(name))

    def accept_context(self) -> SecurityContext:
        raise NotImplementedError


class Stage:
    def __init__(self, path: Path, served: Callable[[object], bool] = lambda _: True) -> None:
        self.realm, self.clock = Realm(), FakeClock()
        self.known = KnownMembers(path / "members.db")
        self.source = PrincipalDirectorySource(
            self.realm,
            SourceSettings("realm", cache=60.0, grace=600.0),
            serves=served,
            forms=FORMS,
            known=self.known,
            clock=self.clock,
            tell=lambda _: None,
            report=lambda _: None,
        )

    def shows(self, claim: PrincipalClaim = TICKET) -> Checked:
        return run(self.source.find_principal(claim))


def run(work: Awaitable[_T]) -> _T:
    async def all_of_it() -> _T:
        return await work

    return asyncio.run(all_of_it())


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.known.close()


def test_who_shows_a_ticket_is_looked_up(stage: Stage) -> None:
    checked = stage.shows()
    assert checked.finding is Finding.RIGHT
    assert checked.account is not None
    assert checked.account.identity.addresses == ("alice@example.ac.uk",)
    assert stage.realm.asked == ["find alice"]


def test_who_was_shut_out_since_the_ticket_was_made_is_suspended(stage: Stage) -> None:
    stage.realm.members["alice"] = ("", Member("alice", suspended="disabled"))
    account = stage.shows().account
    assert account is not None
    assert account.suspended == "disabled"
    known = stage.source.look_up(login("alice"))
    assert known is not None
    assert known.suspended == "disabled"


def test_who_is_gone_since_the_ticket_was_made_is_refused(stage: Stage) -> None:
    stage.realm.members.clear()
    assert stage.shows().finding is Finding.REFUSED


def test_a_ticket_is_enough_while_nobody_can_be_asked(stage: Stage) -> None:
    stage.realm.failure = BROKEN
    checked = stage.shows()
    assert checked.finding is Finding.RIGHT
    assert checked.account is not None
    assert checked.account.identity.login == "alice"
    findings = {stage.shows().finding for _ in range(5)}
    assert findings == {Finding.RIGHT}
    assert stage.source.outage.since is not None
    assert len(stage.realm.asked) < 5


def test_what_was_known_last_counts_while_nobody_can_be_asked(stage: Stage) -> None:
    stage.realm.members["alice"] = ("", Member("alice", suspended="disabled"))
    stage.shows()
    stage.clock.seconds += 120
    stage.realm.failure = BROKEN
    account = stage.shows().account
    assert account is not None
    assert account.suspended == "disabled"


def test_where_members_cannot_be_looked_up_the_ticket_is_enough(stage: Stage) -> None:
    stage.realm.can_find = False
    assert stage.shows().finding is Finding.RIGHT
    assert stage.realm.asked == []


def test_principals_of_others_are_not_looked_up(stage: Stage) -> None:
    assert stage.shows(PrincipalClaim("", "alice@ELSEWHERE")) == Checked(
        Finding.UNKNOWN, detail="another realm"
    )
    assert stage.realm.asked == []


def test_a_login_that_the_source_does_not_serve_is_refused(tmp_path: Path) -> None:
    stage = Stage(tmp_path, lambda _: False)
    assert stage.shows().finding is Finding.REFUSED
    assert ALICE.login in stage.shows().detail
    stage.known.close()
