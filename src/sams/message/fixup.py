"""What a submission server adds to a header and takes out, and nothing else (RFC 6409 section 8).

Added: Received in front; behind the last field Date and Message-ID where none stands, and Sender where asked.
Taken out: Bcc, Resent-Bcc, Return-Path, and every Sender that another one replaces. Every other octet goes on
as it came and in its order; a field that stands is left alone, even where it is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from sams.core.address import Mailbox
from sams.message.header import Header
from sams.message.trace import date_time

_REMOVED = frozenset({b"bcc", b"resent-bcc", b"return-path"})


@dataclass(frozen=True, slots=True)
class Additions:
    """The facts of one submission.

    received: the whole field, from `trace.received`.
    at: UNIX seconds, for a missing Date.
    message_id: for a missing Message-ID, without angle brackets: `id@server.name`.
    sender: the Sender to set; None leaves Sender as it is.
    """

    received: bytes
    at: float
    message_id: str
    sender: Mailbox | None = None


def fix_up(header: Header, additions: Additions) -> bytes:
    """The header as it is passed on, with the empty line behind it."""
    return b"".join([additions.received, _kept(header, additions), *_missing(header, additions), b"\r\n"])


def _kept(header: Header, additions: Additions) -> bytes:
    removed = _REMOVED if additions.sender is None else _REMOVED | {b"sender"}
    if removed.isdisjoint(header.names):
        return header.raw
    fields = zip(header.names, header.wholes, strict=True)
    return b"".join([field for name, field in fields if name not in removed])


def _missing(header: Header, additions: Additions) -> list[bytes]:
    fields = []
    if b"date" not in header.names:
        fields.append(f"Date: {date_time(additions.at)}\r\n".encode())
    if b"message-id" not in header.names:
        fields.append(f"Message-ID: <{additions.message_id}>\r\n".encode())
    if additions.sender is not None:
        fields.append(f"Sender: {additions.sender}\r\n".encode())
    return fields
