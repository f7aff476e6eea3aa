"""What kind of stage a refused command is: one table, read from above, of what our replies begin with.

A member may see the same reply as a help desk does; the table is by code, enhanced status and the first words, as
only the words tell some of them apart. A reply that is not in it is told as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sams.activity.events import Refused
from sams.activity.explaining.making import Said, said, stage
from sams.activity.explaining.stages import Fact, Stage

_MANGLED = re.compile(r"X{4,}[A-Z]?\Z")
"""What a firewall makes of STARTTLS or EHLO: each letter an X, at times with the last letter left."""
_OFFERED = "there is "


@dataclass(frozen=True, slots=True)
class _Rule:
    """verbs, code, status: empty for any. begins: the text's first words, or words in it after `…`."""

    kind: str
    code: str = ""
    status: str = ""
    begins: tuple[str, ...] = ("",)
    verbs: frozenset[str] = frozenset()

    def means(self, verb: str, reply: Said) -> bool:
        return (
            (not self.verbs or verb in self.verbs)
            and self.code in {"", reply.code}
            and self.status in {"", reply.status}
            and any(_has(reply.text, words) for words in self.begins)
        )


def _has(text: str, words: str) -> bool:
    return words[1:] in text if words.startswith("…") else text.startswith(words)


_AUTH = frozenset({"AUTH"})
_MAIL = frozenset({"MAIL"})
_RCPT = frozenset({"RCPT"})
_BODY = frozenset({"DATA", "BDAT"})
_ENVELOPE = _MAIL | _RCPT
_STARTTLS = frozenset({"STARTTLS"})
_MALFORMED_FROM = ("The message has no From", "…From fields:", "The From field cannot", "From has ")

_RULES: tuple[_Rule, ...] = (
    # times
    _Rule("timeout-idle", "421", "4.4.2", ("Nothing was heard",)),
    _Rule("timeout-sign-in", "421", "4.7.0", ("Nobody signed in",)),
    _Rule("timeout-session", "421", "4.7.0", ("This connection has been open",)),
    _Rule("timeout-stalled", "421", "4.4.2", ("The message stopped coming",)),
    _Rule("timeout-slow", "421", "4.4.2", ("The message came too slowly",)),
    # of the service
    _Rule("closed-revoked", "421", "4.7.0", ("Your account was changed",)),
    _Rule("our-mistake", "451", "4.3.0", ("Something went wrong here",)),
    _Rule("disk-full", "452", "4.3.1"),
    _Rule("not-stored", "451", "4.3.0", ("The message could not be stored",)),
    # encryption
    _Rule("sign-in-without-tls", "538"),
    _Rule("mail-without-tls", "530", "5.7.0", ("Must issue a STARTTLS",)),
    _Rule("tls-failed-tls-to-plain", "554", "5.5.1", ("This port begins without TLS",)),
    _Rule("starttls-injected", "554", "5.5.1", ("Nothing may follow STARTTLS",)),
    _Rule("not-smtp", "554", "5.5.1", ("This is a mail submission server",)),
    _Rule("starttls-not-offered", "502", verbs=_STARTTLS),
    _Rule("starttls-twice", "503", verbs=_STARTTLS),
    # signing in
    _Rule("mail-without-sign-in", "530", "5.7.0"),
    _Rule("mechanism-not-offered", "504", verbs=_AUTH),
    _Rule("sign-in-cancelled", "501", "5.7.0", verbs=_AUTH),
    _Rule("sign-in-intercepted", "501", "5.5.2", ("…another TLS connection", "channel binding is"), _AUTH),
    _Rule("command-refused", "503", verbs=_AUTH),
    _Rule("refused-for-now", verbs=_AUTH, code="454"),
    _Rule("sign-in-malformed", verbs=_AUTH),
    # the sender
    _Rule("sender-refused", "553", "5.7.1"),
    _Rule("sender-unavailable", "451", "4.4.3"),
    _Rule("sender-syntax", "501", "5.1.7"),
    _Rule("null-sender", begins=("Mail with the sender <>",)),
    _Rule("address-needs-utf8", status="5.6.7"),
    _Rule("parameter-refused", "555"),
    _Rule("parameter-refused", "501", "5.5.4", verbs=_ENVELOPE),
    # recipients
    _Rule("quota", "450", "4.7.1"),
    _Rule("no-route", "550", "5.1.2"),
    _Rule("recipient-syntax", "501", "5.1.3"),
    _Rule("recipient-not-allowed", "550", "5.7.1", ("You may write to",), _RCPT),
    _Rule("too-many-recipients", "452", "4.5.3"),
    # the message
    _Rule("from-malformed", "550", "5.7.1", _MALFORMED_FROM, _BODY),
    _Rule("from-name", "550", "5.7.1", ("The name in From",), _BODY),
    _Rule("resent-refused", "550", "5.7.1", ("Resent-", "The Resent-", "Redirecting"), _BODY),
    _Rule("from-refused", "550", "5.7.1", verbs=_BODY),
    _Rule("header-too-large", "552", "5.3.4", ("the header",)),
    _Rule("too-large", "552", "5.3.4"),
    _Rule("bare-newlines", "550", "5.6.11"),
    _Rule("mail-loop", "554", "5.4.6"),
    _Rule("message-malformed", "554", "5.6.0"),
    # what follows a refusal
    _Rule("follows", "554", "5.5.1", ("No valid recipients",)),
    _Rule("follows", "503", "5.5.1", ("The transaction was refused",)),
    # all others
    _Rule("command-refused", "500"),
    _Rule("command-refused", "501"),
    _Rule("command-refused", "502"),
    _Rule("command-refused", "503"),
    _Rule("recipient-refused", verbs=_RCPT),
    _Rule("message-refused", verbs=_BODY),
)


def refusal(at: float, event: Refused, port: int, *, secure: bool) -> Stage:
    """The stage of a refused command or message. port: ours. secure: TLS was on."""
    reply = said(event.reply, event.reference)
    kind = _mangled(event, secure=secure) or _kind(event.verb, reply)
    facts: dict[str, Fact] = reply.facts | {"verb": _verb(event.verb), "said": event.said}
    if kind == "mechanism-not-offered":
        offered = reply.text.partition(_OFFERED)[2]
        facts |= {"mechanism": event.said, "offered": "" if offered == "none" else offered}
    elif kind == "tls-failed-tls-to-plain":
        facts["port"] = port
    return stage(at, kind, facts, {"reply": reply.text or event.reply or "?"}, {"detail": event.detail})


def _mangled(event: Refused, *, secure: bool) -> str:
    """Where the verb was none, and no reply of another meaning was given."""
    if event.verb != "?" or not event.reply.startswith("500"):
        return ""
    if not secure and _MANGLED.match(event.said):
        return "starttls-mangled"
    return "command-unknown"


def _kind(verb: str, reply: Said) -> str:
    for rule in _RULES:
        if rule.means(verb, reply):
            return rule.kind
    return "refused-for-now" if reply.is_temporary else "refused"


def _verb(verb: str) -> str:
    return "?" if verb in {"", "?"} else verb
