"""What one session knows and says: the state that the handlers of verbs share, and how replies and ends go out.

Nothing here decides; `commands` and the `verbs_…` modules do, `ServerEngine` is its face to the session.

What happened is told by being returned: a handler, a reader and the methods here return the event that the session
hears next, or None. Where one step makes several events, the later ones wait in `events`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from sams.core.reply import Reply
from sams.protocol.smtp import replies
from sams.protocol.smtp.allowance import Allowance
from sams.protocol.smtp.events import NO_PARAMETERS, Asking, Closed, CommandRefused, Event, MailParameters
from sams.protocol.smtp.inbox import Inbox
from sams.protocol.smtp.incoming import Chunk, Incoming
from sams.protocol.smtp.reply_lines import encode
from sams.protocol.smtp.settings import ServerSettings
from sams.protocol.smtp.states import Refusal, State

# Names, for Python 3.11 takes its time to find a member.
_CLEAR, _SECURED, _CLOSED = State.CLEAR, State.SECURED, State.CLOSED


class Pending(msgspec.Struct, frozen=True, gc=False):
    """What is said once the octets of a refused BDAT are dropped, and the state then.

    refusal: None when the session refused it, and need not be told.
    """

    reply: Reply
    then: State
    refusal: Refusal | None


class Conversation:
    """One session's state.

    first: no line was read yet, on this connection or in this TLS session.
    may_quote: a word that is no command can be told: TLS is not on, and nothing was said that a secret may follow.
    opening: before TLS, the first octets of what is no SMTP at all, as many as came at once.
    out: what was said since the last output; mostly one reply, which is then handed on without a copy.
    events: what the session is told before anything else is read.
    asked: the kind of event that waits for the session's answer; Auth stands for AuthData too.
    parameters: of the transaction's MAIL, from the time it is asked about to the end of the transaction.
    recipients: how many were accepted in the transaction.
    incoming: the message, from the answer to BodyStart to its verdict.
    chunk: the last BDAT command; not set before one.
    pending: what follows the octets that State.DISCARD drops.
    failure: what BDAT commands behind a refusal are told in State.FAILED.
    """

    __slots__ = (
        "allowance",
        "asked",
        "authenticated",
        "chunk",
        "esmtp",
        "events",
        "failure",
        "first",
        "helo_name",
        "inbox",
        "incoming",
        "may_quote",
        "opening",
        "out",
        "parameters",
        "pending",
        "recipients",
        "reference",
        "settings",
        "state",
        "tls",
    )

    allowance: Allowance
    asked: type[Asking] | None
    authenticated: bool
    chunk: Chunk
    esmtp: bool
    events: deque[Event]
    failure: Reply
    first: bool
    helo_name: str | None
    inbox: Inbox
    incoming: Incoming | None
    may_quote: bool
    opening: bytes
    out: bytes
    parameters: MailParameters
    pending: Pending | None
    recipients: int
    reference: Callable[[], str]
    settings: ServerSettings
    state: State
    tls: bool

    def __init__(self, settings: ServerSettings, *, tls: bool, reference: Callable[[], str]) -> None:
        self.settings = settings
        self.reference = reference
        self.opening = b""
        self.inbox = Inbox()
        self.allowance = Allowance(settings)
        self.begin(_SECURED if tls else _CLEAR, tls=tls)

    def begin(self, state: State, *, tls: bool) -> None:
        """Know nothing about the peer: at the start, and again after STARTTLS; only the counters stay."""
        self.tls = tls
        self.first = True
        self.may_quote = not tls
        self.authenticated = False
        self.esmtp = False
        self.helo_name = None
        self.inbox.clear()
        self.out = b""
        self.events = deque()
        self.asked = None
        self.pending = None
        self.end_transaction(state)

    def with_reference(self, reply: Reply) -> Reply:
        """The reply; a refusal with a reference."""
        return reply if reply.code < 400 or reply.reference else reply.with_reference(self.reference())

    def queue(self, reply: Reply) -> None:
        """Say it with the next output."""
        self.out += encode(reply)

    def follow(self, event: Event | None) -> None:
        """Tell it after what is told already."""
        if event is not None:
            self.events.append(event)

    def refuse(self, verb: str, reply: Reply, *, counted: bool, said: str = "") -> Event:
        """Refuse a command. counted: as a mistake of the peer. said: as in `CommandRefused`."""
        reply = self.with_reference(reply)
        self.queue(reply)
        self.follow(self.shut_if(self.allowance.error() if counted else self.allowance.refusal()))
        return CommandRefused(verb, reply, said)

    def refuse_and_shut(self, verb: str, reply: Reply, *, said: str = "") -> Event:
        """Refuse a command after which no other can be taken. said: as in `CommandRefused`."""
        reply = self.with_reference(reply)
        self.queue(reply)
        self.events.append(self.shut(reply))
        return CommandRefused(verb, reply, said)

    def shut_if(self, used_up: str | None) -> Event | None:
        """End with 421 if a limit is used up."""
        if used_up is None:
            return None
        reply = self.with_reference(replies.too_much(self.settings.name, used_up))
        self.queue(reply)
        return self.shut(reply)

    def shut(self, reply: Reply | None) -> Event:
        """Read nothing more. reply: what was said last, None after QUIT."""
        self.end_transaction(_CLOSED)
        self.asked = None
        self.inbox.shut()
        return Closed(reply)

    def end_transaction(self, then: State) -> None:
        """Know of no transaction, as before the first one; `then` is the state."""
        self.parameters = NO_PARAMETERS
        self.recipients = 0
        self.incoming = None
        self.failure = replies.TRANSACTION_FAILED
        self.state = then
