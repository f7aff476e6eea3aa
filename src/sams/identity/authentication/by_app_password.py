"""Signing in with an app password: its member is looked up. It cannot be guessed: no lock stands before it.

Whose it is was written down when it was made; its source is asked only whether there still is such a member. Of a
directory, what it said counts for as long as its `cache`, and while it is down for as long as its `grace`.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.core.text import visible
from sams.identity import replies
from sams.identity.account_sources import Source
from sams.identity.app_passwords.lookup import AppPassword
from sams.identity.authentication.judge import Judge
from sams.identity.authentication.proof import Proof
from sams.identity.authentication.refusals import Refusals
from sams.identity.authentication.request import SignInRequest
from sams.identity.chain import UNTOLD
from sams.identity.interface import Account, Decision
from sams.identity.logins import Login
from sams.identity.origin import covering


@dataclass(frozen=True, slots=True)
class ByAppPassword:
    """Decides by an app password that was found."""

    clock: Clock
    judge: Judge
    refusals: Refusals

    def decide(self, sign_in: SignInRequest, app_password: AppPassword) -> Decision:
        """At once where its source knows the member without waiting."""
        source = sign_in.chain.named(app_password.source)
        if source is None:
            explanation = f"app password of {app_password.source}, not asked here"
            return self.refusals.refused(sign_in, replies.WRONG, explanation)
        account = _looked_up(source, sign_in.login)
        if account is None and not source.knows_all:
            return self.refusals.later(sign_in, self._find_owner(sign_in, source, app_password))
        return self._judge(sign_in, account, app_password)

    async def _find_owner(
        self, sign_in: SignInRequest, source: Source, app_password: AppPassword
    ) -> Decision:
        """By asking the directory whether the member still is one; while it is down, by what it said last."""
        try:
            account = await source.find(sign_in.login)
        except TemporaryFailure:
            account = sign_in.chain.last_known_by(source.name, sign_in.login)
            if account is None:
                raise
        return self._judge(sign_in, account, app_password)

    def _judge(self, sign_in: SignInRequest, account: Account | None, app_password: AppPassword) -> Decision:
        shown = f'app password "{visible(app_password.name, 60)}"'
        if account is None or account.identity.login != app_password.login:
            explanation = f"{shown} of another login, or of nobody any more"
            return self.refusals.failed(sign_in, UNTOLD, explanation)
        if app_password.is_expired(self.clock.now()):
            return self.refusals.refused(sign_in, replies.EXPIRED, f"{shown} has expired")
        if app_password.networks and not covering(app_password.networks)(sign_in.attempt.address):
            return self.refusals.refused(sign_in, replies.WRONG_NETWORK, f"{shown} from a foreign network")
        return self.judge.judge(sign_in, account, Proof(shown), app_password)


def _looked_up(source: Source, login: Login) -> Account | None:
    """Whom the source knows; where a program's name was typed behind the login, the member without it as well."""
    account = source.look_up(login)
    if account is None and login.device:
        account = source.look_up(structs.replace(login, typed=login.bare, device=""))
    return account
