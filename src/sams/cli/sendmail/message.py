"""A message as programs write it, made into one that can be submitted: ends of lines, From, recipients of -t."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from sams.cli.sendmail.arguments import Arguments
from sams.cli.sendmail.failure import SendmailError, SysExit
from sams.cli.sendmail.settings import Settings
from sams.core.address import AddressError, Mailbox, domain_key, parse_mailbox
from sams.core.errors import SamsError
from sams.core.text import visible
from sams.message.addresses import AddressListError, parse_address_list
from sams.message.header import Header, HeaderLimits, HeaderReader

MAX_OCTETS = 268_435_456
"""What is read from standard input at most: it is held in memory."""
MAX_RECIPIENTS = 10_000
_ENDS = re.compile(rb"\r\n|\r|\n")
_BARE = re.compile(r"[A-Za-z0-9._+-]+\Z")
_TO_FIELDS = (b"to", b"cc", b"bcc")
_RESENT_FIELDS = (b"resent-to", b"resent-cc", b"resent-bcc")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Ready to be submitted. sender: the reverse path, None is `<>`."""

    sender: Mailbox | None
    recipients: tuple[Mailbox, ...]
    content: bytes

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address of the envelope is not ASCII; the header's are the server's concern."""
        people = (*self.recipients, *(() if self.sender is None else (self.sender,)))
        return not all(mailbox.is_ascii for mailbox in people)


def read(source: BinaryIO, *, dot_ends: bool, limit: int = MAX_OCTETS) -> bytes:
    """All of the message, with CRLF at the end of each line.

    Raises:
        SendmailError: DATAERR, it is too large.
    """
    lines: list[bytes] = []
    left = limit
    while line := source.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise SendmailError(SysExit.DATAERR, f"the message has more than {limit} octets")
        if dot_ends and line.rstrip(b"\r\n") == b".":
            break
        lines.append(line)
    text = _ENDS.sub(b"\r\n", b"".join(lines))
    return text if text.endswith(b"\r\n") or not text else text + b"\r\n"


def compose(raw: bytes, arguments: Arguments, settings: Settings) -> Outgoing:
    """The envelope and the content of what is submitted.

    Raises:
        SendmailError: DATAERR or USAGE, something in it is no address or no message.
    """
    header, body = _split(raw)
    sender = _sender(arguments.sender, settings)
    people = [qualified(text, settings.home_domain) for text in arguments.recipients]
    if arguments.from_header:
        people += _header_recipients(header, settings.home_domain)
    recipients = _each_once(people)
    if not recipients:
        raise SendmailError(SysExit.USAGE, "the message has no recipient in To, Cc or Bcc")
    author = sender or qualified(settings.sender, settings.home_domain)
    return Outgoing(sender, recipients, _with_from(header, author, arguments.name) + b"\r\n" + body)


def qualified(text: str, domain: str) -> Mailbox:
    """An address; a name alone, such as `root`, gets the domain.

    Raises:
        SendmailError: DATAERR, it is none.
    """
    text = text.strip()
    bracketed = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    try:
        return parse_mailbox(bracketed if "@" in bracketed else f"{bracketed}@{domain}")
    except AddressError as error:
        raise SendmailError(SysExit.DATAERR, f"{visible(text, 300)} is no address: {error}") from None


def _each_once(people: Sequence[Mailbox]) -> tuple[Mailbox, ...]:
    found: dict[tuple[str, str], Mailbox] = {}
    for mailbox in people:
        found.setdefault((mailbox.local, domain_key(mailbox.domain)), mailbox)
    return tuple(found.values())


def _split(raw: bytes) -> tuple[Header, bytes]:
    reader = HeaderReader(HeaderLimits(strict=False))
    try:
        body = reader.feed(raw)
        return reader.header if body is not None else _finished(reader), body or b""
    except SamsError as error:
        raise SendmailError(SysExit.DATAERR, str(error.reply)) from None


def _finished(reader: HeaderReader) -> Header:
    reader.finish()
    return reader.header


def _sender(text: str | None, settings: Settings) -> Mailbox | None:
    if text is not None and text.strip() in {"", "<>"}:
        return None
    return qualified(text or settings.sender, settings.home_domain)


def _header_recipients(header: Header, domain: str) -> list[Mailbox]:
    """Of the newest Resent block where there is one, as sendmail does."""
    fields = _RESENT_FIELDS if any(name in header.names for name in _RESENT_FIELDS) else _TO_FIELDS
    found: list[Mailbox] = []
    for name in fields:
        for value in header.values(name):
            found += _listed(value.removesuffix(b"\r"), domain)
    return found


def _listed(value: bytes, domain: str) -> Sequence[Mailbox]:
    if not value.strip():
        return ()
    try:
        return [each.mailbox for each in parse_address_list(value, MAX_RECIPIENTS)]
    except AddressListError as error:
        words = [word.strip() for word in value.decode("utf-8", "replace").split(",")]
        if any(_BARE.match(word) for word in words):
            return [qualified(word, domain) for word in words]
        text = f"{visible(value.strip(), 300)} is no list of addresses: {error}"
        raise SendmailError(SysExit.DATAERR, text) from None


def _with_from(header: Header, author: Mailbox, name: str) -> bytes:
    """The header with a From field that has an address: cron writes `From: root (Cron Daemon)`."""
    usable = any(_is_usable(value) for value in header.values(b"from"))
    if usable:
        return header.raw
    kept = b"".join(
        octets for octets, known in zip(header.wholes, header.names, strict=True) if known != b"from"
    )
    return b"From: " + _author(author, name) + b"\r\n" + kept


def _is_usable(value: bytes) -> bool:
    try:
        return bool(parse_address_list(value.removesuffix(b"\r"), 100))
    except AddressListError:
        return False


def _author(author: Mailbox, name: str) -> bytes:
    if not name or not name.isascii():
        return bytes(author)
    quoted = visible(name, 100).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{author}>'.encode()
