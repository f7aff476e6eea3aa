"""Content-Type and Content-Transfer-Encoding (RFC 2045 sections 5 and 6), as far as a relay needs them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_TYPE = re.compile(
    rb"[ \t\r\n]*+([!#-'*+.0-9A-Z^-~-]{1,127}+)[ \t]{0,10}/[ \t]{0,10}([!#-'*+.0-9A-Z^-~-]{1,127}+)"
)
_TOKEN = rb"[!#-'*+.0-9A-Z^-~-]"
_OTHER = rb"[^!#-'*+.0-9A-Z^-~\";=-]*+"
"""White space, comments' parentheses and whatever else stands between tokens."""
_QUOTED = rb'"((?>(?:[^"\\]++|\\.)*))(?:"|\\?\Z)'
_BEHIND_NAME = _OTHER + rb"=" + _OTHER
_BOUNDARY = re.compile(
    rb"(?is)(?>(?:\"(?>(?:[^\"\\]++|\\.)*)(?:\"|\\?\Z)"  # other parameters
    rb"|[^\";]++"
    rb"|;(?!" + _OTHER + rb"boundary(?:\*[0-9]{1,2}+)?\*?" + _BEHIND_NAME + rb"(?:\"|" + _TOKEN + rb")))*)"
    rb";"
    + _OTHER
    + rb"boundary(\*[0-9]{1,2}+)?(\*)?"
    + _BEHIND_NAME
    + rb"(?:"
    + _QUOTED
    + rb"|("
    + _TOKEN
    + rb"++))"
)
"""The next boundary behind other parameters: its section, whether it is extended (RFC 2231), and its value."""
_ESCAPED = re.compile(rb"(?s)\\(.)")
_ENCODING = re.compile(rb"[ \t\r\n]*+([!#-'*+.0-9A-Z^-~-]{1,100}+)")
MAX_BOUNDARY = 200
"""RFC 2046 allows 70 octets; programs that write a few more are understood."""
_IN_BOUNDARY = re.compile(rb"[ -~]{1,%d}" % MAX_BOUNDARY)
"""RFC 2046 allows fewer characters; no other may stand in a line that is nobody's text."""
_MOST_SECTIONS = 20
"""Of a boundary that is written in pieces: 70 octets fit into one."""


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

    A missing or unreadable one is `default` or `text/plain` (RFC 2045 section 5.2). The first boundary counts; one
    in the form of RFC 2231, which some programs read, where there is no other.
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
    """The first plain `; boundary =`, else what its sections (RFC 2231) are together."""
    sections: dict[int, bytes] = {}
    for _ in range(_MOST_SECTIONS):
        match = _BOUNDARY.match(value, start)
        if match is None:
            break
        start, (number, extended, quoted, token) = match.end(), match.groups()
        text = token if quoted is None else _ESCAPED.sub(rb"\1", quoted)
        if number is None and extended is None:
            return _usable(text)
        place = int(number[1:]) if number is not None else 0
        sections.setdefault(place, _decoded(text, first=place == 0) if extended is not None else text)
    return _usable(b"".join([sections[place] for place in range(len(sections)) if place in sections]))


def _usable(boundary: bytes) -> bytes | None:
    """The boundary without white space at its end; None where no line of a message can be one of it.

    Percent signs (RFC 2231) may stand for any octet, a bare LF as well: lines with it would be passed on unmeasured.
    """
    boundary = boundary.rstrip(b" \t")
    return boundary if _IN_BOUNDARY.fullmatch(boundary) else None


def _decoded(text: bytes, *, first: bool) -> bytes:
    """An extended value: behind charset and language, octets by their hexadecimal digits."""
    return unquote_to_bytes(text.split(b"'", 2)[-1] if first else text)
