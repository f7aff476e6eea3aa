"""What a submission server adds to a header and takes out, and nothing else (RFC 6409 section 8).

Added: Received in front; behind the last field Date and Message-ID where none stands, and Sender where asked.
Taken out: Bcc, Resent-Bcc, Return-Path, and every Sender that another one replaces. Every other octet goes on
as it came and in its order; a field that stands is left alone, even where it is wrong.
"""

from __future__ import annotations

from msgspec import Struct

from sams.core.address import Mailbox
from sams.message.header import Header

_REMOVED = frozenset({b"bcc", b"resent-bcc", b"return-path"})


class Additions(Struct, frozen=True, gc=False):
    """The facts of one submission.

    received: the whole field, from `trace.Stamp`.
    date: for a missing Date, from `trace.date_time`.
    message_id: for a missing Message-ID, without angle brackets: `id@server.name`.
    sender: the Sender to set; None leaves Sender as it is.
    """

    received: bytes
    date: str
    message_id: str
    sender: Mailbox | None = None


def fix_up(header: Header, additions: Additions) -> bytes:
    """The header as it is passed on, with the empty line behind it."""
    names, sets_sender = header.names, additions.sender is not None
    is_kept = not sets_sender and _REMOVED.isdisjoint(names)
    is_complete = not sets_sender and b"date" in names and b"message-id" in names
    return b"%b%b%b\r\n" % (
        additions.received,
        header.raw if is_kept else _kept(header, additions),
        b"" if is_complete else _missing(header, additions),
    )


def _kept(header: Header, additions: Additions) -> bytes:
    removed = _REMOVED if additions.sender is None else _REMOVED | {b"sender"}
    fields = zip(header.names, header.wholes, strict=True)
    return b"".join([field for name, field in fields if name not in removed])


def _missing(header: Header, additions: Additions) -> bytes:
    fields = []
    if b"date" not in header.names:
        fields.append(f"Date: {additions.date}\r\n")
    if b"message-id" not in header.names:
        fields.append(f"Message-ID: <{additions.message_id}>\r\n")
    if additions.sender is not None:
        fields.append(f"Sender: {additions.sender}\r\n")
    return "".join(fields).encode()
