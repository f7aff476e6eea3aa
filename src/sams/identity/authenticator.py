"""Decides sign-ins: one path for every login, known or not.

    map ─▶ guard ─▶ remembered? ──yes──▶ judge ─▶ verdict, at once
                        │no
                        ├─▶ found wrong lately? ──yes──▶ verdict, at once
                        │no
                        └─▶ sources ─▶ guard again ─▶ judge ─▶ verdict, by a future

All of it but the check in the sources costs microseconds, whatever a stranger sends: a login is mapped, a password
is compared as it was typed, and mapped where it is hashed.

What differs between an unknown login and a wrong password is the explanation for the journal and nothing
else: the same calls are made, the same text goes out, after a time that hides what remains. A failure of
ours, a bug included, is 454: the password may be right, and a mail program that hears 535 throws it away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from sams.core.address import AddressError, parse_mailbox
from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.core.reply import Reply
from sams.core.text import visible
from sams.identity import replies
from sams.identity.guard import Guard, SignInAttempt
from sams.identity.interface import Account, Checked, Finding, Identity, SignInVerdict, Source
from sams.identity.logins import (
    PASSWORD_TOO_LONG,
    LoginForms,
    UnpreparableError,
    is_too_long,
    map_login,
)
from sams.identity.patterns import covers
from sams.identity.remembered import Remembered
from sams.protocol.sasl.interface import PasswordClaim

NOBODY = ""
"""A login that no source knows: who cannot be anyone is checked against it, at the usual cost."""
_NO_ACCOUNT = 0
"""Stands for the generation of an account that is not there."""
_UNTOLD = -1
"""Stands for the generation where it could not be told: nothing is found to be wrong in it."""


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """Times in seconds.

    failure_delay: a failure is answered after this, or after the check where that takes longer.
    jitter: a random part of up to this is added.
    """

    failure_delay: float = 0.25
    jitter: float = 0.1


class _SignIn(msgspec.Struct, frozen=True):
    """A claim, its login mapped: NOBODY where it can be no account's; problem then says why."""

    attempt: SignInAttempt
    login: str
    authzid: str
    started: float
    problem: str = ""


class PasswordAuthenticator:
    """The Authenticator. Made in each worker, after the fork.

    sources: asked in this order; the first that knows the login decides.
    chance: random numbers from 0 to 1, for the jitter.
    report: told of every unexpected exception; the journal gets its type from the verdict besides.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        remembered: Remembered,
        guard: Guard,
        *,
        forms: LoginForms,
        clock: Clock,
        chance: Callable[[], float],
        report: Callable[[BaseException], None],
        settings: SignInSettings = SignInSettings(),
    ) -> None:
        self._sources = tuple(sources)
        self._remembered = remembered
        self._guard = guard
        self._forms = forms
        self._clock = clock
        self._chance = chance
        self._report = report
        self._settings = settings

    def verify(self, claim: PasswordClaim, address: str) -> SignInVerdict | asyncio.Future[SignInVerdict]:
        """Decide a sign-in; see `interface.Authenticator`."""
        started = self._clock.monotonic()
        try:
            sign_in = self._prepare(claim, address, started)
            if is_too_long(claim.password):
                return self._refused(sign_in, replies.WRONG, PASSWORD_TOO_LONG)
            return self._locked(sign_in) or self._decide(sign_in)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not cost a member the saved password
            return self._broken(error, started)

    def still_valid(self, identity: Identity) -> bool:
        """Whether the account is as it was. An outage of its source ends no session."""
        try:
            account = self._known(identity.login)
        except TemporaryFailure as error:
            self._report(error)
            return True
        return (
            account is not None
            and account.suspended is None
            and account.identity.generation == identity.generation
        )

    def changed_logins(self) -> frozenset[str]:
        """Logins changed in any source since the last call."""
        changed: frozenset[str] = frozenset()
        for source in self._sources:
            try:
                changed |= source.changed()
            except TemporaryFailure as error:
                self._report(error)
        return changed

    def _prepare(self, claim: PasswordClaim, address: str, started: float) -> _SignIn:
        try:
            login = map_login(claim.authcid)
        except UnpreparableError as error:
            attempt = SignInAttempt(address, visible(claim.authcid, 100), claim.password)
            return _SignIn(attempt, NOBODY, claim.authzid, started, str(error))
        # The guard counts all spellings as one; sources look for the one that was typed first.
        attempt = SignInAttempt(address, self._forms.bare(login), claim.password)
        return _SignIn(attempt, login, claim.authzid, started)

    def _locked(self, sign_in: _SignIn) -> SignInVerdict | None:
        lock = self._guard.locked(sign_in.attempt)
        if lock is None:
            return None
        reply = replies.locked(self._clock.now() + lock.seconds)
        return self._refused(sign_in, reply, f"locked for {lock.seconds:.0f} s more ({lock.what})")

    def _decide(self, sign_in: _SignIn) -> SignInVerdict | asyncio.Future[SignInVerdict]:
        """Tell from memory, or have it checked. The generation is of before the check, which sees none before it."""
        try:
            account = self._known(sign_in.login)
            generation = account.identity.generation if account else _NO_ACCOUNT
            verdict = self._remembers(sign_in, account) or self._repeats(sign_in, generation)
        except TemporaryFailure:  # another source may know; the check tells of the outage
            verdict, generation = None, _UNTOLD
        return verdict or asyncio.get_running_loop().create_task(self._check(sign_in, generation))

    def _remembers(self, sign_in: _SignIn, account: Account | None) -> SignInVerdict | None:
        if account is None:
            return None
        identity, password = account.identity, sign_in.attempt.password
        if not self._remembered.knows(identity.login, identity.generation, password):
            return None
        return self._judge(sign_in, account, "remembered password")

    def _repeats(self, sign_in: _SignIn, generation: int) -> SignInVerdict | None:
        """The refusal of what was found wrong lately: an old password in a mail program costs one hash."""
        if not self._guard.repeats(sign_in.attempt, generation):
            return None
        finding = Finding.UNKNOWN if generation == _NO_ACCOUNT else Finding.WRONG
        return self._refused(sign_in, replies.WRONG, sign_in.problem or f"{finding.value}, as lately")

    def _known(self, login: str) -> Account | None:
        for source in self._sources:
            account = source.look_up(self._forms.parse(login))
            if account is not None:
                return account
        return None

    async def _check(self, sign_in: _SignIn, generation: int) -> SignInVerdict:
        try:
            checked = await self._ask(sign_in)
            # Guesses made at the same time count too: who is locked by now is not told the verdict.
            return self._locked(sign_in) or self._answer(sign_in, checked, generation)
        except TemporaryFailure as error:
            return self._refused(sign_in, error.reply, error.detail)
        except Exception as error:  # noqa: BLE001 - as in verify
            return self._broken(error, sign_in.started)

    async def _ask(self, sign_in: _SignIn) -> Checked:
        """The answer of the first source that knows; behind an outage only a right password counts."""
        attempt, outages = sign_in.attempt, list[str]()
        is_known = self._guard.knows(attempt)
        checked = Checked(Finding.UNKNOWN)
        for source in self._sources:
            checked = await source.verify(
                self._forms.parse(sign_in.login), attempt.password, attempt.address, is_known=is_known
            )
            if checked.finding in {Finding.RIGHT, Finding.WRONG}:
                break
            if checked.finding is Finding.UNAVAILABLE:
                outages.append(f"{source.name}: {checked.detail}")
        if outages and checked.finding is not Finding.RIGHT:
            return Checked(Finding.UNAVAILABLE, detail="; ".join(outages))
        return checked

    def _answer(self, sign_in: _SignIn, checked: Checked, generation: int) -> SignInVerdict:
        if checked.finding is Finding.RIGHT and checked.account is not None:
            identity = checked.account.identity
            self._remembered.remember(identity.login, identity.generation, sign_in.attempt.password)
            return self._judge(sign_in, checked.account, checked.detail or "checked password")
        if checked.finding is Finding.UNAVAILABLE:
            return self._refused(sign_in, replies.UNAVAILABLE, f"source unavailable: {checked.detail}")
        slowing = self._guard.failed(sign_in.attempt, generation)
        refused = self._refused(sign_in, replies.WRONG, sign_in.problem or checked.finding.value)
        return msgspec.structs.replace(refused, delay=refused.delay + slowing)

    def _judge(self, sign_in: _SignIn, account: Account, explanation: str) -> SignInVerdict:
        """The password is right: what remains is whether the account may be used, and in that name."""
        self._guard.succeeded(sign_in.attempt)
        if account.suspended is not None:
            return self._refused(sign_in, replies.suspended(account.suspended), "account suspended")
        if sign_in.authzid and not self._may_act_as(account.identity, sign_in.authzid):
            shown = visible(sign_in.authzid, 100)
            return self._refused(sign_in, replies.WRONG, f"right password, but may not act as {shown}")
        return SignInVerdict(account.identity, replies.ACCEPTED, explanation)

    def _may_act_as(self, identity: Identity, authzid: str) -> bool:
        """RFC 4616 section 2: the login itself, or an address that the member may send from or for."""
        try:
            login = map_login(authzid)
            if identity.login in {login, self._forms.bare(login)}:
                return True
            mailbox = parse_mailbox(authzid)
        except (UnpreparableError, AddressError):
            return False
        return covers(identity.addresses, mailbox) or covers(identity.may_send_as, mailbox)

    def _refused(self, sign_in: _SignIn, reply: Reply, explanation: str) -> SignInVerdict:
        return SignInVerdict(None, reply, explanation, self._delay(sign_in.started))

    def _broken(self, error: Exception, started: float) -> SignInVerdict:
        self._report(error)
        return SignInVerdict(
            None, replies.UNAVAILABLE, f"internal error: {type(error).__name__}", self._delay(started)
        )

    def _delay(self, started: float) -> float:
        """From now to the time at which a failure is answered."""
        remaining = self._settings.failure_delay - (self._clock.monotonic() - started)
        return max(0.0, remaining) + self._settings.jitter * self._chance()
