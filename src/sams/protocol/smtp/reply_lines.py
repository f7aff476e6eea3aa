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
    texts, status, reason = reply.lines, reply.status, reply.reason
    for text in texts:
        if len(text) > TEXT_WIDTH or not text.isascii() or not text.isprintable():
            texts = _fitting(texts)
            break
    tail = f"{texts[-1]} (ref {reason})\r\n" if reason else f"{texts[-1]}\r\n"
    head = f"{reply.code} {status} " if status is not None else f"{reply.code} "
    if len(texts) == 1:
        return (head + tail).encode("ascii")
    between = f"{head[:3]}-{head[4:]}"
    return "".join([*(f"{between}{text}\r\n" for text in texts[:-1]), head, tail]).encode("ascii")


def _fitting(lines: tuple[str, ...]) -> tuple[str, ...]:
    wrapped = [textwrap.wrap(ascii_line(line, _LONGEST_TEXT), TEXT_WIDTH) or [""] for line in lines]
    return tuple(piece for pieces in wrapped for piece in pieces)
