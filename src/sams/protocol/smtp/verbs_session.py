"""HELO, EHLO, STARTTLS, RSET, NOOP, HELP, VRFY, QUIT: what belongs to the session as a whole."""

from __future__ import annotations

from sams.core.errors import PeerFault
from sams.core.reply import Reply
from sams.core.text import visible
from sams.protocol.smtp import replies
from sams.protocol.smtp.conversation import Conversation
from sams.protocol.smtp.events import Hello, Need, Quit, Reset, StartTls
from sams.protocol.smtp.extensions import ehlo_reply
from sams.protocol.smtp.reply_lines import encode
from sams.protocol.smtp.states import TRANSACTION, State

MAX_HELLO_OCTETS = 255
"""RFC 5321 section 4.5.3.1.2: a domain."""


def helo(talk: Conversation, argument: bytes) -> None:
    """HELO (RFC 5321 section 4.1.1.1)."""
    _hello(talk, argument, encode(Reply(250, (talk.settings.name,))), esmtp=False)


def ehlo(talk: Conversation, argument: bytes) -> None:
    """EHLO (RFC 5321 section 4.1.1.1)."""
    _hello(talk, argument, ehlo_reply(talk.settings, tls=talk.tls), esmtp=True)


def _hello(talk: Conversation, argument: bytes, reply: bytes, *, esmtp: bool) -> None:
    """Any name is taken: mail programs send what their machine is called, and nothing relies on it."""
    if not 0 < len(argument) <= MAX_HELLO_OCTETS:
        raise PeerFault(replies.HELLO_SYNTAX)
    _give_up_transaction(talk)
    if talk.state is State.SECURED:
        talk.state = State.GREETED
    talk.helo_name, talk.esmtp = visible(argument), esmtp
    talk.out.append(reply)
    talk.events.append(Hello(talk.helo_name, esmtp))


def starttls(talk: Conversation, argument: bytes) -> None:
    """STARTTLS (RFC 3207); octets behind it would reach the protected session unprotected."""
    if argument:
        raise PeerFault(replies.NO_PARAMETERS)
    if not talk.settings.starttls:
        raise PeerFault(replies.STARTTLS_UNAVAILABLE)
    if talk.inbox.size:
        talk.refuse_and_shut("STARTTLS", replies.INJECTED)
        return
    talk.queue(replies.STARTTLS_GO_AHEAD)
    talk.state = State.HANDSHAKE
    talk.events.append(StartTls())


def read_handshake(talk: Conversation) -> Need | None:
    """Between STARTTLS and the handshake there are no plain octets."""
    if not talk.inbox.size:
        return Need.HANDSHAKE
    talk.refuse_and_shut("STARTTLS", replies.INJECTED)
    return None


def rset(talk: Conversation, argument: bytes) -> None:
    """RSET (RFC 5321 section 4.1.1.5)."""
    if argument:
        raise PeerFault(replies.NO_PARAMETERS)
    _give_up_transaction(talk)
    talk.queue(replies.RESET)


def noop(talk: Conversation, _argument: bytes) -> None:
    """NOOP (RFC 5321 section 4.1.1.9), whatever is said with it."""
    talk.queue(replies.NOOP)


def help_(talk: Conversation, _argument: bytes) -> None:
    """HELP (RFC 5321 section 4.1.1.8)."""
    talk.queue(replies.HELP)


def vrfy(talk: Conversation, argument: bytes) -> None:
    """VRFY (RFC 5321 section 3.5.3): no address is ever confirmed."""
    if not argument:
        raise PeerFault(replies.VRFY_SYNTAX)
    talk.queue(replies.VRFY)


def quit_(talk: Conversation, _argument: bytes) -> None:
    """QUIT (RFC 5321 section 4.1.1.10)."""
    talk.queue(replies.farewell(talk.settings.name))
    talk.events.append(Quit())
    talk.shut(None)


def _give_up_transaction(talk: Conversation) -> None:
    if talk.state in TRANSACTION:
        talk.events.append(Reset())
    if talk.authenticated:
        talk.end_transaction(State.READY)
