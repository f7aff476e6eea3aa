"""How a sign-in is refused: in which words, after which time, and what the guard counts of it.

What differs between an unknown login and a wrong password is the explanation for the journal and nothing else: the
same calls are made, the same text goes out, after a time that hides what remains. A failure of ours, a bug included,
is 454: the password may be right, and a mail program that hears 535 throws it away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.core.reply import Reply
from sams.identity import replies
from sams.identity.account_sources import Finding
from sams.identity.authentication.request import SignInRequest
from sams.identity.guard.interface import Guard, Lock
from sams.identity.interface import Decision, SignInVerdict, Why


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """Times in seconds.

    failure_delay: a failure is answered after this, or after the check where that takes longer.
    jitter: a random part of up to this is added.
    """

    failure_delay: float = 0.25
    jitter: float = 0.1


USUAL_TIMES = SignInSettings()


@dataclass(frozen=True, slots=True)
class Refusals:
    """Makes the verdicts of those who are not signed in.

    chance: random numbers from 0 to 1, for the jitter.
    report: told of every unexpected exception; the journal gets its type from the verdict besides.
    """

    guard: Guard
    settings: SignInSettings
    clock: Clock
    chance: Callable[[], float]
    report: Callable[[BaseException], None]

    def refused(
        self, sign_in: SignInRequest, reply: Reply, explanation: str, why: Why = "password"
    ) -> SignInVerdict:
        """In these words; the guard counts nothing."""
        return SignInVerdict(None, reply, explanation, self._delay(sign_in.started), why)

    def locked(self, sign_in: SignInRequest) -> SignInVerdict | None:
        """For who is locked out; None: nobody has locked this login, or this address."""
        lock = self.guard.locked(sign_in.attempt)
        return None if lock is None else self.of_lock(sign_in, lock)

    def of_lock(self, sign_in: SignInRequest, lock: Lock) -> SignInVerdict:
        """For who is locked out by this lock."""
        now = self.clock.now()
        reply = replies.locked(now + lock.seconds, lock.what, now)
        return self.refused(sign_in, reply, f"locked for {lock.seconds:.0f} s more ({lock.what})", "locked")

    def failed(
        self, sign_in: SignInRequest, generation: int, explanation: str, why: Why = "password"
    ) -> SignInVerdict:
        """For a wrong proof, which counts as a guess. generation: of the account for which it was wrong."""
        slowing = self.guard.failed(sign_in.attempt, generation)
        refused = self.wrong(sign_in, explanation, why)
        return structs.replace(refused, delay=refused.delay + slowing)

    def wrong(self, sign_in: SignInRequest, explanation: str, why: Why = "password") -> SignInVerdict:
        """The same without counting it, in words that follow from the configuration alone, alike for every login."""
        asked = [source.takes_passwords for source in sign_in.chain.serving(sign_in.login)]
        only_app = bool(asked) and not any(asked)
        return self.refused(
            sign_in, replies.APP_PASSWORDS_ONLY if only_app else replies.WRONG, explanation, why
        )

    def word(self, sign_in: SignInRequest, finding: Finding) -> str:
        """What the journal calls it; a password that was right before is no guess, and the help desk should know."""
        was_right = self.guard.was_right(sign_in.attempt)  # asked of nobody as well: it takes its time
        return "previous password" if was_right and finding is not Finding.UNKNOWN else finding.value

    def unavailable(self, error: TemporaryFailure, started: float) -> SignInVerdict:
        """For what cannot be told now; in the words of the failure."""
        return SignInVerdict(None, error.reply, error.detail, self._delay(started), "unavailable")

    def broken(self, error: Exception, started: float) -> SignInVerdict:
        """For a bug of ours, which must not cost a member the saved password."""
        self.report(error)
        explanation = f"internal error: {type(error).__name__}"
        return SignInVerdict(None, replies.UNAVAILABLE, explanation, self._delay(started), "unavailable")

    def later(
        self, sign_in: SignInRequest, decision: Coroutine[Any, Any, Decision]
    ) -> asyncio.Future[SignInVerdict]:
        """The verdict of what has to wait; whatever is raised on the way is a refusal."""
        return asyncio.get_running_loop().create_task(self._decided(sign_in, decision))

    async def _decided(
        self, sign_in: SignInRequest, decision: Coroutine[Any, Any, Decision]
    ) -> SignInVerdict:
        try:
            verdict = await decision
            return verdict if isinstance(verdict, SignInVerdict) else await verdict
        except TemporaryFailure as error:
            return self.unavailable(error, sign_in.started)
        except Exception as error:  # noqa: BLE001 - see broken
            return self.broken(error, sign_in.started)

    def _delay(self, started: float) -> float:
        """From now to the time at which a failure is answered."""
        remaining = self.settings.failure_delay - (self.clock.monotonic() - started)
        return max(0.0, remaining) + self.settings.jitter * self.chance()


def why_wrong(sign_in: SignInRequest, finding: Finding) -> Why:
    """As what a wrong proof is counted: what can be no account's login is unknown, whatever was found."""
    return "unknown" if sign_in.problem or finding is Finding.UNKNOWN else "password"
