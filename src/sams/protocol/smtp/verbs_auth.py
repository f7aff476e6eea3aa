"""AUTH and its exchange (RFC 4954)."""

from __future__ import annotations

from sams.core.errors import PeerFault
from sams.core.reply import Reply
from sams.protocol.smtp import replies
from sams.protocol.smtp.conversation import Conversation
from sams.protocol.smtp.events import Auth, AuthCancelled, AuthData, Event, Need
from sams.protocol.smtp.grammar import decode_base64, decode_initial, parse_auth
from sams.protocol.smtp.inbox import Flaw
from sams.protocol.smtp.quoting import quoted_mechanism
from sams.protocol.smtp.states import State

_SIGNING_IN = State.SIGNING_IN  # a name, for Python 3.11 takes its time to find a member


def auth(talk: Conversation, argument: bytes) -> Event:
    """AUTH mechanism [initial-response]. The table lets it come here only inside TLS."""
    mechanism, response = parse_auth(argument)
    if mechanism not in talk.settings.mechanisms:
        refusal = replies.unknown_mechanism(talk.settings.mechanisms)
        return talk.refuse("AUTH", refusal, counted=True, said=quoted_mechanism(mechanism))
    event = Auth(mechanism, decode_initial(response))
    talk.state = _SIGNING_IN
    talk.asked = Auth
    return event


def read_response(talk: Conversation) -> Event | Need:
    """The line that answers a challenge."""
    line = talk.inbox.line(talk.settings.auth_line)
    if line is None:
        return Need.DATA
    try:
        event = AuthData(_decode(line))
    except PeerFault as fault:
        return _cancel(talk, talk.with_reference(fault.reply))
    talk.asked = Auth
    return event


def refuse_auth(talk: Conversation, reply: Reply) -> None:
    """The session's no to a sign-in."""
    talk.queue(reply)
    talk.state = State.GREETED
    talk.follow(talk.shut_if(talk.allowance.failed_signin()))


def _decode(line: bytes | Flaw) -> bytes:
    if isinstance(line, Flaw):
        raise PeerFault(replies.NOT_CRLF if line is Flaw.BARE else replies.AUTH_TOO_LONG)
    if line == b"*":
        raise PeerFault(replies.AUTH_CANCELLED)
    return decode_base64(line.rstrip(b" \t"))


def _cancel(talk: Conversation, reply: Reply) -> Event:
    talk.state = State.GREETED
    talk.queue(reply)
    talk.follow(talk.shut_if(talk.allowance.error()))
    return AuthCancelled(reply)
