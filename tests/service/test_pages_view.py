"""What the web process is answered about sign-ins, by the authenticator of a worker with accounts of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from sams.activity.events import Closed, Connected, SignedIn, SignInRefused
from sams.activity.rows import Record
from sams.control.messages import (
    Done,
    PagesSignedIn,
    PagesSignIn,
    PagesSignOut,
    Stories,
    StoriesOfAddress,
    StoriesOfMember,
)
from sams.control.peers import Peer
from sams.core.errors import OperatorError
from sams.core.ids import MAX_SHARD, IdMaker
from sams.core.reply import reply
from sams.identity import replies
from sams.identity.accounts.records import Device
from sams.identity.guard.interface import GuardSettings
from sams.identity.interface import EVERYBODY, Audience, Authenticator, Decision, Identity, SignInVerdict
from sams.protocol.sasl.interface import Claim, PasswordClaim, ScramKeys
from sams.service import pages_view
from sams.service.pages_view import AT_ONCE, FAILURES, FAILURES_BACK, LONGEST, PagesView, visitor_address
from sams.service.story_view import StoryReader
from tests.activity.rig import Rig as ActivityRig
from tests.identity.rig import CAFE, HOME, PASSWORD, Rig, rig
from tests.service.test_story_view import FakeReader
from tests.service.test_tickets import member
from tests.spool.rig import on_loop

PEER = Peer(1, 65_534, frozenset())


class Stage:
    """A view, and what it told the journal."""

    def __init__(self, authenticator: Authenticator, folder: Path) -> None:
        self.activity = ActivityRig()
        clock = self.activity.clock
        self.view = PagesView(
            authenticator=lambda: authenticator,
            activity=self.activity.recorder,
            stories=StoryReader(folder, clock, FakeReader),
            session_ids=IdMaker(clock, MAX_SHARD),
            clock=clock,
            port=8025,
            implicit=False,
        )

    async def sign_in(
        self, login: str = "alice", password: str = PASSWORD, address: str = HOME
    ) -> PagesSignedIn:
        return await self.view.sign_in(PagesSignIn(login, password, address=address), PEER)

    async def stories(self, ticket: str) -> Stories:
        told = await self.view.of_member(StoriesOfMember(ticket, 0.0), PEER)
        assert isinstance(told, Stories)
        return told

    def record(self) -> Record:
        (record,) = self.activity.journal.records()
        return record


class Scripted:
    """An authenticator that says what a test wants, when it wants."""

    def __init__(self, *decisions: Decision) -> None:
        self.decisions = list(decisions)
        self.asked: list[tuple[Claim, str, Audience]] = []

    def verify(self, claim: Claim, address: str, audience: Audience = EVERYBODY) -> Decision:
        self.asked.append((claim, address, audience))
        return self.decisions.pop(0)

    def scram_keys(self, login: str, hash_name: str, audience: Audience = EVERYBODY) -> ScramKeys:
        raise NotImplementedError

    def still_valid(self, identity: Identity) -> bool:
        del identity
        return True

    def changed_logins(self) -> frozenset[str]:
        return frozenset()


def with_alice(made: Rig) -> Rig:
    made.accounts.add("alice", PASSWORD, ["alice@example.org"])
    return made


@on_loop
async def test_a_member_gets_a_ticket_and_the_journal_tells_of_a_sign_in_at_the_pages(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        stage = Stage(with_alice(made).authenticator(), tmp_path)
        told = await stage.sign_in("Alice@example.org")
        assert (told.login, told.why, told.until) == ("alice", "", stage.activity.clock.now() + 3_600)
        assert (await stage.stories(told.ticket)).known
        record = stage.record()
    connected, signed_in, closed = (event for _, event in record.steps)
    assert connected == Connected(HOME, 8025)
    assert isinstance(signed_in, SignedIn)
    assert (signed_in.login, signed_in.mechanism) == ("alice", "page")
    assert isinstance(closed, Closed)
    assert record.client == HOME
    assert told.ticket not in repr(record) + str(stage.activity.lines.told())
    assert PASSWORD not in repr(record) + str(stage.activity.lines.told())


@on_loop
async def test_a_wrong_password_and_an_unknown_login_are_told_alike_and_counted_by_the_guard(
    tmp_path: Path,
) -> None:
    with rig(tmp_path, guard_settings=GuardSettings(pair_failures=4)) as made:
        stage = Stage(with_alice(made).authenticator(), tmp_path)
        wrong = await stage.sign_in(password="not the password")
        unknown = await stage.sign_in("nobody-here")
        assert (wrong.ticket, wrong.why) == (unknown.ticket, unknown.why) == ("", "password")
        assert (
            wrong.text.partition(" (ref")[0] == unknown.text.partition(" (ref")[0] == replies.WRONG.lines[0]
        )
        for number in range(3):
            await stage.sign_in(password=f"guess {number}")
        assert (await stage.sign_in()).why == "locked", (
            "the right password helps nobody from that address now"
        )
        refused = stage.activity.journal.records()[0].steps[1][1]
    assert isinstance(refused, SignInRefused)
    assert (refused.login, refused.mechanism, refused.why) == ("alice", "page", "password")
    assert refused.reference
    assert refused.reference in wrong.text


@on_loop
async def test_a_suspended_member_is_told_so_after_the_right_password_only(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        with_alice(made).accounts.suspend("alice", "left us")
        stage = Stage(made.authenticator(), tmp_path)
        assert (await stage.sign_in(password="not the password", address=CAFE)).why == "password"
        told = await stage.sign_in()
    assert (told.ticket, told.why) == ("", "suspended")
    assert "left us" in told.text


@on_loop
async def test_a_device_signs_in_to_no_page(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.accounts.add("printer", PASSWORD, ["printer@example.org"], device=Device("alice"))
        stage = Stage(made.authenticator(), tmp_path)
        told = await stage.sign_in("printer")
    assert (told.ticket, told.why) == ("", "password")
    assert told.text.startswith(replies.PEOPLE_ONLY.lines[0])


@on_loop
async def test_a_ticket_ends_when_the_password_changes(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        stage = Stage(with_alice(made).authenticator(), tmp_path)
        told = await stage.sign_in()
        made.accounts.passwd("alice", "another long password")
        assert not (await stage.stories(told.ticket)).known


@on_loop
async def test_who_signs_out_has_no_ticket(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        stage = Stage(with_alice(made).authenticator(), tmp_path)
        told = await stage.sign_in()
        assert await stage.view.sign_out(PagesSignOut(told.ticket), PEER) == Done()
        assert await stage.view.sign_out(PagesSignOut(told.ticket), PEER) == Done()
        assert not (await stage.stories(told.ticket)).known


@on_loop
async def test_what_can_be_no_password_asks_nobody_and_fills_no_journal(tmp_path: Path) -> None:
    authenticator = Scripted()
    stage = Stage(authenticator, tmp_path)
    for login, password in (("", "x"), ("x", ""), ("x" * (LONGEST + 1), "x"), ("x", "x" * (LONGEST + 1))):
        assert (await stage.sign_in(login, password)).why == "password"
    assert authenticator.asked == []
    assert stage.activity.journal.records() == []


@on_loop
async def test_the_address_is_the_visitors_and_an_answer_is_as_late_as_a_mail_program_gets_it(
    tmp_path: Path,
) -> None:
    refused = SignInVerdict(None, replies.WRONG, "wrong password", 0.05, "password")
    authenticator = Scripted(refused)
    stage = Stage(authenticator, tmp_path)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await stage.sign_in(address="::ffff:198.51.100.7")
    assert loop.time() - began >= 0.05
    assert authenticator.asked == [
        (PasswordClaim("", "alice", PASSWORD), "198.51.100.7", Audience(people_only=True))
    ]


@on_loop
async def test_sign_ins_wait_in_a_bounded_line(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    verdicts: list[asyncio.Future[SignInVerdict]] = [loop.create_future() for _ in range(AT_ONCE)]
    later = SignInVerdict(member("alice"), replies.ACCEPTED, "")
    stage = Stage(Scripted(*verdicts, later), tmp_path)
    waiting = [asyncio.ensure_future(stage.sign_in()) for _ in verdicts]
    await asyncio.sleep(0)
    assert (await stage.sign_in()).why == "unavailable"
    for verdict in verdicts:
        verdict.set_result(later)
    assert all(told.ticket for told in await asyncio.gather(*waiting))
    assert (await stage.sign_in()).ticket


@on_loop
async def test_refusals_at_the_pages_have_a_budget_whatever_addresses_are_claimed(tmp_path: Path) -> None:
    wrong = SignInVerdict(None, replies.WRONG, "wrong password", why="password")
    right = SignInVerdict(member("alice"), replies.ACCEPTED, "")
    authenticator = Scripted(*[right] * 5, *[wrong] * int(FAILURES), *[right] * 2)
    stage = Stage(authenticator, tmp_path)
    for number in range(5 + int(FAILURES)):
        await stage.sign_in(address=f"192.0.2.{number % 250}")
    for _ in range(3):
        assert (await stage.sign_in()).why == "unavailable"
    assert len(authenticator.asked) == 5 + FAILURES, "nobody is asked any more"
    assert [alarm.alarm for alarm in stage.activity.alarms] == ["guard"]
    stage.activity.clock.advance(1 / FAILURES_BACK)
    assert (await stage.sign_in()).ticket
    assert (await stage.sign_in()).ticket, "what is right costs nothing"


@pytest.mark.parametrize("why", ["locked", "unavailable"])
@on_loop
async def test_a_refusal_without_a_look_at_the_password_costs_the_others_nothing(
    why: Literal["locked", "unavailable"], tmp_path: Path
) -> None:
    refused = SignInVerdict(None, replies.UNAVAILABLE, "", why=why)
    right = SignInVerdict(member("alice"), replies.ACCEPTED, "")
    stage = Stage(Scripted(*[refused] * (int(FAILURES) + 10), right), tmp_path)
    for _ in range(int(FAILURES) + 10):
        assert (await stage.sign_in(address="198.51.100.66")).why == why
    assert (await stage.sign_in()).ticket
    assert stage.activity.alarms == []


@on_loop
async def test_where_only_app_passwords_are_taken_the_visitor_is_told_so_whatever_was_wrong(
    tmp_path: Path,
) -> None:
    wrong = [SignInVerdict(None, replies.APP_PASSWORDS_ONLY, "", why=why) for why in ("password", "unknown")]
    stage = Stage(Scripted(*wrong), tmp_path)
    assert [(await stage.sign_in()).why for _ in wrong] == ["app-password", "app-password"]


@on_loop
async def test_a_directory_that_never_answers_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_view, "PATIENCE", 0.02)
    never: asyncio.Future[SignInVerdict] = asyncio.get_running_loop().create_future()
    stage = Stage(Scripted(never), tmp_path)
    assert (await stage.sign_in()).why == "unavailable"
    assert never.cancelled()


@on_loop
async def test_what_a_reply_must_not_tell_is_not_told_here(tmp_path: Path) -> None:
    verdict = SignInVerdict(None, reply(454, "4.7.0", "Later"), "ldap1: bind failed", why="unavailable")
    told = await Stage(Scripted(verdict), tmp_path).sign_in()
    assert "ldap1" not in repr(told)
    assert told.text.startswith("Later (ref ")


@on_loop
async def test_stories_of_what_is_no_address_are_refused(tmp_path: Path) -> None:
    stage = Stage(Scripted(), tmp_path)
    with pytest.raises(OperatorError, match="no IP address"):
        await stage.view.of_address(StoriesOfAddress("192.0.2.7' OR 1", 0.0), PEER)
    assert await stage.view.of_address(StoriesOfAddress("2001:db8::0:7", 0.0), PEER) == Stories()
    await stage.view.close()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_is_as_the_journal_has_it(text: str, plain: str) -> None:
    assert visitor_address(text) == plain
