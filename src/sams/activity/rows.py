"""What an entry of the journal is: the row, its record as JSON, and the terms by which a row is found.

A row's number is the microseconds since 1970 when it was first written, or one more than the last: rows are
found by rising numbers, so that indexes append and a page begins behind a number.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from sams.activity.events import (
    AccountChanged,
    Alarmed,
    AnyEvent,
    Attempted,
    Event,
    GuardLocked,
    GuardReleased,
    Omitted,
    QueueChanged,
    Reported,
    Warned,
)
from sams.core.address import AddressError, domain_key, parse_mailbox

SESSION = "session"
MAX_RECORD = 262_144
"""Characters of JSON; a longer story is cut."""


class Keep(enum.IntEnum):
    """For how long a row is kept: one time for each of these, in the configuration's section `activity`."""

    STRANGERS = 0
    SESSIONS = 1
    DELIVERIES = 2
    SERVICE = 3


class Row(msgspec.Struct, frozen=True, gc=False):
    """One entry, as it goes to the database.

    terms: what it is found by. A row that is written again has those of before first.
    """

    number: int
    keep: Keep
    ended: bool
    record: str
    terms: Sequence[str]


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the database keeps as one text.

    at: when it began, UNIX seconds. steps: each with the seconds since then.
    terms: as in the row, so that a search can tell whether it is meant.
    """

    at: float
    what: str
    session: str
    login: str
    client: str
    steps: Sequence[tuple[float, AnyEvent]]
    terms: Sequence[str]


class _LooseRecord(msgspec.Struct, array_like=True, frozen=True):
    """A record that another version wrote."""

    at: float
    what: str
    session: str
    login: str
    client: str
    steps: list[tuple[float, dict[str, Any]]]
    terms: list[str]


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Record)
_LOOSE_DECODER = msgspec.json.Decoder(_LooseRecord)
_EVENT_FROM = {kind.__struct_config__.tag: kind for kind in AnyEvent.__args__}


def encode_record(record: Record) -> str:
    """The record as JSON, its steps cut where they are longer than an entry may be."""
    try:
        text = _ENCODER.encode(record).decode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON cannot carry
        text = _ENCODER.encode(_without_surrogates(msgspec.to_builtins(record))).decode()
    return text if len(text) <= MAX_RECORD else _cut(record)


def _cut(record: Record) -> str:
    """With a half of the steps, or of that half, as often as it takes, and the count of those left out."""
    kept = len(record.steps)
    while True:
        kept //= 2
        steps = [*record.steps[:kept], (0.0, Omitted(len(record.steps) - kept))]
        text = _ENCODER.encode(
            _without_surrogates(msgspec.to_builtins(msgspec.structs.replace(record, steps=steps)))
        )
        if len(text) <= MAX_RECORD or not kept:
            return text.decode()


def decode_record(text: str) -> Record:
    """A record; an event that another version wrote is shown as it lies there."""
    try:
        return _DECODER.decode(text)
    except msgspec.ValidationError:
        loose = _LOOSE_DECODER.decode(text)
        steps = [(at, _loosely(fields)) for at, fields in loose.steps]
        return Record(loose.at, loose.what, loose.session, loose.login, loose.client, steps, loose.terms)


def terms_of(event: Event) -> list[str]:
    """The terms by which the entry that holds this event, from outside sessions, is found."""
    maker = _TERMS.get(event.__class__)
    return maker(event) if maker is not None else []


def terms_of_attempt(event: Attempted) -> list[str]:
    """The same, for what every message brings. Ids of our own are in upper case."""
    terms = [recipient_term(each.recipient) for each in event.recipients]
    terms.append("m" + event.message)
    if event.login:
        terms.append(login_term(event.login))
    if event.session:
        terms.append("s" + event.session)
    return terms


def login_term(login: str) -> str:
    """The term of a login."""
    return "l" + login.casefold()


def client_term(client: str) -> str:
    """The term of a client's address."""
    return "c" + client


def message_term(message: str) -> str:
    """The term of a message id."""
    return "m" + message.upper()


def reference_term(reference: str) -> str:
    """The term of a reference that a refusal carried."""
    return "r" + reference.upper()


def session_term(session: str) -> str:
    """The term of a session id."""
    return "s" + session.upper()


def recipient_term(recipient: str) -> str:
    """The term of a recipient: spellings of one mailbox have the same.

    Case is folded, as it is in the journals that are there: who looks for `straße` finds `strasse` as well.
    """
    if recipient.isascii() and '"' not in recipient:
        return "a" + recipient.lower()
    try:
        mailbox = parse_mailbox(recipient)
        return f"a{mailbox.local.casefold()}@{domain_key(mailbox.domain)}"
    except AddressError:
        return "a" + recipient.casefold()


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _without_surrogates(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(inner) for inner in value]
    return value


def _loosely(fields: dict[str, Any]) -> AnyEvent:
    try:
        event: AnyEvent = msgspec.convert(fields, _EVENT_FROM[fields["kind"]])
    except (KeyError, msgspec.ValidationError):
        return Warned("an event of another version", _ENCODER.encode(fields).decode())
    return event


def _of_report(event: Reported) -> list[str]:
    terms = [message_term(event.message), message_term(event.report)]
    return [*terms, login_term(event.login)] if event.login else terms


def _of_queue_change(event: QueueChanged) -> list[str]:
    return [
        *([message_term(event.message)] if event.message else ()),
        *([login_term(event.login)] if event.login else ()),
    ]


def _of_names(login: str, address: str) -> list[str]:
    return [*([login_term(login)] if login else ()), *([client_term(address)] if address else ())]


_TERMS: dict[type[Event], Callable[[Any], list[str]]] = {
    Attempted: terms_of_attempt,
    Reported: _of_report,
    AccountChanged: lambda event: [login_term(event.login)],
    QueueChanged: _of_queue_change,
    GuardLocked: lambda event: _of_names(event.login, event.address),
    GuardReleased: lambda event: _of_names(event.what, event.what),
    Alarmed: lambda event: [login_term(event.login)] if event.login else [],
}
