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
    texts = _fit(reply.lines)
    if reply.reason:
        texts[-1] = f"{texts[-1]} (ref {reply.reason})"
    status = f"{reply.status} " if reply.status else ""
    last = f"{reply.code} {status}{texts.pop()}\r\n"
    return "".join([*(f"{reply.code}-{status}{text}\r\n" for text in texts), last]).encode("ascii")


def _fit(lines: tuple[str, ...]) -> list[str]:
    fitting: list[str] = []
    for line in lines:
        if len(line) <= TEXT_WIDTH and line.isascii() and line.isprintable():
            fitting.append(line)
        else:
            fitting.extend(textwrap.wrap(ascii_line(line, _LONGEST_TEXT), TEXT_WIDTH) or [""])
    return fitting
