"""Reading a command, and whose it is: what every state that waits for one does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from sams.core.errors import PeerFault, SamsError
from sams.core.reply import Reply
from sams.protocol.smtp import replies, verbs_auth, verbs_envelope, verbs_message, verbs_session
from sams.protocol.smtp.conversation import Conversation
from sams.protocol.smtp.events import Event, Need
from sams.protocol.smtp.grammar import PLAIN_COMMAND, split_command
from sams.protocol.smtp.inbox import Flaw
from sams.protocol.smtp.not_smtp import opening_of_stranger, word_of_stranger
from sams.protocol.smtp.quoting import announces_secret, quoted, quoted_stranger
from sams.protocol.smtp.states import BEFORE_AUTH, IDLE_VERBS, RULES, Refusal, State, Verb
from sams.protocol.tls_hello import FIRST_OCTETS

_NEED_DATA = Need.DATA  # a name, for Python 3.11 takes its time to find a member

Handler = Callable[[Conversation, bytes], Event | None]
"""Carries a command out: takes its argument, returns what the session is told."""

_HANDLERS: Mapping[Verb, Handler] = {
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


def read_command(talk: Conversation) -> Event | Need | None:
    """Take one line and do what it says.

    The fast path: a whole line in plain form, its verb in upper case. All others, good or bad, go the slow path.
    """
    inbox = talk.inbox
    if not inbox.data:
        return _NEED_DATA
    plain = inbox.match(PLAIN_COMMAND, talk.settings.command_line)
    if plain is None:
        return _NEED_DATA if inbox.is_used_up() else _read_slowly(talk)
    word, argument = plain.groups(b"")
    step = _STEPS[talk.state].get(word)
    if step is None:
        inbox.give_back(plain[0])
        return _read_slowly(talk)
    talk.first = False
    try:
        return step(talk, argument.strip(b" \t"))
    except SamsError as error:
        return _refuse_failed(talk, word, error)


def _refuse_failed(talk: Conversation, word: bytes, error: SamsError) -> Event:
    return talk.refuse(word.decode(), error.reply, counted=isinstance(error, PeerFault))


def _read_slowly(talk: Conversation) -> Event | Need | None:
    """Any line: in lower case or come in pieces, which is as good, or incomplete, flawed, too long, no command."""
    opening = talk.inbox.peek(5)
    if not opening:
        return _NEED_DATA
    stranger = opening_of_stranger(opening[:1], first=talk.first, tls=talk.tls)
    if stranger is not None:
        talk.opening = b"" if talk.tls else talk.inbox.take(FIRST_OCTETS)
        return talk.refuse_and_shut("?", stranger)
    is_auth = opening.upper() == b"AUTH "
    line = talk.inbox.line(talk.settings.auth_line if is_auth else talk.settings.command_line)
    if line is None:
        return _NEED_DATA
    talk.first = False
    if isinstance(line, Flaw):
        talk.may_quote = False  # where the next line begins is a guess
        return _refuse_line(talk, _flawed(line, is_auth=is_auth))
    return _obey_slowly(talk, line)


def _obey_slowly(talk: Conversation, line: bytes) -> Event | None:
    """A whole line of the slow path; it may be no command."""
    word, argument = split_command(line)
    step = _STEPS[talk.state].get(word)
    if step is not None:
        try:
            return step(talk, argument)
        except SamsError as error:
            return _refuse_failed(talk, word, error)
    if (stranger := word_of_stranger(word)) is not None:
        return talk.refuse_and_shut("?", stranger, said=quoted_stranger(word))
    if not word:
        return _refuse_line(talk, replies.EMPTY_LINE)
    said = "" if talk.tls else quoted(word, may_follow_auth=not talk.may_quote)
    if announces_secret(word, argument):
        talk.may_quote = False
    return _refuse_line(talk, replies.UNKNOWN_COMMAND, said)


def _refuse_line(talk: Conversation, reply: Reply, said: str = "") -> Event:
    closed = None if talk.authenticated else talk.shut_if(talk.allowance.command_before_auth())
    return closed or talk.refuse("?", reply, counted=True, said=said)


def _flawed(flaw: Flaw, *, is_auth: bool) -> Reply:
    if flaw is Flaw.BARE:
        return replies.NOT_CRLF
    return replies.AUTH_TOO_LONG if is_auth else replies.LINE_TOO_LONG


# --- the table of all that can be said: what a state refuses, what is counted, and who carries it out


def _refuse(talk: Conversation, _argument: bytes, *, verb: Verb, refusal: Refusal) -> Event:
    if verb is Verb.AUTH:
        talk.may_quote = False
    return talk.refuse(verb.name, refusal.reply, counted=refusal.counted)


def _counted_as_idle(talk: Conversation, argument: bytes, *, then: Handler) -> Event | None:
    used_up = talk.allowance.idle_command()
    return then(talk, argument) if used_up is None else talk.shut_if(used_up)


def _counted_before_auth(talk: Conversation, argument: bytes, *, then: Handler) -> Event | None:
    used_up = talk.allowance.command_before_auth()
    return then(talk, argument) if used_up is None else talk.shut_if(used_up)


def _step(state: State, verb: Verb) -> Handler:
    refusal = RULES[state].get(verb)
    if verb is Verb.BDAT:
        step: Handler = partial(verbs_message.bdat, refusal=refusal)
    else:
        step = _HANDLERS[verb] if refusal is None else partial(_refuse, verb=verb, refusal=refusal)
    if verb in IDLE_VERBS:
        step = partial(_counted_as_idle, then=step)
    return partial(_counted_before_auth, then=step) if state in BEFORE_AUTH else step


_STEPS = {state: {verb.value: _step(state, verb) for verb in Verb} for state in RULES}
