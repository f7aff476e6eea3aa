"""The parameters of MAIL and RCPT.

Mail-parameters = esmtp-param *( SP esmtp-param )            ; RFC 5321 section 4.1.2
esmtp-param     = esmtp-keyword [ "=" esmtp-value ]
esmtp-keyword   = ( ALPHA / DIGIT ) *( ALPHA / DIGIT / "-" )
esmtp-value     = 1*( %d33-60 / %d62-126 )                   ; UTF-8 besides, RFC 6531 section 3.3
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sams.core.address import AddressError, Mailbox, parse_mailbox
from sams.core.envelope import Body, Notify, OriginalRecipient, Ret
from sams.core.errors import PeerFault
from sams.core.reply import Reply, reply
from sams.core.text import ascii_line
from sams.protocol.smtp.events import NO_PARAMETERS, MailParameters
from sams.protocol.smtp.xtext import decode_utf8_xtext, decode_xtext

MAX_ENVID = 100
"""RFC 3461 section 4.4."""
MAX_ORCPT = 500
"""RFC 3461 section 4.2."""

_SIZE = re.compile(r"[0-9]{1,20}\Z")
# What most programs say: SIZE, perhaps behind BODY.
_PLAIN = re.compile(rb"(?:BODY=(7BIT|8BITMIME) )?SIZE=([0-9]{1,20})\Z")
_KIND = re.compile(r"[A-Za-z0-9-]{1,40}\Z")

Parser = Callable[[str], object]
"""Takes the text behind `=`; raises ValueError with what is allowed."""


def parse_mail_parameters(text: bytes) -> MailParameters:
    """Parse what stands behind the reverse path.

    Raises:
        PeerFault: 555 for one that is not known, 501 for one that is there twice or has a bad value.
    """
    if not text:
        return NO_PARAMETERS
    plain = _PLAIN.match(text)
    if plain is None:
        return MailParameters(**_parse(text, _MAIL))
    body, size = plain.groups()
    return MailParameters(int(size), _PLAIN_BODIES[body])


def parse_rcpt_parameters(text: bytes) -> tuple[Notify | None, OriginalRecipient | None]:
    """Parse what stands behind the forward path: NOTIFY and ORCPT.

    Raises:
        PeerFault: as above.
    """
    if not text:
        return None, None
    values = _parse(text, _RCPT)
    return values.get("notify"), values.get("original")


def _parse(text: bytes, known: Mapping[str, tuple[str, Parser | None]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for part in text.split():
        keyword, equals, value = part.decode("utf-8", "backslashreplace").partition("=")
        entry = known.get(keyword.upper())
        if entry is None:
            raise PeerFault(_unknown(keyword, known))
        name, parser = entry
        if name in values:
            raise PeerFault(_bad(keyword, "may be given once only"))
        if not equals:
            values[name] = _flag(keyword, parser)
            continue
        if parser is None:
            raise PeerFault(_bad(keyword, "takes no value"))
        try:
            values[name] = parser(value)
        except ValueError as error:
            raise PeerFault(_bad(keyword, f"takes {error}")) from None
    return values


def _flag(keyword: str, parser: Parser | None) -> bool:
    if parser is not None:
        raise PeerFault(_bad(keyword, f"needs a value: {keyword.upper()}=..."))
    return True


def _unknown(keyword: str, known: Mapping[str, object]) -> Reply:
    return reply(555, "5.5.4", f"Unknown parameter {ascii_line(keyword, 40)}; known are {' '.join(known)}")


def _bad(keyword: str, why: str) -> Reply:
    return reply(501, "5.5.4", f"{keyword.upper()} {why}")


def _size(value: str) -> int:
    # size-value ::= 1*20DIGIT
    if not _SIZE.match(value):
        raise ValueError("a number of octets, at most 20 digits")
    return int(value)


def _body(value: str) -> Body:
    # body-value ::= "7BIT" / "8BITMIME" / "BINARYMIME"
    body = _BODIES.get(value.upper())
    if body is None:
        raise ValueError("7BIT, 8BITMIME or BINARYMIME")
    return body


def _ret(value: str) -> Ret:
    # ret-value = "FULL" / "HDRS"
    try:
        return Ret(value.upper())
    except ValueError:
        raise ValueError("FULL or HDRS") from None


def _envid(value: str) -> str:
    # envid-parameter = "ENVID=" xtext
    text = _printable(value) if value and len(value) <= MAX_ENVID else None
    if text is None or not text.isascii():
        raise ValueError(f"1 to {MAX_ENVID} characters of xtext")
    return text


def _auth(value: str) -> Mailbox | None:
    # auth-param = "AUTH=" xtext          ; the decoded xtext is a Mailbox or "<>"
    text = _printable(value)
    if text == "<>":
        return None
    try:
        return parse_mailbox(text or "")
    except AddressError:
        raise ValueError("<> or an address, as xtext") from None


def _notify(value: str) -> Notify:
    # notify-esmtp-value = "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" )
    words = value.upper().split(",")
    if words == ["NEVER"]:
        return Notify.NEVER
    notify = Notify.NEVER
    for word in words:
        if word not in _NOTIFY:
            raise ValueError("NEVER, or a list of SUCCESS, FAILURE, DELAY")
        notify |= _NOTIFY[word]
    return notify


def _orcpt(value: str) -> OriginalRecipient:
    # original-recipient-address = addr-type ";" xtext     ; RFC 6533: utf-8-addr-xtext where the type is utf-8
    kind, _, encoded = value.partition(";")
    decode = _printable_utf8 if kind.lower() == "utf-8" else _printable
    address = decode(encoded) if encoded and len(value) <= MAX_ORCPT and _KIND.match(kind) else None
    if address is None:
        raise ValueError(f"type;address, the address as xtext, at most {MAX_ORCPT} characters")
    return OriginalRecipient(kind, address)


def _printable(encoded: str) -> str | None:
    try:
        text = decode_xtext(encoded).decode()
    except ValueError:
        return None
    return text if text.isprintable() else None


def _printable_utf8(encoded: str) -> str | None:
    try:
        text = decode_utf8_xtext(encoded)
    except ValueError:
        return None
    return text if text.isprintable() else None


_BODIES = {body.value: body for body in Body}
_PLAIN_BODIES = {None: Body.SEVEN_BIT, b"7BIT": Body.SEVEN_BIT, b"8BITMIME": Body.EIGHT_BIT_MIME}
_NOTIFY = {"SUCCESS": Notify.SUCCESS, "FAILURE": Notify.FAILURE, "DELAY": Notify.DELAY}
_MAIL: Mapping[str, tuple[str, Parser | None]] = {
    "SIZE": ("size", _size),
    "BODY": ("body", _body),
    "SMTPUTF8": ("smtputf8", None),
    "RET": ("ret", _ret),
    "ENVID": ("envid", _envid),
    "AUTH": ("auth", _auth),
}
_RCPT: Mapping[str, tuple[str, Parser | None]] = {
    "NOTIFY": ("notify", _notify),
    "ORCPT": ("original", _orcpt),
}
