"""MAIL and RCPT (RFC 5321 sections 4.1.1.2 and 4.1.1.3)."""

from __future__ import annotations

from sams.core.errors import SamsError
from sams.core.reply import Reply
from sams.protocol.smtp.conversation import Asked, Conversation
from sams.protocol.smtp.states import State
from sams.protocol.smtp.transaction import Transaction, parse_mail, parse_rcpt


def mail(talk: Conversation, argument: bytes) -> None:
    """MAIL FROM. However it fails, what was pipelined behind it is not counted against the peer."""
    if talk.shut_if(talk.allowance.transaction()):
        return
    try:
        event = parse_mail(argument, talk.settings)
    except SamsError:
        talk.end_transaction(State.FAILED)
        raise
    talk.transaction = Transaction(event.parameters)
    talk.ask(Asked.MAIL, event)


def answer_mail(talk: Conversation, reply: Reply) -> None:
    """The session's word on the reverse path."""
    talk.queue(reply)
    if reply.is_positive:
        talk.state = State.MAIL
        return
    talk.end_transaction(State.FAILED)
    talk.shut_if(talk.allowance.refusal())


def rcpt(talk: Conversation, argument: bytes) -> None:
    """RCPT TO."""
    talk.ask(Asked.RCPT, parse_rcpt(argument, talk.settings, talk.open_transaction))


def answer_rcpt(talk: Conversation, reply: Reply) -> None:
    """The session's word on a recipient."""
    talk.queue(reply)
    if reply.is_positive:
        talk.open_transaction.recipients += 1
        talk.state = State.RCPT
        return
    talk.shut_if(talk.allowance.refusal())
