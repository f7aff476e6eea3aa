"""The server engine of a submission server: bytes in, events out; replies in, bytes out.

Theory of operation. A session is always in one `State`. Each state has one reader in `_READERS`: most read a
command, the others the octets of a message, a response of AUTH, or octets to drop. `next_event` runs the reader
of the state until it tells an event or what it needs.

A command goes through `states.RULES`, which refuses what has no place in the state, then to its handler in one of
the `verbs_…` modules. A handler queues a reply, or asks by an event; a yes is an `accept_…` of the engine, any other
answer goes through `_REFUSES`. A handler refuses by raising: a PeerFault is a mistake of the peer and counted, other
failures are no mistake.

Replies are gathered until `take_output`, so that a batch of pipelined commands is answered by one write
(RFC 2920 section 3.2).
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Mapping

from sams.core.envelope import Body
from sams.core.reply import Reply
from sams.protocol.smtp import replies, verbs_auth, verbs_envelope, verbs_message, verbs_session
from sams.protocol.smtp.commands import read_command
from sams.protocol.smtp.conversation import Conversation
from sams.protocol.smtp.events import Asking, Auth, BodyEnd, BodyStart, Event, Mail, Need, Rcpt
from sams.protocol.smtp.incoming import Incoming
from sams.protocol.smtp.phrases import RECIPIENT_ACCEPTED, SENDER_ACCEPTED, SIGNED_IN, START_MAIL_INPUT
from sams.protocol.smtp.reply_lines import encode
from sams.protocol.smtp.settings import ServerSettings
from sams.protocol.smtp.states import BODY, RULES, TRANSACTION, State

# Names, for Python 3.11 takes its time to find a member.
_NEED_ANSWER = Need.ANSWER
_HANDSHAKE, _SECURED = State.HANDSHAKE, State.SECURED
_READY, _MAIL, _RCPT = State.READY, State.MAIL, State.RCPT
_DATA, _CHUNK, _BINARY = State.DATA, State.CHUNK, Body.BINARY_MIME


class ProtocolMisuse(Exception):
    """The session called what the engine's state does not allow: a bug of ours, never the peer's fault."""


class ServerEngine:
    """One session's protocol.

    settings: the listener's.
    tls: whether the connection is inside TLS already (implicit TLS).
    reference: makes the reference that each refusal carries; called once a refusal.
    receive: takes bytes from the peer. Cheap: they are looked at in `next_event`.
    """

    __slots__ = ("_talk", "receive")

    def __init__(self, settings: ServerSettings, *, tls: bool, reference: Callable[[], str]) -> None:
        self._talk = Conversation(settings, tls=tls, reference=reference)
        self.receive: Callable[[bytes], None] = self._talk.inbox.feed

    def greet(self) -> None:
        """Queue the greeting. Once, before anything else."""
        self._talk.out += self._talk.settings.phrases.greeting

    def next_event(self) -> Event | Need:
        """The next thing that happened, or what has to happen before there is one."""
        talk = self._talk
        while not talk.events:
            if talk.asked is not None:
                return _NEED_ANSWER
            told = _READERS[talk.state](talk)
            if told is not None:
                return told
        return talk.events.popleft()

    def answer(self, reply: Reply) -> Reply:
        """Answer the event that asks.

        A refusal (4yz, 5yz) without a reference gets one. A 421 ends the session: Closed follows.

        Returns:
            The reply as it is sent, with its reference.

        Raises:
            ProtocolMisuse: nothing was asked, or the reply does not fit what was asked.
        """
        talk, asked = self._talk, self._talk.asked
        if asked is None or (reply.code < 400 and reply.code not in _POSITIVE[asked]):
            raise ProtocolMisuse(f"{reply.code} answers nothing in state {talk.state.name}")
        if reply.code < 400:
            _ACCEPTS[asked](self, encode(reply))
            return reply
        talk.asked = None
        if reply.code >= 400:
            reply = talk.with_reference(reply)
        if reply.code == 421:
            talk.queue(reply)
            talk.events.append(talk.shut(reply))
        else:
            _REFUSES[asked](talk, reply)
        return reply

    def accept_sign_in(self, said: bytes = SIGNED_IN) -> None:
        """Answer Auth or AuthData with yes. said: the reply in octets.

        Raises:
            ProtocolMisuse: neither of them asks.
        """
        talk = self._talk
        if talk.asked is not Auth:
            raise _unasked(Auth, talk)
        talk.asked = None
        talk.out += said
        talk.authenticated = True
        talk.state = _READY

    def accept_sender(self, said: bytes = SENDER_ACCEPTED) -> None:
        """Answer Mail with yes. said: the reply in octets.

        Raises:
            ProtocolMisuse: Mail does not ask.
        """
        talk = self._talk
        if talk.asked is not Mail:
            raise _unasked(Mail, talk)
        talk.asked = None
        talk.out += said
        talk.state = _MAIL

    def accept_recipient(self, said: bytes = RECIPIENT_ACCEPTED) -> None:
        """Answer Rcpt with yes. said: the reply in octets.

        Raises:
            ProtocolMisuse: Rcpt does not ask.
        """
        talk = self._talk
        if talk.asked is not Rcpt:
            raise _unasked(Rcpt, talk)
        talk.asked = None
        talk.out += said
        talk.recipients += 1
        talk.state = _RCPT

    def challenge(self, data: bytes) -> None:
        """Send a SASL challenge (334) in answer to Auth or AuthData. AuthData or AuthCancelled follows.

        Raises:
            ProtocolMisuse: neither of them asks.
        """
        talk = self._talk
        if talk.asked is not Auth:
            raise _unasked(Auth, talk)
        talk.asked = None
        talk.out += b"334 %b\r\n" % b2a_base64(data, newline=False)

    def accept_body(self) -> None:
        """Answer BodyStart with yes: 354 for DATA, nothing to be said for BDAT. Chunks follow.

        Raises:
            ProtocolMisuse: BodyStart does not ask.
        """
        talk = self._talk
        if talk.asked is not BodyStart:
            raise _unasked(BodyStart, talk)
        talk.asked = None
        talk.incoming = Incoming(talk.settings, binary=talk.parameters.body is _BINARY)
        if talk.state is _CHUNK:
            talk.incoming.expect(talk.chunk.size)
        else:
            talk.state = _DATA
            talk.out += START_MAIL_INPUT

    def accept_message(self, said: bytes) -> None:
        """Answer BodyEnd with yes. said: the reply in octets, 250 and one line.

        Raises:
            ProtocolMisuse: BodyEnd does not ask.
        """
        talk = self._talk
        if talk.asked is not BodyEnd:
            raise _unasked(BodyEnd, talk)
        talk.asked = None
        talk.out += said
        talk.end_transaction(_READY)
        talk.allowance.message_accepted()

    def refuse_body(self, reply: Reply) -> Reply:
        """Refuse the message that is coming in: no more chunks, the reply at its end, then BodyRefused.

        For a session that cannot keep what it gets. Chunks that are ready already may still follow.

        Returns:
            The reply as it will be sent, with its reference.

        Raises:
            ProtocolMisuse: no message is coming in, or BodyEnd asks already.
        """
        talk = self._talk
        if talk.incoming is None or talk.asked is not None:
            raise ProtocolMisuse(f"no message is coming in in state {talk.state.name}")
        talk.incoming.refusal = reply = talk.with_reference(reply)
        return reply

    def tls_established(self) -> None:
        """The handshake after StartTls is done. Everything said before is forgotten, but the counters.

        Raises:
            ProtocolMisuse: there was no StartTls.
        """
        talk = self._talk
        if talk.state is not _HANDSHAKE:
            raise ProtocolMisuse("no handshake was due")
        if talk.inbox.size:
            talk.events.appendleft(talk.refuse_and_shut("STARTTLS", replies.INJECTED))
        else:
            talk.begin(_SECURED, tls=True)

    def use(self, settings: ServerSettings) -> None:
        """Offer from now on what these settings of the same listener offer: the handshake told who the peer is."""
        self._talk.settings = settings

    def close(self, reply: Reply) -> Reply:
        """End the session from this side (time-out, shut-down): queue the reply; only Closed follows.

        Returns:
            The reply as it is sent, with its reference.
        """
        talk = self._talk
        reply = talk.with_reference(reply)
        if talk.state is not State.CLOSED:
            talk.events.clear()
            talk.queue(reply)
            talk.events.append(talk.shut(reply))
        return reply

    def take_output(self) -> bytes:
        """Everything queued since the last call, to be written in one write; may be empty."""
        talk = self._talk
        out, talk.out = talk.out, b""
        return out

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._talk.state

    @property
    def opening(self) -> bytes:
        """Before TLS, the first octets of what is no SMTP at all, as many as came at once; empty where it is SMTP."""
        return self._talk.opening

    @property
    def in_transaction(self) -> bool:
        """Whether a MAIL was accepted whose message is not settled yet."""
        return self._talk.state in TRANSACTION

    @property
    def in_body(self) -> bool:
        """Whether octets of a message are expected now, rather than a command."""
        return self._talk.state in BODY and self._talk.asked is None

    @property
    def asking(self) -> str:
        """The verb whose answer the engine waits for; empty when it waits for none. A message is of DATA."""
        return _VERBS[self._talk.asked] if self._talk.asked is not None else ""

    @property
    def tls(self) -> bool:
        """Whether the engine's bytes pass TLS."""
        return self._talk.tls

    @property
    def authenticated(self) -> bool:
        """Whether a sign-in was answered with 235."""
        return self._talk.authenticated

    @property
    def esmtp(self) -> bool:
        """Whether the last greeting was EHLO."""
        return self._talk.esmtp

    @property
    def helo_name(self) -> str | None:
        """What the peer calls itself, cleaned; None before HELO or EHLO."""
        return self._talk.helo_name


def _unasked(event: type[Asking], talk: Conversation) -> ProtocolMisuse:
    return ProtocolMisuse(f"{event.__name__} does not ask in state {talk.state.name}")


_READERS: Mapping[State, Callable[[Conversation], Event | Need | None]] = {
    **dict.fromkeys(RULES, read_command),
    State.HANDSHAKE: verbs_session.read_handshake,
    State.SIGNING_IN: verbs_auth.read_response,
    State.DATA: verbs_message.read_data,
    State.CHUNK: verbs_message.read_chunk,
    State.DISCARD: verbs_message.read_discard,
    State.CLOSED: lambda _talk: Need.NOTHING,
}
_REFUSES: Mapping[type[Asking], Callable[[Conversation, Reply], None]] = {
    Auth: verbs_auth.refuse_auth,
    Mail: verbs_envelope.refuse_mail,
    Rcpt: verbs_envelope.refuse_rcpt,
    BodyStart: verbs_message.refuse_body_start,
    BodyEnd: verbs_message.refuse_body_end,
}
_ACCEPTS: Mapping[type[Asking], Callable[[ServerEngine, bytes], None]] = {
    Auth: ServerEngine.accept_sign_in,
    Mail: ServerEngine.accept_sender,
    Rcpt: ServerEngine.accept_recipient,
    BodyEnd: ServerEngine.accept_message,
}
_POSITIVE: Mapping[type[Asking], tuple[int, ...]] = {
    Auth: (235,),
    Mail: (250,),
    Rcpt: (250, 251, 252),
    BodyStart: (),
    BodyEnd: (250,),
}
_VERBS: Mapping[type[Asking], str] = {
    Auth: "AUTH",
    Mail: "MAIL",
    Rcpt: "RCPT",
    BodyStart: "DATA",
    BodyEnd: "DATA",
}
