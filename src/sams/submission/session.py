"""What is done about each event of a connection: what may be sent, when 250 is said.

Theory of operation
-------------------
The engine says what happened and waits for answers; this is where the answers come from. Each event has one small
handler, found in one table. A handler answers at once from memory, or hands a future to `Connection.wait_for` and
answers in the function that the connection calls with the result. What is waited for: the verdict on a password
that must be hashed and the delay of a refusal (`sign_in`), room for one more message where more comes in than the
next hops take (at MAIL, `Services.room_for`), the disk when it lags behind a large body, the sync of that body, and
the commit.

`_log` is this session's row in the activity recorder; `told` are the events that it takes. The recorder counts them,
and writes them to the journal and the log.

A message that was handed to `spool.accept` no longer belongs to the session: it is delivered when its commit
succeeds, whether or not the peer is still there to read the 250.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import msgspec

from sams.activity import events as told
from sams.core.errors import SamsError
from sams.core.reply import Reply, reply
from sams.core.text import visible
from sams.identity.app_passwords.uses import MAX_PROGRAM
from sams.identity.interface import Identity
from sams.policy.quota import QuotaVerdict
from sams.policy.recipients import check_recipient
from sams.protocol.smtp.events import (
    Auth,
    AuthCancelled,
    AuthData,
    BodyChunk,
    BodyEnd,
    BodyRefused,
    BodyStart,
    Closed,
    CommandRefused,
    Hello,
    Mail,
    Quit,
    Rcpt,
    Reset,
    StartTls,
)
from sams.protocol.smtp.server import ServerEngine
from sams.spool.interface import NewMessage, NewRecipient, StoredBody, Work
from sams.submission.composition import Arrival
from sams.submission.connection import BUG, Connection
from sams.submission.deadlines import SESSION_OVER
from sams.submission.entrance import Entrance, Lobby
from sams.submission.failures import failed, unasked, unfinished
from sams.submission.services import Services
from sams.submission.sign_in import SignIn
from sams.submission.tls import ServerTls, TlsError, TlsFacts
from sams.submission.transaction import Transaction

ACCOUNT_CHANGED = reply(421, "4.7.0", "Your account was changed; connect again and sign in")
UNDER_PRESSURE = reply(421, "4.3.2", "Too many connections at the moment for mistakes; closing")
NO_ROUTE = reply(
    550, "5.1.2", "This service has no route to the domain of that address; ask your administrator"
)

PROBE = 1.0
"""Seconds: who leaves before, and said nothing, looked whether the port is open, and waited for nothing."""

_NOBODY = "the engine lets nobody send who has not signed in"
_NO_TRANSACTION = "the engine lets nothing of a message through before MAIL"


class Peer(msgspec.Struct, frozen=True, gc=False):
    """Who connected: address as text (IPv4 never mapped), and our port."""

    address: str
    port: int
    implicit: bool


class Hall(Protocol):
    """Where all sessions of a worker are."""

    def signed_in(self, session: Session) -> None:
        """It is a member's now."""
        ...

    def gone(self, session: Session) -> None:
        """It is over. Called once."""
        ...


class Session:
    """The session behind one connection (`interface.EventHandler`).

    lobby: where it came in; None: nobody may sign in here.
    id: the session's. address: the peer's. identity: who has signed in.
    """

    __slots__ = (
        "_commands",
        "_connection",
        "_engine",
        "_entrance",
        "_hall",
        "_hello_said",
        "_how",
        "_lobby",
        "_log",
        "_security",
        "_services",
        "_sign_in",
        "_size",
        "_storing",
        "_transaction",
        "address",
        "id",
        "identity",
    )

    def __init__(
        self,
        services: Services,
        connection: Connection,
        engine: ServerEngine,
        peer: Peer,
        hall: Hall,
        *,
        lobby: Lobby | None,
    ) -> None:
        self._services = services
        self._connection = connection
        self._engine = engine
        self._hall = hall
        self._lobby = lobby
        self._entrance = lobby.entrance if lobby is not None else None
        self.address = peer.address
        self.id = services.session_ids.next()
        self.identity: Identity | None = None
        self._log = services.activity.session(self.id, peer.address, peer.port, implicit=peer.implicit)
        self._sign_in = SignIn(
            services, connection, engine, self._log, address=peer.address, welcome=self._welcome
        )
        self._commands = 0
        self._how = ""
        self._hello_said: Hello | None = None  # the last
        self._security: tuple[str, str] | None = None  # version and cipher
        self._transaction: Transaction | None = None
        self._size = 0
        self._storing: NewMessage | None = None

    def proxied(self, event: told.Proxied) -> None:
        """It came through a load balancer."""
        self._log.tell(event)

    # --- what the connection calls

    def tls_established(self, facts: TlsFacts) -> None:
        """TLS is on."""
        self._security = facts.version, facts.cipher
        self._log.tell(told.TlsStarted(facts.version, facts.cipher, facts.server_name or "", facts.resumed))
        if self._lobby is not None:
            self._enter(self._lobby.entrance, facts)

    def _enter(self, entrance: Entrance, facts: TlsFacts) -> None:
        """What the handshake told of both ends decides what a sign-in may lean on, and what is offered."""
        self._sign_in.audience = entrance.audience
        is_older = entrance is not self._entrance
        if not (facts.resumed or is_older or facts.certificate):
            self._sign_in.channel = entrance.channel
            return
        channel = entrance.channel_of(facts, is_older=is_older, now=self._services.clock.now())
        if channel.certificate_names and entrance.certified is not None:
            self._engine.use(entrance.certified)
        elif is_older:  # EHLO offers what the channel knows to be offered
            self._engine.use(entrance.settings)
        self._sign_in.channel = channel

    def tls_failed(self, error: TlsError, tls: ServerTls) -> None:
        """TLS failed; the connection ends."""
        self._how = "tls"
        self._log.tell(failed(error, tls))

    def tls_unfinished(self, tls: ServerTls, *, waited: float, late: bool) -> None:
        """The peer let the handshake be, if it was not we who ended it."""
        if self._how:
            return
        if late:
            self._how = "timeout"
        elif waited < PROBE and not (tls.first or self._commands):
            return
        self._log.tell(unfinished(tls, late=late))

    def bug(self, error: Exception) -> Reply:
        """Log a bug whole under a reference; the peer gets the reference alone."""
        self._refund()
        answer = BUG.with_reference(self._services.reference())
        self._how = "bug"
        self._services.log.error("bug", session=self.id, ref=answer.reference, exc_info=error)
        self._log.tell(
            told.Refused("?", str(answer), answer.reference or "", f"{type(error).__name__}: {error}")
        )
        return answer

    def late(self, answer: Reply) -> Reply:
        """Time is up."""
        self._how = "timeout"
        answer = answer.with_reference(self._services.reference())
        self._log.tell(told.Refused("", str(answer), answer.reference or ""))
        return answer

    def failed(self, error: SamsError) -> None:
        """What the session waited for failed: the event that waits is answered with its reply."""
        self._refund()
        self._drop()
        self._refuse(self._engine.asking, error.reply, error.detail)

    def given_up(self) -> None:
        """What the session waited for was given up."""
        self._refund()

    def closed(self) -> None:
        """The connection is gone."""
        self._sign_in.abandon()
        if self._transaction is not None:
            self._drop()
        login = self.identity.login if self.identity is not None else None
        self._services.admission.disconnected(self.address, login)
        self._log.end(self._how or "lost", self._commands)
        self._hall.gone(self)

    # --- what the worker calls

    def revoke(self) -> bool:
        """The account changed: end the session as soon as what is being answered is answered. Whether it must."""
        if self.identity is None or self._services.authenticator.still_valid(self.identity):
            return False
        self._how = "revoked"
        self._connection.end(ACCOUNT_CHANGED)
        return True

    def shut_down(self, answer: Reply) -> bool:
        """The service stops: end now if nothing is under way. Whether it did."""
        if self._connection.is_idle:
            self._how = "shutdown"
            self._connection.end(answer)
            return True
        return False

    def dismiss(self, answer: Reply) -> None:
        """The grace is over: end it with this reply, whatever is under way; after the answer that it waits for."""
        self._how = "shutdown"
        self._connection.end(answer)

    def look_again(self) -> None:
        """Places are few now: who has not signed in has less time."""
        self._connection.look_again()

    def give_way(self) -> None:
        """All connections are taken, and this one has not signed in: end it without a word."""
        self._how = "limits"
        self._connection.abort()

    def cut(self) -> None:
        """The service ends: end it without a word."""
        self._how = "shutdown"
        self._connection.abort()

    # --- greeting and TLS

    def _hello(self, event: Hello) -> None:
        self._commands += 1
        self._hello_said = event
        self._log.tell(told.Greeted("EHLO" if event.esmtp else "HELO", event.name))

    def _start_tls(self, _: StartTls) -> None:
        self._commands += 1
        self._connection.start_tls()

    def _refused(self, event: CommandRefused) -> None:
        self._commands += 1
        if event.verb == "?" and (failure := unasked(self._engine.opening)) is not None:
            self._how = "tls"
            self._log.tell(failure)
        reference = event.reply.reference or ""
        self._log.tell(told.Refused(event.verb, str(event.reply), reference, said=event.said))
        self._end_under_pressure()

    def _end_under_pressure(self) -> None:
        """Who made a mistake and has not signed in gives way while places are few."""
        if self.identity is None and self._services.admission.under_pressure:
            self._how = "limits"
            self._connection.end(UNDER_PRESSURE)

    def _quit(self, _: Quit) -> None:
        self._how = "quit"

    def _closed(self, event: Closed) -> None:
        if event.reply is not None and not self._how:
            self._how = "protocol"
        self._connection.close()

    # --- signing in

    def _auth(self, event: Auth) -> None:
        self._commands += 1
        self._sign_in.begin(event)

    def _auth_data(self, event: AuthData) -> None:
        self._sign_in.respond(event)

    def _auth_cancelled(self, event: AuthCancelled) -> None:
        self._sign_in.cancel(event)
        self._end_under_pressure()

    def _welcome(self, identity: Identity) -> None:
        self.identity = identity
        self._connection.progress.signed_in = True
        if identity.app_password:
            self._services.note_use(identity.app_password, self.address, "")
        self._hall.signed_in(self)

    # --- the envelope

    def _mail(self, event: Mail) -> None:
        self._commands += 1
        identity, services = self.identity, self._services
        assert identity is not None, _NOBODY
        if self._connection.is_over_its_time:
            self._how = "timeout"
            self._refuse("MAIL", SESSION_OVER)
            return
        if not services.authenticator.still_valid(identity):
            self._how = "revoked"
            self._refuse("MAIL", ACCOUNT_CHANGED)
            return
        verdict = services.senders.check_envelope(identity, event.reverse_path)
        if verdict.warnings:
            self._warn(verdict.warnings)
        if verdict.reply is not None:
            self._refuse("MAIL", verdict.reply, verdict.detail)
            return
        self._transaction = transaction = Transaction(event)
        self._connection.progress.in_transaction = True
        room = services.room_for(identity.login)
        if room is None:
            self._engine.accept_sender()
        else:
            self._connection.wait_for(room, lambda _: self._accept_sender(transaction))

    def _accept_sender(self, transaction: Transaction) -> None:
        """There is room for a message now."""
        if self._transaction is transaction:  # else the peer hung up meanwhile
            self._engine.accept_sender()

    def _rcpt(self, event: Rcpt) -> None:
        self._commands += 1
        transaction, member, services = self._transaction, self.identity, self._services
        assert transaction is not None, _NO_TRANSACTION
        assert member is not None, _NOBODY
        reverse_path, count, refusal = transaction.mail.reverse_path, len(transaction.recipients) + 1, None
        if member.recipients:
            refusal = check_recipient(member, event.recipient.mailbox)
        if reverse_path is None:
            refusal = refusal or services.senders.check_null_sender(count)
        if refusal is None:  # would so many be too much? told now, before the octets are sent for nothing
            refusal = services.quota.foresee(member, count)
            if refusal is not None:
                self._tell_quota(member, services.quota.refused(member, count))
        if refusal is None:
            route = services.route_of(event.recipient.mailbox.domain)
            if route is not None:
                transaction.recipients.append(NewRecipient(event.recipient, route))
                self._engine.accept_recipient()
                return
            refusal = NO_ROUTE
        self._refuse("RCPT", refusal)

    def _tell_quota(self, member: Identity, verdict: QuotaVerdict) -> None:
        if verdict.warn:
            self._services.alarm("quota", verdict.text, member.login)
            self._services.notice(member, verdict.text)

    def _reset(self, _: Reset) -> None:
        self._commands += 1
        self._drop()

    # --- the content

    def _body_start(self, _: BodyStart) -> None:
        self._commands += 1
        transaction, services = self._transaction, self._services
        assert transaction is not None, _NO_TRANSACTION
        message_id = services.spool.next_id()
        try:
            writer = services.spool.new_body(message_id)
        except SamsError as error:
            self._refuse("DATA", error.reply, error.detail)
            self._drop()
            return
        transaction.begin(message_id, writer, services.header_limits, services.mime_limits)
        reverse_path, recipients = transaction.mail.reverse_path, transaction.recipients
        sender = str(reverse_path) if reverse_path is not None else ""
        self._log.tell(told.Enveloped(sender, len(recipients), transaction.first_recipient))
        progress = self._connection.progress
        progress.body_began, progress.body_octets = progress.last_heard, 0
        self._engine.accept_body()

    def _body_chunk(self, event: BodyChunk) -> None:
        transaction = self._transaction
        assert transaction is not None, _NO_TRANSACTION
        failure = transaction.feed(event.data)
        if failure is not None and self._engine.in_body:
            self._engine.refuse_body(failure.reply)
        lag = transaction.congestion()
        if lag is not None:
            self._connection.wait_for(lag, _go_on)

    def _body_refused(self, event: BodyRefused) -> None:
        assert self._transaction is not None, _NO_TRANSACTION
        failure = self._transaction.failure
        detail = failure.detail if failure is not None else ""
        self._log.tell(told.Refused("DATA", str(event.reply), event.reply.reference or "", detail))
        self._drop()

    def _body_end(self, event: BodyEnd) -> None:
        transaction = self._transaction
        assert transaction is not None, _NO_TRANSACTION
        self._connection.progress.body_began = None
        self._size = event.size
        if event.rest:
            transaction.feed(event.rest)
        try:
            stored = transaction.finish()
        except SamsError as error:
            self._answer_body(error)
            return
        if isinstance(stored, asyncio.Future):
            self._connection.wait_for(stored, self._store)
        else:
            self._store(stored)

    def _store(self, body: StoredBody) -> None:
        transaction, member = self._transaction, self.identity
        if transaction is None:
            return  # the peer hung up meanwhile, and the body is being removed
        assert member is not None, _NOBODY
        try:
            message = self._compose(transaction, member, body)
        except SamsError as error:
            self._answer_body(error)
            return
        transaction.keep()
        self._storing = message
        self._connection.wait_for(self._services.spool.accept(message), self._accepted)

    def _refund(self) -> None:
        """Whether or not the peer is still there: what was not stored costs nothing."""
        message, self._storing = self._storing, None
        if message is not None and self.identity is not None:
            self._services.quota.refund(self.identity, len(message.recipients))

    def _compose(self, transaction: Transaction, member: Identity, body: StoredBody) -> NewMessage:
        """The message as it is stored; charged last, so that a refused one costs the member nothing."""
        services, hello = self._services, self._hello_said
        assert hello is not None, _NOBODY
        arrival = Arrival(
            session=self.id,
            helo_name=hello.name,
            address=self.address,
            extended=hello.esmtp,
            tls=self._security,
            at=services.clock.now(),
        )
        composed = services.composer.compose(arrival, member, transaction, body)
        if composed.warnings:
            self._warn(composed.warnings)
        verdict = services.quota.charge(member, len(transaction.recipients))
        if verdict.warn:
            self._tell_quota(member, verdict)
        if verdict.reply is not None:
            raise SamsError(verdict.reply)
        if member.app_password:
            services.note_use(member.app_password, self.address, _program(transaction))
        return composed.message

    def _accepted(self, works: tuple[Work, ...]) -> None:
        self._services.submit(works)
        message, self._storing = self._storing, None
        if message is None:
            return  # a bug ended the session meanwhile
        self._log.tell(told.Accepted(message.id, self._size, len(message.recipients)))
        self._end_transaction()
        said = f"250 2.0.0 Message accepted for delivery as {message.id}\r\n"
        self._engine.accept_message(said.encode("ascii"))

    # --- shared by the handlers

    def _refuse(self, verb: str, answer: Reply, detail: str = "") -> None:
        said = self._engine.answer(answer)
        self._log.tell(told.Refused(verb, str(said), said.reference or "", detail))

    def _answer_body(self, error: SamsError) -> None:
        self._drop()
        self._refuse("DATA", error.reply, error.detail)

    def _warn(self, warnings: tuple[str, ...]) -> None:
        for warning in warnings:
            self._log.tell(told.Warned("sender", warning))

    def _drop(self) -> None:
        if self._transaction is not None:
            self._transaction.discard()
            self._end_transaction()

    def _end_transaction(self) -> None:
        self._transaction = None
        progress = self._connection.progress
        progress.in_transaction, progress.body_began = False, None

    handlers: ClassVar[Mapping[type, Callable[[Session, Any], None]]] = {
        Hello: _hello,
        StartTls: _start_tls,
        CommandRefused: _refused,
        Quit: _quit,
        Closed: _closed,
        Auth: _auth,
        AuthData: _auth_data,
        AuthCancelled: _auth_cancelled,
        Mail: _mail,
        Rcpt: _rcpt,
        Reset: _reset,
        BodyStart: _body_start,
        BodyChunk: _body_chunk,
        BodyRefused: _body_refused,
        BodyEnd: _body_end,
    }


def _program(transaction: Transaction) -> str:
    """What the member's mail program calls itself; empty: it does not say."""
    header = transaction.header
    named = (header.first(b"user-agent") or header.first(b"x-mailer")) if header is not None else None
    return visible(b" ".join(named.split()), MAX_PROGRAM) if named else ""


def _go_on(_: None) -> None:
    """The disk has caught up."""
