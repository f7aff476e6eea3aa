"""The states of a server session, and which commands each of them refuses: the one table of both.

                       STARTTLS              EHLO             AUTH
    CLEAR ─────────▶ HANDSHAKE ─▶ SECURED ─────▶ GREETED ◀─────▶ SIGNING_IN ──▶ READY
                                     ▲
    (implicit TLS begins here) ──────┘

            MAIL         RCPT          DATA
    READY ───────▶ MAIL ───────▶ RCPT ───────▶ DATA ───────────────────────────▶ READY
      ▲                            │    BDAT           BDAT
      │                            └──────────▶ CHUNK ◀─────── BDAT ── (LAST) ──▶ READY
      └── FAILED ◀── MAIL or a chunk was refused
                                    DISCARD: octets behind a refused BDAT, then back

A verb without an entry in its state's row has a handler in the engine. A refusal is *counted* when the peer
made a mistake, and not where a program that pipelines could not know better.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from sams.core.reply import Reply
from sams.protocol.smtp import replies


class State(enum.Enum):
    """Where a session stands."""

    CLEAR = "clear"
    """No TLS yet."""
    HANDSHAKE = "handshake"
    """STARTTLS was answered with 220."""
    SECURED = "secured"
    """TLS, and nothing said in it."""
    GREETED = "greeted"
    """HELO or EHLO was said in TLS."""
    SIGNING_IN = "signing in"
    """An AUTH exchange is under way."""
    READY = "ready"
    """Signed in, no transaction."""
    MAIL = "mail"
    """The reverse path was accepted, no recipient yet."""
    RCPT = "rcpt"
    """One recipient or more was accepted."""
    DATA = "data"
    """The message comes in with DATA."""
    CHUNK = "chunk"
    """The octets of a BDAT come in."""
    BDAT = "bdat"
    """Between two BDAT commands of one message."""
    DISCARD = "discard"
    """The octets of a refused BDAT come in and are dropped."""
    FAILED = "failed"
    """MAIL or a chunk was refused; what was pipelined behind it is refused too, and counts as no mistake."""
    CLOSED = "closed"
    """Nothing is read any more."""

    __hash__ = object.__hash__  # a member is itself only; Enum's own hash is a call in Python at each look-up


class Verb(enum.Enum):
    """The commands that the engine knows."""

    HELO = b"HELO"
    EHLO = b"EHLO"
    STARTTLS = b"STARTTLS"
    AUTH = b"AUTH"
    MAIL = b"MAIL"
    RCPT = b"RCPT"
    DATA = b"DATA"
    BDAT = b"BDAT"
    RSET = b"RSET"
    NOOP = b"NOOP"
    VRFY = b"VRFY"
    EXPN = b"EXPN"
    HELP = b"HELP"
    QUIT = b"QUIT"

    __hash__ = object.__hash__  # as above


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """What a state answers to a verb that has no place in it."""

    reply: Reply
    counted: bool = True


Row = Mapping[Verb, Refusal]

_EVERYWHERE: Row = {Verb.EXPN: Refusal(replies.NOT_IMPLEMENTED)}
_MAIL_VERBS = (Verb.MAIL, Verb.RCPT, Verb.DATA, Verb.BDAT)
_IN_TLS: Row = {**_EVERYWHERE, Verb.STARTTLS: Refusal(replies.TLS_TWICE)}
_SIGNED_IN: Row = {**_IN_TLS, Verb.AUTH: Refusal(replies.AUTH_TWICE)}
_IN_TRANSACTION: Row = {
    **_IN_TLS,
    Verb.AUTH: Refusal(replies.AUTH_IN_TRANSACTION),
    Verb.MAIL: Refusal(replies.MAIL_TWICE),
}


def _all(verbs: tuple[Verb, ...], reply: Reply, *, counted: bool = True) -> Row:
    return dict.fromkeys(verbs, Refusal(reply, counted))


RULES: Mapping[State, Row] = {
    State.CLEAR: {
        **_EVERYWHERE,
        **_all((*_MAIL_VERBS, Verb.VRFY), replies.NEED_TLS),
        Verb.AUTH: Refusal(replies.NEED_TLS_TO_SIGN_IN),
    },
    State.SECURED: {
        **_IN_TLS,
        **_all((*_MAIL_VERBS, Verb.AUTH), replies.NEED_HELLO),
        Verb.VRFY: Refusal(replies.NEED_AUTH),  # RFC 5321 section 4.1.4: it needs no EHLO
    },
    State.GREETED: {**_IN_TLS, **_all((*_MAIL_VERBS, Verb.VRFY), replies.NEED_AUTH)},
    State.READY: {**_SIGNED_IN, **_all((Verb.RCPT, Verb.DATA, Verb.BDAT), replies.NEED_MAIL)},
    State.MAIL: {**_IN_TRANSACTION, **_all((Verb.DATA, Verb.BDAT), replies.NEED_RECIPIENT, counted=False)},
    State.RCPT: _IN_TRANSACTION,
    State.BDAT: {**_IN_TRANSACTION, **_all((Verb.MAIL, Verb.RCPT, Verb.DATA), replies.CHUNKS_STARTED)},
    State.FAILED: {**_SIGNED_IN, **_all((Verb.RCPT, Verb.DATA), replies.TRANSACTION_FAILED, counted=False)},
}

IDLE_VERBS = frozenset({Verb.HELO, Verb.EHLO, Verb.RSET, Verb.NOOP, Verb.VRFY, Verb.EXPN, Verb.HELP})
"""Commands that bring no message nearer; many of them in a row end the session."""

BEFORE_AUTH = frozenset({State.CLEAR, State.SECURED, State.GREETED})
TRANSACTION = frozenset({State.MAIL, State.RCPT, State.DATA, State.CHUNK, State.BDAT})
BODY = frozenset({State.DATA, State.CHUNK, State.DISCARD})
