"""One AUTH exchange after another, until somebody has signed in: mechanism, verdict, answer.

Theory of operation
-------------------
A mechanism makes steps of octets (`protocol/sasl/interface.py`) until it has a claim, and the authenticator a verdict
of the claim, at once or later, perhaps with a delay. Where the mechanism has a last word, the verdict waits
(`_last_word`) until the peer has answered it. Of a crowd a few are decided at a time, and the others stand in line
(`core/turns.py`). Only `_conclude` signs somebody in: it counts the connection as the
member's, tells the session and says 235, all in one go, so that an exchange that ends anywhere before it (`*`, a
response that should have been empty, the peer gone) leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from sams.activity import events as told
from sams.activity.interface import SessionLog
from sams.core.errors import PeerFault, SamsError
from sams.core.reply import Reply, reply
from sams.identity.interface import BUILTIN, EVERYBODY, Identity, SignInVerdict, Why
from sams.protocol.sasl.interface import (
    CertificateClaim,
    Challenge,
    Channel,
    Claim,
    KeyedMechanism,
    Malformed,
    NeedKeys,
    PasswordClaim,
    PrincipalClaim,
    ProofClaim,
    ScramKeys,
    ServerMechanism,
    Step,
    TokenClaim,
    Verify,
)
from sams.protocol.smtp.events import Auth, AuthCancelled, AuthData
from sams.protocol.smtp.server import ServerEngine
from sams.submission.connection import Connection
from sams.submission.services import Services
from sams.submission.tls import HAS_EXPORTER

NOT_EMPTY = reply(501, "5.5.2", "The exchange ends with an empty response; you are not signed in")
NOTHING_KNOWN = Channel()
DECIDED_AT_ONCE = 8
"""Sign-ins decided in one round of the loop, of some 50 microseconds to 200 each."""
KEYS_AFTER = 0.005
"""Seconds after which the answer to SCRAM's first message is sent, whose login it is or nobody's."""


class SignIn:
    """The sign-ins of one session.

    address: the peer's. welcome: told who it is, before the client hears of it.
    channel, audience: what TLS and the listener know, and who may sign in here; set when TLS is on.
    """

    __slots__ = (
        "_address",
        "_claim",
        "_connection",
        "_engine",
        "_is_over",
        "_last_word",
        "_log",
        "_mechanism",
        "_name",
        "_pending",
        "_services",
        "_was_at_once",
        "_welcome",
        "audience",
        "channel",
    )

    def __init__(
        self,
        services: Services,
        connection: Connection,
        engine: ServerEngine,
        log: SessionLog,
        *,
        address: str,
        welcome: Callable[[Identity], None],
    ) -> None:
        self._services = services
        self._connection = connection
        self._engine = engine
        self._log = log
        self._address = address
        self._welcome = welcome
        self.audience = EVERYBODY
        self.channel = NOTHING_KNOWN
        self._mechanism: ServerMechanism | None = None
        self._name = ""
        self._claim: Verify | None = None
        self._was_at_once = False
        self._pending: asyncio.Future[SignInVerdict] | asyncio.Future[None] | None = None
        self._last_word: SignInVerdict | None = None
        self._is_over = False

    def begin(self, event: Auth) -> None:
        """AUTH with a mechanism that the listener offers."""
        self._name = name = event.mechanism
        self._claim = None
        try:
            self._mechanism = mechanism = self._services.mechanisms.create(name, self._channel_for(name))
            step = mechanism.start(event.initial)
        except SamsError as error:
            self._fail(error)
        else:
            self._take(step)

    def respond(self, event: AuthData) -> None:
        """The response to a challenge."""
        if self._last_word is not None:
            self._end(self._last_word, event.data)
            return
        assert self._mechanism is not None, "the engine lets no response through without a challenge"
        try:
            step = self._mechanism.respond(event.data)
        except SamsError as error:
            self._fail(error)
        else:
            self._take(step)

    def cancel(self, event: AuthCancelled) -> None:
        """The exchange ended before its reply; the engine has said so. Nobody is signed in, whatever the verdict."""
        verdict, self._last_word, self._mechanism = self._last_word, None, None
        if verdict is not None and verdict.identity is None:
            self._tell_refused(event.reply, verdict.explanation, verdict.why)
        else:
            self._log.tell(told.Refused("AUTH", str(event.reply), event.reply.reference or ""))

    def abandon(self) -> None:
        """The peer is gone: what it waits for is nobody's. Counted now, it would never be counted out."""
        self._is_over = True
        del self._welcome  # it is the session's, which holds this
        if self._pending is not None:
            self._pending.cancel()

    def _channel_for(self, name: str) -> Channel:
        """What the mechanism may lean on; the exporter is computed for who may bind to it alone."""
        if not (HAS_EXPORTER and name.endswith("-PLUS")):
            return self.channel
        return msgspec.structs.replace(self.channel, exporter=self._connection.tls_exporter())

    def _take(self, step: Step) -> None:
        match step:
            case Verify(claim=claim):
                self._mechanism, self._claim = None, step
                if self._services.sign_ins.take():
                    self._decide(claim)
                else:
                    self._pending = turn = self._turn()
                    self._connection.wait_for(turn, lambda _: self._decide(claim))
            case Challenge(data=data):
                self._engine.challenge(data)
            case NeedKeys(authcid=login, hash_name=hash_name):
                answered = _pause(KEYS_AFTER)  # begun first: no time tells how long it took to look for keys
                keyed = self._mechanism
                assert isinstance(keyed, KeyedMechanism), "only one that takes keys asks for them"
                keys = self._services.authenticator.scram_keys(login, hash_name, self.audience)
                self._connection.wait_for(answered, lambda _: self._resume(keyed, keys))
            case Malformed(text=text):
                self._fail(PeerFault(reply(501, "5.5.2", text)))

    def _turn(self) -> asyncio.Future[None]:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._services.sign_ins.stand_in_line(lambda: _finish(turn))
        return turn

    def _decide(self, claim: Claim) -> None:
        self._pending = None
        if self._is_over:
            return
        verdict = self._services.authenticator.verify(claim, self._address, self.audience)
        self._was_at_once = isinstance(verdict, SignInVerdict)
        if isinstance(verdict, SignInVerdict):
            self._decided(verdict)
        else:
            self._pending = verdict
            self._connection.wait_for(verdict, self._decided)

    def _resume(self, mechanism: KeyedMechanism, keys: ScramKeys) -> None:
        if not self._is_over:
            self._take(mechanism.resume(keys))

    def _fail(self, error: SamsError) -> None:
        """The exchange is over, without a claim."""
        self._mechanism = None
        said = self._engine.answer(error.reply)
        self._log.tell(told.Refused("AUTH", str(said), said.reference or "", error.detail))

    def _decided(self, verdict: SignInVerdict) -> None:
        self._pending = None
        if verdict.delay > 0:
            self._connection.wait_for(_pause(verdict.delay), lambda _: self._tell(verdict))
        else:
            self._tell(verdict)

    def _tell(self, verdict: SignInVerdict) -> None:
        """The reply, or first the mechanism's last word."""
        if self._is_over:
            return
        done = self._claim
        assert done is not None, "a verdict is about a claim"
        if verdict.identity is not None:
            last_word = done.on_success
        else:  # what fails for now has nothing to do with the token, which the client shall not throw away
            last_word = None if verdict.reply.is_temporary else done.on_failure
        if last_word is None:
            self._conclude(verdict)
        else:
            self._last_word = verdict
            self._engine.challenge(last_word)

    def _end(self, verdict: SignInVerdict, response: bytes) -> None:
        """The peer answered the last word: with nothing, where it was signed in; with anything, where it was not."""
        self._last_word = None
        if verdict.identity is not None and response:
            self._fail(PeerFault(NOT_EMPTY))
        else:
            self._conclude(verdict)

    def _conclude(self, verdict: SignInVerdict) -> None:
        identity = verdict.identity
        if identity is None:
            self._refuse(verdict.reply, verdict.explanation, verdict.why)
            return
        refusal = self._services.admission.signed_in(self._address, identity.login)
        if refusal is not None:
            self._refuse(refusal, "too many connections of this login", "unavailable")
            return
        self._welcome(identity)
        self._engine.accept_sign_in()
        source = "" if identity.source == BUILTIN else identity.source
        how = "" if verdict.is_ordinary else verdict.explanation
        remembered = self._was_remembered(identity)
        self._log.tell(told.SignedIn(identity.login, self._name, remembered, source, how))

    def _was_remembered(self, identity: Identity) -> bool:
        """Whether a password was found right without a hash: one that was remembered."""
        done = self._claim
        is_password = done is not None and isinstance(done.claim, PasswordClaim)
        return self._was_at_once and is_password and not identity.app_password

    def _refuse(self, answer: Reply, explanation: str, why: Why) -> None:
        self._tell_refused(self._engine.answer(answer), explanation, why)

    def _tell_refused(self, said: Reply, explanation: str, why: Why) -> None:
        who = claimed_login(self._claim.claim) if self._claim is not None else ""
        self._log.tell(told.SignInRefused(who, self._name, why, str(said), said.reference or "", explanation))


def claimed_login(claim: Claim) -> str:
    """Who somebody claims to be, for the journal; as it was sent, or as it is proved to be."""
    match claim:
        case PasswordClaim() | ProofClaim():
            return claim.authcid
        case CertificateClaim():
            return claim.authzid or claim.names[0]
        case PrincipalClaim():
            return claim.principal
        case TokenClaim():
            return claim.authzid


def _pause(seconds: float) -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    loop.call_later(seconds, _finish, done)
    return done


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
