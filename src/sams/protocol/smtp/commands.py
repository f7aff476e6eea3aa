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
from sams.protocol.smtp.states import IDLE_VERBS, RULES, Verb
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
    line = talk.inbox.sound_line(talk.settings.command_line)
    if line is not None:
        word, argument = split_command(line)
        verb = VERBS.get(word)
        if verb is not None:
            talk.first = False
            _obey(talk, verb, argument)
            return None
        talk.inbox.give_back(len(line) + 2)
    return _read_oddity(talk)


def _read_oddity(talk: Conversation) -> Need | None:
    """A line that is incomplete, flawed, long, or no command."""
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
    if isinstance(line, Flaw):
        _refuse_odd(talk, _flawed(line, is_auth=is_auth))
        return None
    word, argument = split_command(line)
    verb = VERBS.get(word)
    if verb is not None:
        _obey(talk, verb, argument)
    elif (stranger := word_of_stranger(word)) is not None:
        talk.refuse_and_shut("?", stranger)
    else:
        _refuse_odd(talk, replies.UNKNOWN_COMMAND if word else replies.EMPTY_LINE)
    return None


def _refuse_odd(talk: Conversation, reply: Reply) -> None:
    if talk.authenticated or not talk.shut_if(talk.allowance.command_before_auth()):
        talk.refuse("?", reply, counted=True)


def _flawed(flaw: Flaw, *, is_auth: bool) -> Reply:
    if flaw is Flaw.BARE:
        return replies.NOT_CRLF
    return replies.AUTH_TOO_LONG if is_auth else replies.LINE_TOO_LONG


def _obey(talk: Conversation, verb: Verb, argument: bytes) -> None:
    if not talk.authenticated and talk.shut_if(talk.allowance.command_before_auth()):
        return
    if verb in IDLE_VERBS and talk.shut_if(talk.allowance.idle_command()):
        return
    refusal = RULES[talk.state].get(verb)
    try:
        if verb is Verb.BDAT:
            verbs_message.bdat(talk, argument, refusal)
        elif refusal is not None:
            talk.refuse(verb.name, refusal.reply, counted=refusal.counted)
        else:
            _HANDLERS[verb](talk, argument)
    except SamsError as error:
        talk.refuse(verb.name, error.reply, counted=isinstance(error, PeerFault))
