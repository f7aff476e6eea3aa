"""What the web process is answered: who someone is, and what happened to them; cut here to what they may see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from sams.activity.events import Alarmed, SignedIn, SignInRefused
from sams.activity.explaining.sign_ins import PAGE
from sams.activity.interface import Activity, SessionLog
from sams.control.messages import (
    Done,
    Failure,
    PagesSignedIn,
    PagesSignIn,
    PagesSignOut,
    Stories,
    StoriesOfAddress,
    StoriesOfMember,
    Trouble,
)
from sams.control.peers import Peer
from sams.control.server import Handlers
from sams.core.clock import Clock
from sams.core.errors import OperatorError
from sams.core.ids import IdMaker, new_reference
from sams.core.ip_addresses import parse_ip
from sams.identity import replies
from sams.identity.interface import BUILTIN, Audience, Authenticator, Identity, SignInVerdict
from sams.protocol.sasl.interface import PasswordClaim
from sams.service.story_view import StoryReader, TooMany
from sams.service.tickets import LIFE, Tickets

AT_ONCE = 8
"""Sign-ins that are decided or delayed at once."""
LONGEST = 1_200
"""Characters of a login or a password that are looked at; what is right is shorter."""
PATIENCE = 40.0
"""Seconds for a verdict."""
FAILURES, FAILURES_BACK = 200.0, 0.2
"""Refused sign-ins at the pages, and how many come back each second: whatever addresses a web process claims that is
no longer ours, even ones that `[guard] allow` names, it guesses no faster.
"""
_NO_GUESS = frozenset({"locked", "unavailable"})
"""Refusals that tell nothing of the password. Were they counted, one address that the guard has locked could keep all
members from signing in there, and so could a directory that is down.
"""
_TOO_MANY_FAILURES = (
    "so many sign-ins at the pages were refused that none is taken there for now; mail goes on. "
    "`sams activity tail` shows from where they come"
)
_PEOPLE = Audience(people_only=True)
_BUSY = "so many visitors ask that this question would not be answered in time"


@dataclass(slots=True)
class _Budget:
    """What is left of the failures. at: when that was so, monotonic seconds. is_told: that none was left."""

    left: float = FAILURES
    at: float = 0.0
    is_told: bool = False

    def is_used_up(self, now: float) -> bool:
        self.left = min(FAILURES, self.left + (now - self.at) * FAILURES_BACK)
        self.at = now
        return self.left < 1.0


@dataclass(slots=True)
class PagesView:
    """Answers the pages.

    port, implicit: where visitors connect, for the journal.
    session_ids: a sign-in at the pages stands in the journal as a session.
    """

    authenticator: Callable[[], Authenticator]
    activity: Activity
    stories: StoryReader
    session_ids: IdMaker
    clock: Clock
    port: int
    implicit: bool
    _tickets: Tickets = field(init=False)
    _budget: _Budget = field(default_factory=_Budget, init=False)
    _deciding: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._tickets = Tickets(self.clock, lambda identity: self.authenticator().still_valid(identity))

    def handlers(self) -> Handlers:
        """The table by which the service answers them."""
        return {
            PagesSignIn: self.sign_in,
            PagesSignOut: self.sign_out,
            StoriesOfAddress: self.of_address,
            StoriesOfMember: self.of_member,
        }

    async def close(self) -> None:
        """Let go of the journals."""
        await self.stories.close()

    async def sign_in(self, request: PagesSignIn, _peer: Peer) -> PagesSignedIn:
        """Check a password as one that came from the visitor's address: the guard counts it, the journal tells it."""
        address = visitor_address(request.address)
        if not (0 < len(request.login) <= LONGEST and 0 < len(request.password) <= LONGEST):
            return PagesSignedIn(why="password", text=_text(replies.WRONG.lines))
        if self._deciding >= AT_ONCE or self._has_failed_too_often():
            return PagesSignedIn(why="unavailable", text=_text(replies.BUSY.lines))
        self._deciding += 1
        try:
            verdict = await self._verdict(PasswordClaim("", request.login, request.password), address)
            await asyncio.sleep(verdict.delay)
        finally:
            self._deciding -= 1
        log = self.activity.session(self.session_ids.next(), address, self.port, implicit=self.implicit)
        answer = self._answer(verdict, request.login, log)
        log.end("quit", 1)
        return answer

    async def sign_out(self, request: PagesSignOut, _peer: Peer) -> Done:
        """Forget a ticket."""
        self._tickets.forget(request.ticket)
        return Done()

    async def of_address(self, request: StoriesOfAddress, _peer: Peer) -> Stories | Failure:
        """For who connects from that address; an IPv6 one exactly, for others may share its network."""
        try:
            return await self.stories.of_address(visitor_address(request.address), request.since)
        except TooMany:
            return Failure(Trouble.BUSY, _BUSY)

    async def of_member(self, request: StoriesOfMember, _peer: Peer) -> Stories | Failure:
        """For a ticket's member."""
        identity = self._tickets.find(request.ticket)
        if identity is None:
            return Stories(known=False)
        try:
            return await self.stories.of_login(identity.login, request.since, _journalled(identity))
        except TooMany:
            return Failure(Trouble.BUSY, _BUSY)

    def _has_failed_too_often(self) -> bool:
        if not self._budget.is_used_up(self.clock.monotonic()):
            self._budget.is_told = self._budget.is_told and self._budget.left < FAILURES / 4
            return False
        if not self._budget.is_told:
            self._budget.is_told = True
            self.activity.tell(Alarmed("guard", _TOO_MANY_FAILURES))
        return True

    async def _verdict(self, claim: PasswordClaim, address: str) -> SignInVerdict:
        decision = self.authenticator().verify(claim, address, _PEOPLE)
        if isinstance(decision, SignInVerdict):
            return decision
        try:
            return await asyncio.wait_for(decision, PATIENCE)
        except TimeoutError:
            return SignInVerdict(None, replies.UNAVAILABLE, "no verdict came in time", why="unavailable")

    def _answer(self, verdict: SignInVerdict, claimed: str, log: SessionLog) -> PagesSignedIn:
        identity = verdict.identity
        if identity is None:
            if verdict.why not in _NO_GUESS:
                self._budget.left -= 1.0
            said = verdict.reply.with_reference(new_reference())
            reference = said.reference or ""
            log.tell(SignInRefused(claimed, PAGE, verdict.why, str(said), reference, verdict.explanation))
            return PagesSignedIn(why=_why(verdict), text=f"{_text(said.lines)} (ref {reference})")
        log.tell(_told(identity, verdict))
        until = self.clock.now() + LIFE
        return PagesSignedIn(self._tickets.issue(identity), identity.login, until=until)


def _why(verdict: SignInVerdict) -> str:
    """What the visitor may know of it: an unknown login is told as a wrong password is."""
    if verdict.reply == replies.APP_PASSWORDS_ONLY:
        return "app-password"
    return "password" if verdict.why == "unknown" else verdict.why


def _told(identity: Identity, verdict: SignInVerdict) -> SignedIn:
    how = "" if verdict.is_ordinary else verdict.explanation
    return SignedIn(identity.login, PAGE, source=_journalled(identity), how=how)


def _journalled(identity: Identity) -> str:
    """Who knows the member, as the journal writes it."""
    return "" if identity.source == BUILTIN else identity.source


def _text(lines: tuple[str, ...]) -> str:
    return " ".join(lines)


def visitor_address(text: str) -> str:
    """A visitor's address as the journal has it: canonical, without a zone, an IPv4 one never mapped.

    Raises:
        OperatorError: it is none.
    """
    found = parse_ip(text)
    if found is None:
        raise OperatorError("the visitor's address is no IP address")
    return str(found)
