"""Decides sign-ins: one path for every login, known or not.

    map ─▶ app password? ──yes──▶ by_app_password: its member ─▶ judge ─▶ verdict
              │no
              └─▶ by_password: memory, or the sources ─▶ judge ─▶ verdict

All of it but the check in the sources costs microseconds, whatever a stranger sends. Other proofs than passwords go
to who can tell, and then the same way: a SCRAM proof to `by_scram`; what a third party vouches for
(a token, a ticket, a certificate) to `by_third_party`. Whoever is not signed in is answered by `refusals`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.core.text import visible
from sams.identity import replies
from sams.identity.account_sources import Source
from sams.identity.app_passwords.lookup import AppPasswords
from sams.identity.authentication.by_app_password import ByAppPassword
from sams.identity.authentication.by_password import ByPassword
from sams.identity.authentication.by_scram import ByScram
from sams.identity.authentication.by_third_party import ByThirdParty
from sams.identity.authentication.judge import Judge
from sams.identity.authentication.refusals import USUAL_TIMES, Refusals, SignInSettings
from sams.identity.authentication.request import NOBODY, SignInRequest, claimed
from sams.identity.chain import Chain
from sams.identity.grants import Grants
from sams.identity.guard.interface import Guard, SignInAttempt
from sams.identity.interface import EVERYBODY, Audience, Decision, Identity
from sams.identity.logins import PASSWORD_TOO_LONG, LoginForms, UnpreparableError, is_too_long
from sams.identity.passwords.remembered import Remembered
from sams.protocol.sasl.interface import (
    CertificateClaim,
    Claim,
    PasswordClaim,
    PrincipalClaim,
    ProofClaim,
    ScramKeys,
    TokenClaim,
)


class ChainAuthenticator:
    """The Authenticator. Made in each worker, after the fork.

    sources: asked in this order; the first that knows the login decides.
    remembered: passwords that were right lately. graced: the same for as long as a directory may be down.
    chance, report: see `Refusals`. since: see `Chain`.
    grants: what maps of senders add; None: there are none.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        remembered: Remembered,
        guard: Guard,
        *,
        app_passwords: AppPasswords,
        graced: Remembered,
        forms: LoginForms,
        clock: Clock,
        chance: Callable[[], float],
        report: Callable[[BaseException], None],
        settings: SignInSettings = USUAL_TIMES,
        since: float = 0.0,
        grants: Grants | None = None,
    ) -> None:
        self._grants = Grants(forms) if grants is None else grants
        self._remembered = remembered
        self._graced = graced
        self._app_passwords = app_passwords
        self._clock = clock
        self._chance = chance
        self._report = report
        self.use(sources, guard, forms=forms, settings=settings, since=since)

    def use(
        self,
        sources: Sequence[Source],
        guard: Guard,
        *,
        forms: LoginForms,
        settings: SignInSettings,
        since: float = 0.0,
    ) -> None:
        """Decide by these from now on, for running sessions as well: a source that is gone has no members.

        A sign-in that waits for its verdict meanwhile is decided by the settings under which it began.
        """
        self.chain, self._since = Chain(sources, since), since
        self._chains = {EVERYBODY.sources: self.chain}
        self._forms = forms
        self._refusals = refusals = Refusals(guard, settings, self._clock, self._chance, self._report)
        judge = Judge(guard, self._grants, forms, refusals)
        self._by_password = ByPassword(guard, self._remembered, self._graced, self._clock, judge, refusals)
        self._by_app_password = ByAppPassword(self._clock, judge, refusals)
        self._by_scram = ByScram(self._app_passwords, self._by_app_password, judge, refusals)
        self._by_third_party = ByThirdParty(forms, judge, refusals)

    # --- asked by sessions

    def verify(self, claim: Claim, address: str, audience: Audience = EVERYBODY) -> Decision:
        """Decide a sign-in; see `interface.Authenticator`."""
        started = self._clock.monotonic()
        try:
            return self._decide(claim, self._prepare(claim, address, started, audience))
        except TemporaryFailure as error:
            return self._refusals.unavailable(error, started)
        except Exception as error:  # noqa: BLE001 - see Refusals.broken
            return self._refusals.broken(error, started)

    def scram_keys(self, login: str, hash_name: str, audience: Audience = EVERYBODY) -> ScramKeys:
        """The keys of the login's own password and of its app passwords, all with the login's salt."""
        try:
            parsed = self._forms.read(login)
        except UnpreparableError:
            parsed = self._forms.parse(NOBODY)
        return self._by_scram.keys(parsed, hash_name, self._chain(audience))

    def still_valid(self, identity: Identity) -> bool:
        """Whether the account is as it was. An outage of its source ends no session."""
        try:
            if identity.app_password and self._app_passwords.get(identity.app_password) is None:
                return False
            is_as_it_was = self.chain.still_valid(identity)
            return is_as_it_was and (identity.grant is None or self._is_granted_still(identity))
        except TemporaryFailure as error:
            self._report(error)
            return True

    def _is_granted_still(self, identity: Identity) -> bool:
        source = self.chain.named(identity.source)
        return source is None or self._grants.still_valid(identity, source)

    def changed_logins(self) -> frozenset[str]:
        """Logins changed in any source since the last call."""
        changed = self.chain.changed(self._report)
        try:
            return changed | self._app_passwords.changed()
        except TemporaryFailure as error:
            self._report(error)
            return changed

    # --- on the way

    def _prepare(self, claim: Claim, address: str, started: float, audience: Audience) -> SignInRequest:
        name, secret, is_opaque = claimed(claim)
        chain = self._chain(audience)
        try:
            login, problem = self._forms.read(name), ""
        except UnpreparableError as error:
            login, problem = self._forms.parse(NOBODY), str(error)
        # The guard counts all spellings as one; sources look for the one that was typed first.
        counted = visible(name, 100) if problem else login.bare
        attempt = SignInAttempt(address, counted, secret, is_opaque)
        return SignInRequest(
            attempt,
            login,
            claim.authzid,
            started,
            chain,
            audience.devices_only,
            problem,
            audience.people_only,
        )

    def _chain(self, audience: Audience) -> Chain:
        chain = self._chains.get(audience.sources)
        if chain is None:
            kept = [source for source in self.chain.sources if source.name in audience.sources]
            chain = self._chains[audience.sources] = Chain(kept, self._since)
        return chain

    def _decide(self, claim: Claim, sign_in: SignInRequest) -> Decision:
        match claim:
            case PasswordClaim(password=password):
                return self._decide_password(password, sign_in)
            case ProofClaim(password_id=password_id):
                return self._by_scram.decide(sign_in, password_id)
            case TokenClaim():
                return self._by_third_party.decide_token(sign_in, claim)
            case PrincipalClaim():
                return self._by_third_party.decide_ticket(sign_in, claim)
            case CertificateClaim():
                return self._by_third_party.decide_certificate(sign_in, claim)
        raise TypeError(f"a claim of no known kind: {type(claim).__name__}")

    def _decide_password(self, password: str, sign_in: SignInRequest) -> Decision:
        if is_too_long(password):
            return self._refusals.refused(sign_in, replies.WRONG, PASSWORD_TOO_LONG)
        app_password = self._app_passwords.find(password)
        if app_password is not None:
            return self._by_app_password.decide(sign_in, app_password)
        return self._by_password.decide(sign_in)
