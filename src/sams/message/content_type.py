"""Content-Type and Content-Transfer-Encoding (RFC 2045 sections 5 and 6), as far as a relay needs them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TYPE = re.compile(
    rb"[ \t\r\n]*+([!#-'*+.0-9A-Z^-~-]{1,127}+)[ \t]{0,10}/[ \t]{0,10}([!#-'*+.0-9A-Z^-~-]{1,127}+)"
)
_TOKEN = re.compile(
    rb'(?s:"(?P<quoted>(?>(?:[^"\\]|\\.)*))(?:"|\\?\Z))'
    rb"|(?P<token>[!#-'*+.0-9A-Z^-~-]++)"
    rb"|(?P<mark>[;=])"
    rb"|[ \t\r\n]++"
    rb"|(?s:.)"
)
_ESCAPED = re.compile(rb"(?s)\\(.)")
_ENCODING = re.compile(rb"[ \t\r\n]*+([!#-'*+.0-9A-Z^-~-]{1,100}+)")
MAX_BOUNDARY = 200
"""RFC 2046 allows 70 octets; programs that write a few more are understood."""


@dataclass(frozen=True, slots=True)
class ContentType:
    """`kind/subtype` in lower case, and the boundary where there is a usable one."""

    kind: str
    subtype: str
    boundary: bytes | None = None

    @property
    def name(self) -> str:
        """Both together, such as `text/plain`."""
        return f"{self.kind}/{self.subtype}"


PLAIN_TEXT = ContentType("text", "plain")
EMBEDDED_MESSAGE = ContentType("message", "rfc822")


def parse_content_type(value: bytes | None, default: ContentType = PLAIN_TEXT) -> ContentType:
    """Read a Content-Type's value. Linear, whatever it holds.

    A missing or unreadable one is `default` or `text/plain` (RFC 2045 section 5.2). The first boundary counts.
    """
    if value is None:
        return default
    match = _TYPE.match(value)
    if match is None:
        return PLAIN_TEXT
    kind, subtype = match[1].decode().lower(), match[2].decode().lower()
    boundary = _boundary(value, match.end()) if kind == "multipart" else None
    return ContentType(kind, subtype, boundary)


def parse_encoding(value: bytes | None) -> str:
    """The transfer encoding in lower case; `7bit` where none is named."""
    match = _ENCODING.match(value) if value is not None else None
    return match[1].decode().lower() if match else "7bit"


def _boundary(value: bytes, start: int) -> bytes | None:
    """The value behind `; boundary =`."""
    before = [b"", b"", b""]
    for match in _TOKEN.finditer(value, start):
        kind = match.lastgroup
        if kind is None:
            continue
        if before == [b";", b"boundary", b"="] and kind != "mark":
            found = _ESCAPED.sub(rb"\1", match["quoted"]) if kind == "quoted" else match["token"]
            found = found.rstrip()
            return found if 0 < len(found) <= MAX_BOUNDARY else None
        before = [before[1], before[2], match[0].lower()[:20]]
    return None
