"""The values of the interface as rows, and rows as values. The order of columns is in one place, here.

Statements name their columns: a later version may have added some, and a release must be able to go back.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from sams.core.address import Mailbox, domain_key
from sams.core.envelope import Body, Notify, OriginalRecipient, Recipient, Ret
from sams.core.outcome import Outcome
from sams.spool.interface import (
    Content,
    MessageFacts,
    NewMessage,
    NewRecipient,
    QueuedMessage,
    QueuedRecipient,
    Work,
)
from sams.spool.keys import id_of
from sams.spool.schema import SCHEMA

Value: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = tuple[Value, ...]

MESSAGE_COLUMNS = (
    "id, shard, login, session, sender_local, sender_domain, arrived, size, flags, longest_line, declared, ret, "
    "envid, held"
)
RECIPIENT_COLUMNS = (
    "message, number, local, domain, domain_key, notify, original_kind, original_address, route, due, attempts, "
    "last, delay_told, held"
)
CONTENT_COLUMNS = "message, head_sum, body_sum, body_size, head, body"
_TEXTS = frozenset(re.findall(r"(\w+) TEXT", SCHEMA.tables))
"""The columns that hold text: a bit that flips may leave octets that are none."""
RECIPIENTS_OF = f"SELECT {RECIPIENT_COLUMNS} FROM recipient WHERE message = ?"  # noqa: S608 - constants

_8BIT_BODY, _8BIT_HEADER, _BINARY, _SMTPUTF8 = 1, 2, 4, 8
_BODIES = {body.value: body for body in Body}
_NOTIFY = {value: Notify(value) for value in range(8)}
"""A table, because Python 3.11.2 takes a flag that it does not know for none."""
_RETS = {ret.value: ret for ret in Ret}
_outcome_encoder = msgspec.json.Encoder()
_outcome_decoder = msgspec.json.Decoder(Outcome)


class DecodeError(Exception):
    """A row does not hold what this version of SAMS writes."""


def as_octets(columns: str) -> str:
    """The same columns, with texts as their octets: those can be read whatever they are."""
    names = columns.split(", ")
    return ", ".join([f"CAST({name} AS BLOB)" if name in _TEXTS else name for name in names])


def copy_into(table: str, columns: str) -> str:
    """A statement that takes rows as they were read, with texts as such or as octets."""
    values = ["CAST(? AS TEXT)" if name in _TEXTS else "?" for name in columns.split(", ")]
    return f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({', '.join(values)})"  # noqa: S608 - constants


COPY_MESSAGE = copy_into("message", MESSAGE_COLUMNS)
COPY_RECIPIENT = copy_into("recipient", RECIPIENT_COLUMNS)
USE_COLUMNS = "hour, login, recipients"
USES = f"SELECT {as_octets(USE_COLUMNS)} FROM use_of_login WHERE hour >= ?"  # noqa: S608 - constants


def text_of(octets: Value) -> str:
    """The octets of a text for a person, whatever they are."""
    return octets.decode(errors="replace") if isinstance(octets, bytes) else str(octets)


def legible_uses(found: Iterable[Row]) -> list[Row]:
    """What logins used, from rows of `USES`; a row whose login is no text any more counts for nobody."""
    uses: list[Row] = []
    for hour, login, recipients in found:
        with contextlib.suppress(UnicodeDecodeError):
            uses.append((hour, login.decode(), recipients))  # type: ignore[union-attr]
    return uses


def message_row(message: NewMessage, row: int, shard: int, size: int) -> Row:
    """The row of a message; `size` is header and body."""
    facts, sender, ret = message.facts, message.reverse_path, message.ret
    flags = facts.has_8bit_body * _8BIT_BODY | facts.has_8bit_header * _8BIT_HEADER
    flags |= facts.is_binary * _BINARY | message.smtputf8 * _SMTPUTF8
    return (
        row,
        shard,
        message.login,
        message.session,
        None if sender is None else sender.local,
        None if sender is None else sender.domain,
        message.arrived,
        size,
        flags,
        facts.longest_line,
        message.declared._value_,
        None if ret is None else ret._value_,
        message.envid,
        0,
    )


def recipient_row(row: int, number: int, new: NewRecipient, due: float) -> Row:
    """The row of a new message's recipient."""
    recipient = new.recipient
    mailbox, notify, original = recipient.mailbox, recipient.notify, recipient.original
    return (
        row,
        number,
        mailbox.local,
        mailbox.domain,
        domain_key(mailbox.domain),
        None if notify is None else notify._value_,
        None if original is None else original.kind,
        None if original is None else original.address,
        new.route,
        due,
        0,
        None,
        0,
        0,
    )


def checksum(octets: bytes, start: int = 0) -> int:
    """CRC-32: finds what a disk or a person changed, not who meant to."""
    return zlib.crc32(octets, start)


def message_value(row: Sequence[Value]) -> QueuedMessage:
    """A message from `MESSAGE_COLUMNS`.

    Raises:
        DecodeError: it is no row of ours.
    """
    try:
        (
            key,
            shard,
            login,
            session,
            local,
            domain,
            arrived,
            size,
            flags,
            longest,
            declared,
            ret,
            envid,
            held,
        ) = row
        return QueuedMessage(
            id_of(key, shard),  # type: ignore[arg-type]
            login,  # type: ignore[arg-type]
            session,  # type: ignore[arg-type]
            None if local is None else Mailbox(local, domain),  # type: ignore[arg-type]
            arrived,  # type: ignore[arg-type]
            size,  # type: ignore[arg-type]
            _facts(flags, longest),  # type: ignore[arg-type]
            _BODIES[declared],  # type: ignore[index]
            bool(flags & _SMTPUTF8),  # type: ignore[operator]
            None if ret is None else _RETS[ret],  # type: ignore[index]
            envid,  # type: ignore[arg-type]
            bool(held),
        )
    except (TypeError, ValueError, LookupError) as error:
        raise DecodeError(f"the row of the message cannot be read: {error!r}") from error


def recipient_value(row: Sequence[Value]) -> QueuedRecipient:
    """A recipient from `RECIPIENT_COLUMNS`.

    Raises:
        DecodeError: it is no row of ours.
    """
    try:
        _, number, local, domain, _, notify, kind, address, route, due, attempts, last, told, _ = row
        recipient = Recipient(
            Mailbox(local, domain),  # type: ignore[arg-type]
            None if notify is None else _NOTIFY[notify],  # type: ignore[index]
            None if kind is None else OriginalRecipient(kind, address),  # type: ignore[arg-type]
        )
        outcome = None if last is None else _outcome_decoder.decode(last)  # type: ignore[arg-type]
        return QueuedRecipient(number, recipient, route, due, attempts, outcome, bool(told))  # type: ignore[arg-type]
    except (TypeError, ValueError, LookupError, msgspec.MsgspecError) as error:
        raise DecodeError(f"the row of a recipient cannot be read: {error!r}") from error


def outcome_text(outcome: Outcome) -> str:
    """An outcome as JSON, so that a person with a database shell can read it."""
    try:
        return _outcome_encoder.encode(outcome).decode()
    except UnicodeEncodeError:
        return _outcome_encoder.encode(_cleaned(outcome)).decode()


def works_of(
    message: QueuedMessage, recipients: Iterable[QueuedRecipient], content: Content | None
) -> tuple[Work, ...]:
    """A message's work, one for each route, in the order of its recipients."""
    by_route: dict[str, list[QueuedRecipient]] = {}
    for recipient in recipients:
        by_route.setdefault(recipient.route, []).append(recipient)
    return tuple(Work(message, route, tuple(group), content) for route, group in by_route.items())


def queued(message: NewMessage, size: int) -> QueuedMessage:
    """A new message as it waits."""
    return QueuedMessage(
        message.id,
        message.login,
        message.session,
        message.reverse_path,
        message.arrived,
        size,
        message.facts,
        message.declared,
        message.smtputf8,
        message.ret,
        message.envid,
    )


def queued_recipients(message: NewMessage) -> list[QueuedRecipient]:
    """A new message's recipients as they wait."""
    due = message.arrived
    return [
        QueuedRecipient(number, new.recipient, new.route, due)
        for number, new in enumerate(message.recipients)
    ]


def _facts(flags: int, longest: int) -> MessageFacts:
    return MessageFacts(bool(flags & _8BIT_BODY), bool(flags & _8BIT_HEADER), bool(flags & _BINARY), longest)


def _cleaned(outcome: Outcome) -> Outcome:
    """Without lone surrogates, which are no text."""
    lines = tuple(line.encode("utf-8", "backslashreplace").decode() for line in outcome.reply.lines)
    reply = msgspec.structs.replace(outcome.reply, lines=lines)
    return msgspec.structs.replace(outcome, reply=reply)
