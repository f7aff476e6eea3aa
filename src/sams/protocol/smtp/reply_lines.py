"""Replies as they go out (RFC 5321 section 4.2, RFC 2034).

    Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF

A line has at most 512 octets with its CRLF (RFC 5321 section 4.5.3.1.5) and is printable ASCII. The enhanced
status stands on each line of a reply, the reference at the end of the last.
"""

from __future__ import annotations

import textwrap

from sams.core.reply import Reply
from sams.core.text import ascii_line

TEXT_WIDTH = 470
"""512 octets without CRLF, code, the longest status and the reference."""
_LONGEST_TEXT = 8 * TEXT_WIDTH


def encode(reply: Reply) -> bytes:
    """The reply in octets, every line ended by CRLF."""
    lines, status = reply.lines, reply.status
    text = lines[0]
    if len(lines) > 1 or len(text) > TEXT_WIDTH or not text.isascii() or not text.isprintable():
        return _encode_lines(reply)
    tail = f"{text}\r\n" if reply.reference is None else f"{text} (ref {reply.reference})\r\n"
    if status is None:
        return f"{reply.code} {tail}".encode()
    return f"{reply.code} {status.kind}.{status.subject}.{status.detail} {tail}".encode()


def _encode_lines(reply: Reply) -> bytes:
    status = f"{reply.status} " if reply.status is not None else ""
    *texts, last = _fitting(reply.lines)
    reference = f" (ref {reply.reference})" if reply.reference is not None else ""
    said = [
        *(f"{reply.code}-{status}{text}\r\n" for text in texts),
        f"{reply.code} {status}{last}{reference}\r\n",
    ]
    return "".join(said).encode("ascii")


def _fitting(lines: tuple[str, ...]) -> tuple[str, ...]:
    wrapped = [textwrap.wrap(ascii_line(line, _LONGEST_TEXT), TEXT_WIDTH) or [""] for line in lines]
    return tuple(piece for pieces in wrapped for piece in pieces)
