"""One AUTH exchange after another, until somebody has signed in: mechanism, verdict, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sams.activity import events as told
from sams.activity.interface import SessionLog
from sams.core.reply import Reply, reply
from sams.identity.interface import Finding, Identity, SignInVerdict
from sams.protocol.sasl.interface import Challenge, Malformed, ServerMechanism, Step, Verify
from sams.protocol.smtp.events import Auth, AuthCancelled, AuthData
from sams.protocol.smtp.server import ServerEngine
from sams.submission.connection import Connection
from sams.submission.services import Services


class SignIn:
    """The sign-ins of one session.

    address: the peer's. welcome: told who it is, before the client hears of it.
    """

    __slots__ = (
        "_address",
        "_claimed",
        "_connection",
        "_engine",
        "_is_over",
        "_log",
        "_mechanism",
        "_name",
        "_pending",
        "_services",
        "_welcome",
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
        self._mechanism: ServerMechanism | None = None
        self._name = ""
        self._claimed = ""
        self._pending: asyncio.Future[SignInVerdict] | None = None
        self._is_over = False

    def begin(self, event: Auth) -> None:
        """AUTH with a mechanism that the listener offers."""
        self._name = event.mechanism
        self._mechanism = self._services.mechanisms.create(event.mechanism)
        self._take(self._mechanism.start(event.initial))

    def respond(self, event: AuthData) -> None:
        """The response to a challenge."""
        assert self._mechanism is not None, "the engine lets no response through without a challenge"
        self._take(self._mechanism.respond(event.data))

    def cancel(self, event: AuthCancelled) -> None:
        """The exchange ended without a verdict; the engine has said so."""
        self._mechanism = None
        self._log.tell(told.Refused("AUTH", str(event.reply), event.reply.reference or ""))

    def abandon(self) -> None:
        """The peer is gone: a verdict that still comes is nobody's. Counted now, it would never be counted out."""
        self._is_over = True
        del self._welcome  # it is the session's, which holds this
        if self._pending is not None:
            self._pending.cancel()

    def _take(self, step: Step) -> None:
        match step:
            case Verify(claim=claim):
                self._mechanism, self._claimed = None, claim.authcid
                verdict = self._services.authenticator.verify(claim, self._address)
                if isinstance(verdict, SignInVerdict):
                    self._decided(verdict, remembered=True)
                else:
                    self._pending = verdict
                    self._connection.wait_for(verdict, self._decided)
            case Challenge(data=data):
                self._engine.challenge(data)
            case Malformed(text=text):
                self._mechanism = None
                said = self._engine.answer(reply(501, "5.5.2", text))
                self._log.tell(told.Refused("AUTH", str(said), said.reference or ""))

    def _decided(self, verdict: SignInVerdict, *, remembered: bool = False) -> None:
        self._pending = None
        if verdict.delay > 0:
            self._connection.wait_for(
                _pause(verdict.delay), lambda _: self._tell(verdict, remembered=remembered)
            )
        else:
            self._tell(verdict, remembered=remembered)

    def _tell(self, verdict: SignInVerdict, *, remembered: bool) -> None:
        if self._is_over:
            return
        if verdict.identity is None:
            self._refuse(verdict.reply, verdict.explanation)
            return
        refusal = self._services.admission.signed_in(self._address, verdict.identity.login)
        if refusal is not None:
            self._refuse(refusal, "too many connections of this login")
            return
        self._welcome(verdict.identity)
        self._engine.answer(verdict.reply)
        self._log.tell(told.SignedIn(verdict.identity.login, self._name, remembered))

    def _refuse(self, answer: Reply, explanation: str) -> None:
        said = self._engine.answer(answer)
        why = _word_for(said, explanation)
        self._log.tell(
            told.SignInRefused(self._claimed, self._name, why, str(said), said.reference or "", explanation)
        )


def _word_for(refusal: Reply, explanation: str) -> str:
    """The one word under which a refused sign-in is counted (`activity.metrics.SIGN_IN_REFUSALS`)."""
    if str(refusal.status) == "5.7.13":
        return "suspended"
    if explanation.startswith(Finding.UNKNOWN.value):
        return "unknown"
    if refusal.is_temporary:
        return "locked" if explanation.startswith("locked") else "unavailable"
    return "password"


def _pause(seconds: float) -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    loop.call_later(seconds, _finish, done)
    return done


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
