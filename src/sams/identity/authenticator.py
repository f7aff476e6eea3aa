"""Decides sign-ins: one path for every login, known or not.

    map ─▶ app password? ──yes──▶ its member ─▶ judge ─▶ verdict
              │no
              └─▶ guard ─▶ remembered? ──yes──▶ judge ─▶ verdict, at once
                              │no
                              ├─▶ found wrong lately? ──yes──▶ verdict, at once
                              │no
                              └─▶ sources ─▶ guard again ─▶ judge ─▶ verdict, by a future

All of it but the check in the sources costs microseconds, whatever a stranger sends: a login is mapped, a password
is compared as it was typed, and mapped where it is hashed. An app password cannot be guessed, so no lock stands
before it. Other proofs than passwords (a token, a SCRAM proof, a certificate, a ticket) go to who can tell, and then
the same way.

What differs between an unknown login and a wrong password is the explanation for the journal and nothing
else: the same calls are made, the same text goes out, after a time that hides what remains. A failure of
ours, a bug included, is 454: the password may be right, and a mail program that hears 535 throws it away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import Struct, structs

from sams.core.address import AddressError, parse_mailbox
from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.core.reply import Reply
from sams.core.text import visible
from sams.identity import replies
from sams.identity.app_passwords import AppPassword, AppPasswords
from sams.identity.chain import UNTOLD, Chain
from sams.identity.grants import Grants
from sams.identity.guard import Guard, SignInAttempt
from sams.identity.interface import (
    BROUGHT,
    CHECKED,
    EVERYBODY,
    PROVED,
    REMEMBERED,
    TICKET,
    Account,
    Audience,
    Checked,
    Finding,
    Identity,
    SignInVerdict,
    Source,
)
from sams.identity.logins import (
    PASSWORD_TOO_LONG,
    Login,
    LoginForms,
    UnpreparableError,
    is_too_long,
    map_login,
    user_of,
)
from sams.identity.origin import covering
from sams.identity.patterns import ANY, covers, narrowed
from sams.identity.remembered import Remembered
from sams.protocol.sasl.interface import (
    CertificateClaim,
    Claim,
    PasswordClaim,
    PrincipalClaim,
    ProofClaim,
    ScramKey,
    ScramKeys,
    TokenClaim,
)

NOBODY = ""
"""A login that no source knows: who cannot be anyone is checked against it, at the usual cost."""
OWN = "own:"
"""Before the generation of an account: the id of its own password among SCRAM keys. A change is another id."""

SALT_OCTETS = 16

Verdict = SignInVerdict | asyncio.Future[SignInVerdict]


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """Times in seconds.

    failure_delay: a failure is answered after this, or after the check where that takes longer.
    jitter: a random part of up to this is added.
    """

    failure_delay: float = 0.25
    jitter: float = 0.1


class _SignIn(Struct, frozen=True):
    """A claim, its login mapped: of NOBODY where it can be no account's; problem then says why.

    chain: the sources of the listener. devices_only: as of the listener.
    """

    attempt: SignInAttempt
    login: Login
    authzid: str
    started: float
    chain: Chain
    devices_only: bool
    problem: str = ""


class ChainAuthenticator:
    """The Authenticator. Made in each worker, after the fork.

    sources: asked in this order; the first that knows the login decides.
    remembered: passwords that were right lately. graced: the same for as long as a directory may be down.
    chance: random numbers from 0 to 1, for the jitter.
    report: told of every unexpected exception; the journal gets its type from the verdict besides.
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
        settings: SignInSettings = SignInSettings(),
        grants: Grants | None = None,
    ) -> None:
        self._grants = Grants(forms) if grants is None else grants
        self._remembered = remembered
        self._graced = graced
        self._app_passwords = app_passwords
        self._clock = clock
        self._chance = chance
        self._report = report
        self.use(sources, guard, forms=forms, settings=settings)

    def use(
        self, sources: Sequence[Source], guard: Guard, *, forms: LoginForms, settings: SignInSettings
    ) -> None:
        """Decide by these from now on, for running sessions as well: a source that is gone has no members."""
        self.chain = Chain(sources)
        self._chains = {EVERYBODY.sources: self.chain}
        self._guard = guard
        self._forms = forms
        self._settings = settings

    # --- asked by sessions

    def verify(self, claim: Claim, address: str, audience: Audience = EVERYBODY) -> Verdict:
        """Decide a sign-in; see `interface.Authenticator`."""
        started = self._clock.monotonic()
        try:
            if isinstance(claim, PasswordClaim):
                return self._by_password(claim, self._prepare(claim, address, started, audience))
            return self._by_proof(claim, self._prepare(claim, address, started, audience))
        except TemporaryFailure as error:
            return SignInVerdict(None, error.reply, error.detail, self._delay(started))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not cost a member the saved password
            return self._broken(error, started)

    def scram_keys(self, login: str, hash_name: str, audience: Audience = EVERYBODY) -> ScramKeys:
        """The keys of the login's own password and of its app passwords, all with the login's salt."""
        try:
            parsed = self._forms.parse(map_login(login))
        except UnpreparableError:
            parsed = self._forms.parse(NOBODY)
        try:
            return self._keys(parsed, hash_name, self._chain(audience))
        except TemporaryFailure as error:
            self._report(error)
            return ScramKeys(bytes(SALT_OCTETS), self._app_passwords.iterations, ())

    def _keys(self, login: Login, hash_name: str, chain: Chain) -> ScramKeys:
        account = chain.look_up(login)
        if account is not None and user_of(account.identity.login) != user_of(login.bare):
            account = None  # found by another address: its salt would tell strangers that somebody is there
        name = account.identity.login if account is not None else login.bare
        keys = list[ScramKey]()
        if account is not None and not login.device:
            own_id = f"{OWN}{account.identity.generation}"
            keys += [structs.replace(key, id=own_id) for key in chain.scram_keys(login, hash_name)]
        for source in chain.serving(login):
            keys += self._app_passwords.keys_of(source.name, name, hash_name)
        return ScramKeys(self._app_passwords.salt_of(name), self._app_passwords.iterations, tuple(keys))

    def still_valid(self, identity: Identity) -> bool:
        """Whether the account is as it was. An outage of its source ends no session."""
        try:
            if identity.app_password and self._app_passwords.get(identity.app_password) is None:
                return False
            return self.chain.still_valid(identity) and self._is_granted_still(identity)
        except TemporaryFailure as error:
            self._report(error)
            return True

    def _is_granted_still(self, identity: Identity) -> bool:
        source = self.chain.named(identity.source) if identity.grant is not None else None
        return source is None or self._grants.still_valid(identity, source)

    def changed_logins(self) -> frozenset[str]:
        """Logins changed in any source since the last call."""
        changed = self.chain.changed(self._report)
        try:
            return changed | self._app_passwords.changed()
        except TemporaryFailure as error:
            self._report(error)
            return changed

    # --- what is asked, prepared

    def _prepare(self, claim: Claim, address: str, started: float, audience: Audience) -> _SignIn:
        name, secret, is_opaque = _named(claim)
        chain = self._chain(audience)
        try:
            login, problem = self._forms.parse(map_login(name)), ""
        except UnpreparableError as error:
            login, problem = self._forms.parse(NOBODY), str(error)
        # The guard counts all spellings as one; sources look for the one that was typed first.
        counted = visible(name, 100) if problem else login.bare
        attempt = SignInAttempt(address, counted, secret, is_opaque)
        return _SignIn(attempt, login, claim.authzid, started, chain, audience.devices_only, problem)

    def _chain(self, audience: Audience) -> Chain:
        chain = self._chains.get(audience.sources)
        if chain is None:
            kept = [source for source in self.chain.sources if source.name in audience.sources]
            chain = self._chains[audience.sources] = Chain(kept)
        return chain

    def _locked(self, sign_in: _SignIn) -> SignInVerdict | None:
        lock = self._guard.locked(sign_in.attempt)
        if lock is None:
            return None
        now = self._clock.now()
        reply = replies.locked(now + lock.seconds, lock.what, now)
        return self._refused(sign_in, reply, f"locked for {lock.seconds:.0f} s more ({lock.what})")

    # --- by a password

    def _by_password(self, claim: PasswordClaim, sign_in: _SignIn) -> Verdict:
        if is_too_long(claim.password):
            return self._refused(sign_in, replies.WRONG, PASSWORD_TOO_LONG)
        app_password = self._app_passwords.find(claim.password)
        if app_password is not None:
            return self._by_app_password(sign_in, app_password)
        return self._locked(sign_in) or self._decide(sign_in)

    def _decide(self, sign_in: _SignIn) -> Verdict:
        """Tell from memory, or have it checked. The generation is of before the check, which sees none before it."""
        try:
            account = sign_in.chain.look_up(sign_in.login)
            verdict = self._remembers(sign_in, account)
            if verdict is not None:
                return verdict
            generation = sign_in.chain.generation(sign_in.login, account, self._clock.now())
            verdict = self._repeats(sign_in, generation)
        except TemporaryFailure:  # another source may know; the check tells of the outage
            verdict, generation = None, UNTOLD
        return verdict or self._later(sign_in, self._check(sign_in, generation))

    def _remembers(self, sign_in: _SignIn, account: Account | None) -> Verdict | None:
        if account is None:
            return None
        identity, password = account.identity, sign_in.attempt.password
        if not self._remembered.knows(identity.login, identity.generation, password):
            return None
        return self._judge(sign_in, account, REMEMBERED)

    def _repeats(self, sign_in: _SignIn, generation: int) -> SignInVerdict | None:
        """The refusal of what was found wrong lately: an old password in a mail program costs one hash."""
        if not self._guard.repeats(sign_in.attempt, generation):
            return None
        finding = Finding.WRONG if generation else Finding.UNKNOWN
        return self._wrong(sign_in, sign_in.problem or f"{self._word(sign_in, finding)}, as lately")

    async def _check(self, sign_in: _SignIn, generation: int) -> Verdict:
        attempt = sign_in.attempt
        is_known = self._guard.knows(attempt)
        checked = await sign_in.chain.check_password(
            sign_in.login, attempt.password, attempt.address, is_known=is_known
        )
        # Guesses made at the same time count too: who is locked by now is not told the verdict.
        return self._locked(sign_in) or self._answer_password(sign_in, checked, generation)

    def _answer_password(self, sign_in: _SignIn, checked: Checked, generation: int) -> Verdict:
        password = sign_in.attempt.password
        if checked.finding is Finding.RIGHT and checked.account is not None:
            self._remember(sign_in.chain, checked.account.identity, password)
        if checked.finding is Finding.UNAVAILABLE:
            account = self._graced_account(sign_in)
            if account is not None:
                return self._judge(sign_in, account, f"remembered while down: {checked.detail}")
        return self._answer(sign_in, checked, generation, CHECKED)

    def _remember(self, chain: Chain, identity: Identity, password: str) -> None:
        seconds, grace = chain.remember_for(identity)
        self._remembered.remember(identity.login, identity.generation, password, seconds)
        if grace:
            self._graced.remember(identity.login, identity.generation, password, grace)

    def _graced_account(self, sign_in: _SignIn) -> Account | None:
        """Whose password this was while the directory still answered."""
        for account in sign_in.chain.last_known(sign_in.login):
            identity = account.identity
            if self._graced.knows(identity.login, identity.generation, sign_in.attempt.password):
                return account
        return None

    # --- by an app password

    def _by_app_password(self, sign_in: _SignIn, app_password: AppPassword) -> Verdict:
        source = sign_in.chain.named(app_password.source)
        if source is None:
            return self._refused(
                sign_in, replies.WRONG, f"app password of {app_password.source}, not asked here"
            )
        account = self._looked_up(source, sign_in.login)
        if account is None and not source.knows_all:
            return self._later(sign_in, self._find_owner(sign_in, source, app_password))
        return self._judge_app_password(sign_in, account, app_password)

    def _looked_up(self, source: Source, login: Login) -> Account | None:
        account = source.look_up(login)
        if account is None and login.device:
            account = source.look_up(structs.replace(login, typed=login.bare, device=""))
        return account

    async def _find_owner(self, sign_in: _SignIn, source: Source, app_password: AppPassword) -> Verdict:
        """By asking the directory whether the member still is one; while it is down, by what it said last."""
        try:
            account = await source.find(sign_in.login)
        except TemporaryFailure:
            account = sign_in.chain.last_known_by(source.name, sign_in.login)
            if account is None:
                raise
        return self._judge_app_password(sign_in, account, app_password)

    def _judge_app_password(
        self, sign_in: _SignIn, account: Account | None, app_password: AppPassword
    ) -> Verdict:
        name = visible(app_password.name, 60)
        if account is None or account.identity.login != app_password.login:
            return self._failed(
                sign_in, UNTOLD, f'app password "{name}" of another login, or of nobody any more'
            )
        if app_password.is_expired(self._clock.now()):
            return self._refused(sign_in, replies.EXPIRED, f'app password "{name}" has expired')
        if app_password.networks and not covering(app_password.networks)(sign_in.attempt.address):
            return self._refused(
                sign_in, replies.WRONG_NETWORK, f'app password "{name}" from a foreign network'
            )
        return self._judge(sign_in, account, f'app password "{name}"', app_password)

    # --- by another proof

    def _by_proof(self, claim: Claim, sign_in: _SignIn) -> Verdict:
        match claim:
            case ProofClaim(password_id=password_id):
                return self._locked(sign_in) or self._by_scram(sign_in, password_id)
            case TokenClaim():
                return self._locked(sign_in) or self._later(sign_in, self._check_token(sign_in, claim))
            case PrincipalClaim():
                return self._later(sign_in, self._check_principal(sign_in, claim))
            case CertificateClaim():
                return self._later(sign_in, self._check_certificate(sign_in, claim))
        raise TypeError(f"a claim of no known kind: {type(claim).__name__}")

    def _by_scram(self, sign_in: _SignIn, password_id: str | None) -> Verdict:
        if password_id is None:
            return self._failed(sign_in, UNTOLD, "wrong SCRAM proof, or no such login")
        if not password_id.startswith(OWN):
            app_password = self._app_passwords.get(password_id)
            if app_password is None:
                return self._failed(sign_in, UNTOLD, "app password revoked meanwhile")
            return self._by_app_password(sign_in, app_password)
        account = sign_in.chain.look_up(sign_in.login)
        if account is None or password_id != f"{OWN}{account.identity.generation}":
            return self._failed(sign_in, UNTOLD, "the password was changed meanwhile")
        return self._judge(sign_in, account, PROVED)

    async def _check_token(self, sign_in: _SignIn, claim: TokenClaim) -> Verdict:
        checked = await sign_in.chain.check_token(claim)
        return self._locked(sign_in) or self._answer(sign_in, checked, UNTOLD, BROUGHT)

    async def _check_principal(self, sign_in: _SignIn, claim: PrincipalClaim) -> Verdict:
        checked = await sign_in.chain.check_principal(claim)
        return self._answer_proven(sign_in, checked, TICKET)

    async def _check_certificate(self, sign_in: _SignIn, claim: CertificateClaim) -> Verdict:
        checked = Checked(Finding.UNKNOWN)
        for name in claim.names:
            try:
                checked = await sign_in.chain.find(self._forms.parse(map_login(name)))
            except UnpreparableError:
                continue
            if checked.finding is not Finding.UNKNOWN:
                break
        return self._answer_proven(sign_in, checked, f"certificate of {visible(claim.names[0], 100)}")

    # --- judged and answered

    def _answer_proven(self, sign_in: _SignIn, checked: Checked, how: str) -> Verdict:
        """Of what cannot be guessed: who has it and is nobody here is told so, and counted for nothing."""
        if checked.finding in {Finding.RIGHT, Finding.UNAVAILABLE}:
            return self._answer(sign_in, checked, UNTOLD, how)
        return self._wrong(sign_in, f"{how}: {checked.detail or checked.finding.value}")

    def _answer(self, sign_in: _SignIn, checked: Checked, generation: int, how: str) -> Verdict:
        if checked.finding is Finding.RIGHT and checked.account is not None:
            return self._judge(sign_in, checked.account, checked.detail or how)
        if checked.finding is Finding.UNAVAILABLE:
            return self._refused(sign_in, replies.UNAVAILABLE, f"source unavailable: {checked.detail}")
        word = self._word(sign_in, checked.finding)
        detail = f"{word}: {checked.detail}" if checked.detail else word
        return self._failed(sign_in, generation, sign_in.problem or detail)

    def _word(self, sign_in: _SignIn, finding: Finding) -> str:
        """What the journal calls it; a password that was right before is no guess, and the help desk should know."""
        was_right = self._guard.was_right(sign_in.attempt)  # asked of whoever it is, for the time that it takes
        return "previous password" if was_right and finding is not Finding.UNKNOWN else finding.value

    def _failed(self, sign_in: _SignIn, generation: int, explanation: str) -> SignInVerdict:
        slowing = self._guard.failed(sign_in.attempt, generation)
        refused = self._wrong(sign_in, explanation)
        return structs.replace(refused, delay=refused.delay + slowing)

    def _wrong(self, sign_in: _SignIn, explanation: str) -> SignInVerdict:
        """In words that follow from the configuration alone, alike for every login."""
        asked = [source.takes_passwords for source in sign_in.chain.serving(sign_in.login)]
        only_app = bool(asked) and not any(asked)
        return self._refused(sign_in, replies.APP_PASSWORDS_ONLY if only_app else replies.WRONG, explanation)

    def _judge(
        self,
        sign_in: _SignIn,
        account: Account,
        explanation: str,
        app_password: AppPassword | None = None,
    ) -> Verdict:
        """The proof is right: what remains is whether the account may be used, from there, and in that name."""
        self._guard.succeeded(sign_in.attempt)
        if account.suspended is not None:
            return self._refused(sign_in, replies.suspended(account.suspended), "account suspended")
        if sign_in.devices_only and not account.is_device:
            return self._refused(sign_in, replies.DEVICES_ONLY, "no device, at a listener for devices")
        if account.networks and not covering(account.networks)(sign_in.attempt.address):
            return self._refused(
                sign_in, replies.WRONG_NETWORK, f"{explanation}, from a network that is not its"
            )
        source = None if self._grants.is_empty else sign_in.chain.named(account.identity.source)
        if source is None:
            return self._accept(sign_in, account.identity, explanation, app_password)
        granted = self._grants.known(account.identity, sign_in.login, source)
        if granted is None:
            return self._later(sign_in, self._ask(sign_in, account, source, explanation, app_password))
        return self._accept(sign_in, granted, explanation, app_password)

    async def _ask(
        self,
        sign_in: _SignIn,
        account: Account,
        source: Source,
        explanation: str,
        app_password: AppPassword | None,
    ) -> Verdict:
        granted = await self._grants.ask(account.identity, sign_in.login, source)
        return self._accept(sign_in, granted, explanation, app_password)

    def _accept(
        self, sign_in: _SignIn, identity: Identity, explanation: str, app_password: AppPassword | None
    ) -> SignInVerdict:
        """All that the member may send as is known by now; an app password leaves some of it."""
        missing = identity.grant.missing if identity.grant is not None else ""
        if missing:
            explanation = f"{explanation}; some addresses are not known: {missing}"
        if app_password is not None:
            identity = _with_app_password(identity, app_password)
        if sign_in.authzid and not self._may_act_as(identity, sign_in.authzid):
            shown = visible(sign_in.authzid, 100)
            reply = replies.UNAVAILABLE if missing else replies.WRONG
            return self._refused(sign_in, reply, f"{explanation}, but may not act as {shown}")
        return SignInVerdict(identity, replies.ACCEPTED, explanation)

    def _may_act_as(self, identity: Identity, authzid: str) -> bool:
        """RFC 4616 section 2: the login itself, or an address that the member may send from or for."""
        try:
            login = self._forms.parse(map_login(authzid))
            if identity.login in {login.typed, login.bare}:
                return True
            mailbox = parse_mailbox(authzid)
        except (UnpreparableError, AddressError):
            return False
        return covers(identity.addresses, mailbox) or covers(identity.may_send_as, mailbox)

    def _later(
        self, sign_in: _SignIn, decision: Coroutine[Any, Any, Verdict]
    ) -> asyncio.Future[SignInVerdict]:
        return asyncio.get_running_loop().create_task(self._decided(sign_in, decision))

    async def _decided(self, sign_in: _SignIn, decision: Coroutine[Any, Any, Verdict]) -> SignInVerdict:
        try:
            verdict = await decision
            return verdict if isinstance(verdict, SignInVerdict) else await verdict
        except TemporaryFailure as error:
            return self._refused(sign_in, error.reply, error.detail)
        except Exception as error:  # noqa: BLE001 - as in verify
            return self._broken(error, sign_in.started)

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


def _named(claim: Claim) -> tuple[str, str, bool]:
    """Whose login is claimed, what the guard counts in a password's place, and whether that is new each time."""
    match claim:
        case PasswordClaim(authcid=authcid, password=password):
            return authcid, password, False
        case ProofClaim(authcid=authcid, password_id=None):
            return authcid, "scram", True
        case ProofClaim(authcid=authcid, password_id=password_id):
            return authcid, f"scram:{password_id}", False
        case TokenClaim(authzid=authzid, token=token):
            return authzid or "token", f"bearer:{token}", False
        case CertificateClaim(names=names):
            return names[0], "certificate", False
        case PrincipalClaim(principal=principal):
            return principal.partition("@")[0], "ticket", False
    raise TypeError(f"a claim of no known kind: {type(claim).__name__}")


def _with_app_password(identity: Identity, app_password: AppPassword) -> Identity:
    """What the app password leaves of what the account may do."""
    identity = replace(identity, app_password=app_password.id)
    if app_password.senders:
        own = narrowed(identity.addresses, app_password.senders)
        others = narrowed(identity.may_send_as, app_password.senders)
        default = next(
            (parse_mailbox(one) for one in own if not one.startswith(ANY)), identity.default_address
        )
        if not covers(own, identity.default_address):
            identity = replace(identity, default_address=default)
        identity = replace(identity, addresses=own, may_send_as=others)
    return identity
