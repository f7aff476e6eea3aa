"""Reports on what became of a message: multipart/report with delivery status (RFC 3461, 3464, 6522, 6533).

A report has three parts: words for the member, the same for programs, and what is returned of the message. It
goes from the null reverse path to the message's reverse path.

Everything from outside (addresses, replies, ENVID, ORCPT, the subject) passes `core.text` on its way in, so that
none of it can end a line; all else comes from constants. The boundary does not occur in any part.

The whole is 7-bit, so that every hop takes it, but for one case: where the reverse path itself is not ASCII, it
stands in To. Parts that hold UTF-8 are of RFC 6533's types and encoded as quoted-printable.

The whole message is returned for a failure where the sender did not ask for RET=HDRS, it is within the limit, and
it can be written in 7 bits (`sams.message.encoding`); its header alone otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sams.core.envelope import Ret
from sams.core.errors import PermanentFailure
from sams.message.encoding import Carries, encode
from sams.message.header import Header, HeaderLimits, read_header
from sams.message.measures import LINE_LIMIT
from sams.message.report_facts import ReportFacts, ReportKind
from sams.message.report_status import delivery_status
from sams.message.report_words import SUBJECTS, explanation
from sams.message.trace import date_time
from sams.message.transfer import QuotedPrintable

_ANY_HEADER = HeaderLimits(octets=1 << 30, fields=1 << 30, received=1 << 30, strict=False)
_RETURNED_HEADER = 64 * 1024
_MESSAGE_ID = re.compile(rb"\s*(<[!-;=?-~]{1,250}>)\s*\Z")
_SEVEN_BIT = Carries(eight_bit=False, binary=False)


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report.

    head: its header with the empty line behind it.
    body: what follows; lines end in CRLF.
    needs_smtputf8: the reverse path, and so To, is not ASCII.
    """

    head: bytes
    body: bytes
    needs_smtputf8: bool

    def __bytes__(self) -> bytes:
        return self.head + self.body


@dataclass(frozen=True, slots=True)
class _Part:
    content_type: str
    octets: bytes

    def written(self) -> bytes:
        """With its header; quoted-printable where it must be."""
        octets, encoding = self.octets, ""
        if not _is_seven_bit(octets):
            stream = QuotedPrintable()
            octets = stream.feed(octets) + stream.finish()
            encoding = "Content-Transfer-Encoding: quoted-printable\r\n"
        return f"Content-Type: {self.content_type}\r\n{encoding}\r\n".encode() + octets


def build_report(facts: ReportFacts) -> Report:
    """Write a report.

    The result is always a report: where the message cannot be returned as asked, less of it is.
    """
    header = read_header(facts.head, _ANY_HEADER)
    is_global = _is_global(facts, header)
    status = "message/global-delivery-status" if is_global else "message/delivery-status"
    parts = [
        _Part("text/plain; charset=utf-8", explanation(facts, header).encode()),
        _Part(status, delivery_status(facts).encode()),
        _returned_message(facts, header) or _returned_header(header),
    ]
    written = [part.written() for part in parts]
    boundary = _boundary(facts.identifier, written)
    delimiter = b"\r\n--" + boundary
    body = b"".join([delimiter + b"\r\n" + part for part in written]) + delimiter + b"--\r\n"
    return Report(_head(facts, header, boundary), body.removeprefix(b"\r\n"), not facts.to.is_ascii)


def _head(facts: ReportFacts, original: Header, boundary: bytes) -> bytes:
    lines = [
        f"From: Mail delivery service <{facts.sender}>",
        f"To: <{facts.to}>",
        f"Date: {date_time(facts.at)}",
        f"Message-ID: <{facts.identifier}@{facts.reporting_mta}>",
        f"Subject: {SUBJECTS[facts.kind]}",
        *_references(original),
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f'\tboundary="{boundary.decode()}"',
    ]
    return "".join([f"{line}\r\n" for line in [*lines, ""]]).encode()


def _references(original: Header) -> list[str]:
    match = _MESSAGE_ID.match(original.first(b"message-id") or b"")
    if match is None:
        return []
    identifier = match[1].decode()
    return [f"In-Reply-To: {identifier}", f"References: {identifier}"]


def _is_global(facts: ReportFacts, header: Header) -> bool:
    """Whether RFC 6533's types are needed: UTF-8 in an address or in the message's header."""
    addresses = [facts.to, *[reported.recipient.mailbox for reported in facts.recipients]]
    originals = [reported.recipient.original for reported in facts.recipients]
    return (
        not all(address.is_ascii for address in addresses)
        or any(original is not None and not original.address.isascii() for original in originals)
        or (header.has_8bit and _is_utf8(header.raw))
    )


def _returned_message(facts: ReportFacts, header: Header) -> _Part | None:
    """The whole message, where that is wanted and possible."""
    if (
        facts.body is None
        or facts.kind is not ReportKind.FAILED
        or facts.ret is Ret.HEADERS
        or header.has_8bit
    ):
        return None
    body = bytearray()
    for chunk in facts.body:
        body += chunk
        if len(body) > facts.full_limit:
            return None
    try:
        octets = b"".join(encode(facts.head, lambda: [bytes(body)], _SEVEN_BIT))
    except PermanentFailure:
        return None
    return _Part("message/rfc822", octets) if _is_seven_bit(octets) else None


def _returned_header(header: Header) -> _Part:
    size = 0
    fields = []
    for field in header.wholes:
        size += len(field)
        if size > _RETURNED_HEADER:
            break
        fields.append(field)
    octets = b"".join(fields)
    is_utf8 = header.has_8bit and _is_utf8(octets)
    return _Part("message/global-headers" if is_utf8 else "text/rfc822-headers", octets)


def _boundary(identifier: str, parts: list[bytes]) -> bytes:
    """One that occurs in no part, whoever wrote what into the message."""
    number = 0
    while True:
        boundary = f"=_report_{identifier}_{number}".encode()
        if not any(boundary in part for part in parts):
            return boundary
        number += 1


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_seven_bit(octets: bytes) -> bool:
    return (
        octets.isascii()
        and b"\0" not in octets
        and all(len(line) <= LINE_LIMIT for line in octets.split(b"\r\n"))
    )
