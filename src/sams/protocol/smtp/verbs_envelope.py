"""MAIL and RCPT (RFC 5321 sections 4.1.1.2 and 4.1.1.3)."""

from __future__ import annotations

from sams.core.errors import SamsError, TemporaryFailure
from sams.core.reply import Reply
from sams.protocol.smtp import replies
from sams.protocol.smtp.conversation import Conversation
from sams.protocol.smtp.envelope_arguments import parse_mail, parse_rcpt
from sams.protocol.smtp.events import Event, Mail, Rcpt
from sams.protocol.smtp.states import State


def mail(talk: Conversation, argument: bytes) -> Event | None:
    """MAIL FROM. However it fails, what was pipelined behind it is not counted against the peer."""
    used_up = talk.allowance.transaction()
    if used_up is not None:
        return talk.shut_if(used_up)
    try:
        event = parse_mail(argument, talk.settings)
    except SamsError:
        talk.end_transaction(State.FAILED)
        raise
    talk.parameters = event.parameters
    talk.asked = Mail
    return event


def refuse_mail(talk: Conversation, reply: Reply) -> None:
    """The session's no to the reverse path."""
    talk.queue(reply)
    talk.end_transaction(State.FAILED)
    talk.follow(talk.shut_if(talk.allowance.refusal()))


def rcpt(talk: Conversation, argument: bytes) -> Event:
    """RCPT TO."""
    settings = talk.settings
    event = parse_rcpt(argument, settings, talk.parameters)
    if talk.recipients >= settings.max_recipients:
        raise TemporaryFailure(replies.too_many_recipients(settings.max_recipients))
    talk.asked = Rcpt
    return event


def refuse_rcpt(talk: Conversation, reply: Reply) -> None:
    """The session's no to a recipient."""
    talk.queue(reply)
    talk.follow(talk.shut_if(talk.allowance.refusal()))
