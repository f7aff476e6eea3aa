"""Reading a command, and whose it is: what every state that waits for one does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sams.core.errors import PeerFault, SamsError
from sams.core.reply import Reply
from sams.protocol.smtp import replies, verbs_auth, verbs_envelope, verbs_message, verbs_session
from sams.protocol.smtp.conversation import Conversation
from sams.protocol.smtp.events import Need
from sams.protocol.smtp.grammar import VERBS, split_command
from sams.protocol.smtp.inbox import Flaw
from sams.protocol.smtp.states import IDLE_VERBS, RULES, Refusal, Verb
from sams.protocol.smtp.strangers import opening_of_stranger, word_of_stranger

_HANDLERS: Mapping[Verb, Callable[[Conversation, bytes], None]] = {
    Verb.HELO: verbs_session.helo,
    Verb.EHLO: verbs_session.ehlo,
    Verb.STARTTLS: verbs_session.starttls,
    Verb.AUTH: verbs_auth.auth,
    Verb.MAIL: verbs_envelope.mail,
    Verb.RCPT: verbs_envelope.rcpt,
    Verb.DATA: verbs_message.data,
    Verb.RSET: verbs_session.rset,
    Verb.NOOP: verbs_session.noop,
    Verb.VRFY: verbs_session.vrfy,
    Verb.HELP: verbs_session.help_,
    Verb.QUIT: verbs_session.quit_,
}
"""BDAT has its own way (its octets), EXPN is refused everywhere."""


def read_command(talk: Conversation) -> Need | None:
    """Take one line and do what it says."""
    opening = talk.inbox.peek(5)
    if not opening:
        return Need.DATA
    stranger = opening_of_stranger(opening[:1], first=talk.first, tls=talk.tls)
    if stranger is not None:
        talk.refuse_and_shut("?", stranger)
        return None
    is_auth = opening.upper() == b"AUTH "
    line = talk.inbox.line(talk.settings.auth_line if is_auth else talk.settings.command_line)
    if line is None:
        return Need.DATA
    talk.first = False
    if talk.authenticated or not talk.shut_if(talk.allowance.command_before_auth()):
        _obey(talk, line, is_auth=is_auth)
    return None


def _obey(talk: Conversation, line: bytes | Flaw, *, is_auth: bool) -> None:
    if isinstance(line, Flaw):
        talk.refuse("?", _flawed(line, is_auth=is_auth), counted=True)
        return
    word, argument = split_command(line)
    verb = VERBS.get(word)
    if verb is None:
        _refuse_unknown(talk, word)
    elif verb not in IDLE_VERBS or not talk.shut_if(talk.allowance.idle_command()):
        _dispatch(talk, verb, argument, RULES[talk.state].get(verb))


def _flawed(flaw: Flaw, *, is_auth: bool) -> Reply:
    if flaw is Flaw.BARE:
        return replies.NOT_CRLF
    return replies.AUTH_TOO_LONG if is_auth else replies.LINE_TOO_LONG


def _refuse_unknown(talk: Conversation, word: bytes) -> None:
    stranger = word_of_stranger(word)
    if stranger is not None:
        talk.refuse_and_shut("?", stranger)
    else:
        talk.refuse("?", replies.UNKNOWN_COMMAND if word else replies.EMPTY_LINE, counted=True)


def _dispatch(talk: Conversation, verb: Verb, argument: bytes, refusal: Refusal | None) -> None:
    try:
        if verb is Verb.BDAT:
            verbs_message.bdat(talk, argument, refusal)
        elif refusal is not None:
            talk.refuse(verb.name, refusal.reply, counted=refusal.counted)
        else:
            _HANDLERS[verb](talk, argument)
    except SamsError as error:
        talk.refuse(verb.name, error.reply, counted=isinstance(error, PeerFault))
