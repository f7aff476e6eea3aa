"""The Received field of a submission, and dates as headers write them (RFC 5321 section 4.4, RFC 5322 3.3).

By default the field says nothing of the member: no address, no host name, no login. RFC 5321 demands a FROM
clause with a domain or an address literal, so one stands there that names nobody: `member.invalid` (RFC 6761
keeps `.invalid` free for ever). Loopback or our own name would be a false trace, and read as a loop.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

from msgspec import Struct

from sams.core.address import AddressError, parse_domain
from sams.core.text import ascii_line

UNNAMED_CLIENT = "member.invalid"
"""Stands where a client is not to be told."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IN_COMMENT = str.maketrans({"(": "\\(", ")": "\\)", "\\": "\\\\"})


class Client(Struct, frozen=True):
    """The member's end, as a Received field may tell of it where the setting says so.

    helo: what EHLO said, unchecked.
    address: its IP address.
    login: who signed in; None is left out.
    """

    helo: str
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    login: str | None = None


class Trace(Struct, frozen=True):
    """What a Received field says of the way in, the same for all messages that come by it.

    by: this server's name.
    extended: EHLO was said, not HELO.
    authenticated: AUTH succeeded.
    smtputf8: MAIL asked for SMTPUTF8.
    tls: version and cipher such as `("TLSv1.3", "TLS_AES_256_GCM_SHA384")`; None in clear text.
    client: None leaves the member's end out.
    """

    by: str
    extended: bool = True
    authenticated: bool = True
    smtputf8: bool = False
    tls: tuple[str, str] | None = None
    client: Client | None = None


class Stamp:
    """Writes the Received fields of one way in: all but the id, the recipient and the date is written once."""

    __slots__ = ("_front", "_smtputf8")

    def __init__(self, trace: Trace) -> None:
        lines = [f"Received: from {_from_domain(trace.client)}"]
        if trace.client is not None and trace.client.login is not None:
            login = ascii_line(trace.client.login, 200)[:200].translate(_IN_COMMENT)  # escapes are cut too
            lines.append(f"(Authenticated sender: {login})")
        if trace.tls is not None:
            lines.append(f"(using {trace.tls[0]} with cipher {trace.tls[1]})")
        lines.append(f"by {trace.by} with {transmission_type(trace)} id ")
        self._front = "\r\n\t".join(lines)
        self._smtputf8 = trace.smtputf8

    def received(self, identifier: str, date: str, only_recipient: str = "") -> bytes:
        """The whole field, folded, with its CRLF. It is ASCII unless SMTPUTF8 was asked for.

        Args:
            identifier: the message id.
            date: from `date_time`.
            only_recipient: the recipient where there is exactly one, else empty; left out when it is not ASCII and
                SMTPUTF8 was not asked for, or can be done without (its domain alone is not ASCII).
        """
        recipient = f"\r\n\tfor <{only_recipient}>" if only_recipient else ""
        if not recipient.isascii() and not self._may_tell(only_recipient):
            recipient = ""
        return f"{self._front}{identifier}{recipient};\r\n\t{date}\r\n".encode()

    def _may_tell(self, recipient: str) -> bool:
        """Whether one beyond ASCII may stand there: where no next hop can do without SMTPUTF8 anyway."""
        return self._smtputf8 and not recipient.rpartition("@")[0].isascii()


def transmission_type(trace: Trace) -> str:
    """What stands behind `with` (RFC 3848, RFC 6531 section 4.3): SMTP, ESMTPSA, and so on."""
    if not trace.extended:
        return "SMTP"
    secured = "S" if trace.tls is not None else ""
    signed_in = "A" if trace.authenticated else ""
    return ("UTF8SMTP" if trace.smtputf8 else "ESMTP") + secured + signed_in


def date_time(at: float) -> str:
    """UNIX seconds as `Thu, 1 Jan 1970 00:00:00 +0000`: in UTC, as a place's own time would tell a place."""
    when = datetime.fromtimestamp(at, UTC)
    return (
        f"{_DAYS[when.weekday()]}, {when.day} {_MONTHS[when.month - 1]} {when.year:04}"
        f" {when.hour:02}:{when.minute:02}:{when.second:02} +0000"
    )


def address_literal(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """`[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3)."""
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _from_domain(client: Client | None) -> str:
    if client is None:
        return UNNAMED_CLIENT
    literal = address_literal(client.address)
    try:
        name = parse_domain(client.helo)
    except AddressError:
        name = literal
    return f"{name if name.isascii() else literal} ({literal})"
