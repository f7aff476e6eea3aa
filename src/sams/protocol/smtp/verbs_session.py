"""HELO, EHLO, STARTTLS, RSET, NOOP, HELP, VRFY, QUIT: what belongs to the session as a whole."""

from __future__ import annotations

from sams.core.errors import PeerFault
from sams.core.text import visible
from sams.protocol.smtp import replies
from sams.protocol.smtp.conversation import Conversation
from sams.protocol.smtp.events import Event, Hello, Need, Quit, Reset, StartTls
from sams.protocol.smtp.phrases import STARTTLS_GO_AHEAD
from sams.protocol.smtp.states import TRANSACTION, State

# Names, for Python 3.11 takes its time to find a member.
_HANDSHAKE, _SECURED, _GREETED = State.HANDSHAKE, State.SECURED, State.GREETED
_NEED_HANDSHAKE = Need.HANDSHAKE
MAX_HELLO_OCTETS = 255
"""RFC 5321 section 4.5.3.1.2: a domain."""


def helo(talk: Conversation, argument: bytes) -> Event:
    """HELO (RFC 5321 section 4.1.1.1)."""
    return _hello(talk, argument, talk.settings.phrases.helo, esmtp=False)


def ehlo(talk: Conversation, argument: bytes) -> Event:
    """EHLO (RFC 5321 section 4.1.1.1)."""
    phrases = talk.settings.phrases
    return _hello(talk, argument, phrases.ehlo_in_tls if talk.tls else phrases.ehlo_in_clear, esmtp=True)


def _hello(talk: Conversation, argument: bytes, reply: bytes, *, esmtp: bool) -> Event:
    """Any name is taken: mail programs send what their machine is called, and nothing relies on it."""
    if not 0 < len(argument) <= MAX_HELLO_OCTETS:
        raise PeerFault(replies.HELLO_SYNTAX)
    given_up = _give_up_transaction(talk)
    if talk.state is _SECURED:
        talk.state = _GREETED
    talk.helo_name = name = visible(argument)
    talk.esmtp = esmtp
    talk.out += reply
    hello = Hello(name, esmtp)
    if given_up is None:
        return hello
    talk.events.append(hello)
    return given_up


def starttls(talk: Conversation, argument: bytes) -> Event:
    """STARTTLS (RFC 3207); octets behind it would reach the protected session unprotected."""
    if argument:
        raise PeerFault(replies.NO_PARAMETERS)
    if not talk.settings.starttls:
        raise PeerFault(replies.STARTTLS_UNAVAILABLE)
    if talk.inbox.size:
        return talk.refuse_and_shut("STARTTLS", replies.INJECTED)
    talk.out += STARTTLS_GO_AHEAD
    talk.state = _HANDSHAKE
    return StartTls()


def read_handshake(talk: Conversation) -> Event | Need:
    """Between STARTTLS and the handshake there are no plain octets."""
    if not talk.inbox.size:
        return _NEED_HANDSHAKE
    return talk.refuse_and_shut("STARTTLS", replies.INJECTED)


def rset(talk: Conversation, argument: bytes) -> Event | None:
    """RSET (RFC 5321 section 4.1.1.5)."""
    if argument:
        raise PeerFault(replies.NO_PARAMETERS)
    talk.queue(replies.RESET)
    return _give_up_transaction(talk)


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


def quit_(talk: Conversation, _argument: bytes) -> Event:
    """QUIT (RFC 5321 section 4.1.1.10)."""
    talk.out += talk.settings.phrases.farewell
    talk.events.append(talk.shut(None))
    return Quit()


def _give_up_transaction(talk: Conversation) -> Event | None:
    """Before somebody has signed in there is none."""
    if not talk.authenticated:
        return None
    told = Reset() if talk.state in TRANSACTION else None
    talk.end_transaction(State.READY)
    return told
