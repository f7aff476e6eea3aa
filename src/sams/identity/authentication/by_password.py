"""Signing in with the account's own password.

    guard ─▶ remembered? ──yes──▶ judge ─▶ verdict, at once
                │no
                ├─▶ found wrong lately? ──yes──▶ verdict, at once
                │no
                └─▶ sources ─▶ guard again ─▶ judge ─▶ verdict, by a future

A password is compared as it was typed, and mapped where it is hashed: all but the check in the sources costs
microseconds. Two memories serve it: `remembered` spares a hash for some minutes, `graced` lets members in while a
directory is down, for as long as its `grace`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Checked, Finding
from sams.identity.authentication.judge import Judge
from sams.identity.authentication.proof import CHECKED, REMEMBERED, Proof
from sams.identity.authentication.refusals import Refusals, why_wrong
from sams.identity.authentication.request import SignInRequest
from sams.identity.chain import NO_ACCOUNT, PASSING, UNTOLD, Chain
from sams.identity.guard.interface import Guard
from sams.identity.interface import Account, Decision, Identity, SignInVerdict
from sams.identity.passwords.remembered import Remembered


@dataclass(frozen=True, slots=True)
class ByPassword:
    """Decides by a password that is no app password.

    remembered: passwords that were right lately. graced: the same for as long as a directory may be down.
    """

    guard: Guard
    remembered: Remembered
    graced: Remembered
    clock: Clock
    judge: Judge
    refusals: Refusals

    def decide(self, sign_in: SignInRequest) -> Decision:
        """Tell from memory, or have it checked. The generation is of before the check, which sees none before it."""
        lock = self.guard.locked(sign_in.attempt)
        if lock is not None:
            return self.refusals.of_lock(sign_in, lock)
        try:
            account = sign_in.chain.look_up(sign_in.login)
            verdict = self._remembers(sign_in, account)
            if verdict is not None:
                return verdict
            generation = sign_in.chain.generation(sign_in.login, account, self.clock.now())
            verdict = self._repeats(sign_in, generation)
        except TemporaryFailure:  # another source may know; the check tells of the outage
            verdict, generation = None, UNTOLD
        return verdict or self.refusals.later(sign_in, self._check(sign_in, generation))

    def _remembers(self, sign_in: SignInRequest, account: Account | None) -> Decision | None:
        source = sign_in.chain.named(account.identity.source) if account is not None else None
        if account is None or source is None or not source.takes_passwords:
            return None
        identity, password = account.identity, sign_in.attempt.password
        if not self.remembered.knows(identity.login, identity.generation, password):
            return None
        return self.judge.judge(sign_in, account, REMEMBERED)

    def _repeats(self, sign_in: SignInRequest, generation: int) -> SignInVerdict | None:
        """The refusal of what was found wrong lately: an old password in a mail program costs one hash."""
        if not self.guard.repeats(sign_in.attempt, generation):
            return None
        finding = _finding_of(generation)
        word = self.refusals.word(sign_in, finding)
        explanation = sign_in.problem or f"{word}, as lately"
        return self.refusals.wrong(sign_in, explanation, why_wrong(sign_in, finding))

    async def _check(self, sign_in: SignInRequest, generation: int) -> Decision:
        attempt = sign_in.attempt
        is_known = self.guard.knows(attempt)
        try:
            checked = await sign_in.chain.check_password(
                sign_in.login, attempt.password, attempt.address, is_known=is_known
            )
        except asyncio.CancelledError:  # hung up, and a directory that locks its members may have been asked
            self.guard.failed(attempt, UNTOLD)
            raise
        if checked.finding not in {Finding.RIGHT, Finding.UNAVAILABLE}:
            self._forget(sign_in)  # asked of nobody as well: no call tells whose login it is
        # Guesses made at the same time count too: who is locked by now is not told the verdict.
        return self.refusals.locked(sign_in) or self._answer_password(sign_in, checked, generation)

    def _answer_password(self, sign_in: SignInRequest, checked: Checked, generation: int) -> Decision:
        password = sign_in.attempt.password
        if checked.finding is Finding.RIGHT and checked.account is not None:
            self._remember(sign_in.chain, checked.account.identity, password)
        if checked.finding is Finding.UNAVAILABLE:
            account = self._graced_account(sign_in)
            if account is not None:
                return self.judge.judge(sign_in, account, Proof(f"remembered while down: {checked.detail}"))
        return self.judge.answer(sign_in, checked, generation, CHECKED)

    def _remember(self, chain: Chain, identity: Identity, password: str) -> None:
        seconds, grace = chain.remember_for(identity)
        self.remembered.remember(identity.login, identity.generation, password, seconds)
        if grace:
            self.graced.remember(identity.login, identity.generation, password, grace)

    def _forget(self, sign_in: SignInRequest) -> None:
        """A previous password lets nobody in when the directory that found it wrong is down."""
        for account in sign_in.chain.last_known(sign_in.login):
            identity = account.identity
            for memory in (self.remembered, self.graced):
                memory.forget(identity.login, identity.generation, sign_in.attempt.password)

    def _graced_account(self, sign_in: SignInRequest) -> Account | None:
        """Whose password this was while the directory still answered."""
        for account in sign_in.chain.last_known(sign_in.login):
            identity = account.identity
            if self.graced.knows(identity.login, identity.generation, sign_in.attempt.password):
                return account
        return None


def _finding_of(generation: int) -> Finding:
    """What was found wrong in it. Of a directory's "wrong" it is not kept whether it knew the login."""
    if generation == NO_ACCOUNT:
        return Finding.UNKNOWN
    return Finding.REFUSED if generation >= PASSING else Finding.WRONG
