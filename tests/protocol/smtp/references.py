"""What the engine's readers have to find, in as few words as possible: one octet at a time, of the whole stream.

They are slow and know nothing of pieces; the readers are compared with them however a stream is cut.
"""

from __future__ import annotations

from sams.protocol.smtp.settings import BareNewlines, ServerSettings

BARE = "bare"
LONG = "long"


def next_line(stream: bytes, limit: int) -> tuple[bytes | str | None, bytes | None]:
    """The first line by docs/security.md rule 1: `BARE` or `LONG` for a bad one, None where it is incomplete.

    Second: what stands behind its CRLF; None where that has not come.
    """
    window = stream[:limit]
    line, end, _ = window.partition(b"\r\n")
    _, found, rest = stream.partition(b"\r\n")
    behind = rest if found else None
    if b"\n" in line or b"\0" in line or b"\r" in line[: None if end else -1]:
        return BARE, behind
    if end:
        return line, behind
    return (LONG, behind) if len(window) == limit else (None, None)


def all_lines(stream: bytes, limit: int) -> list[bytes | str]:
    """Every line of a stream."""
    lines: list[bytes | str] = []
    rest: bytes | None = stream
    while rest:
        line, rest = next_line(rest, limit)
        if line is not None:
            lines.append(line)
    return lines


def read_data(wire: bytes) -> tuple[bytes, bytes | None]:
    """The content of DATA (RFC 5321 section 4.5.2), and what stands behind its end; None where that has not come."""
    content, at, line_start = b"", 0, True
    while at < len(wire):
        if line_start and wire[at : at + 3] == b".\r\n":
            return content, wire[at + 3 :]
        at += line_start and wire[at : at + 1] == b"."
        content += wire[at : at + 1]
        at += 1
        line_start = wire[at - 2 : at] == b"\r\n"
    return content, None


def judge(content: bytes, settings: ServerSettings, *, binary: bool = False) -> tuple[str, bytes]:
    """The status with which a message of this content is refused, empty for none; and what is stored."""
    if binary:
        return ("5.3.4", b"") if len(content) > settings.message_size else ("", content)
    bare = any(newline in content.replace(b"\r\n", b"") for newline in (b"\r", b"\n"))
    if settings.bare_newlines is BareNewlines.NORMALISE:
        lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        bare, content = False, b"\r\n".join(lines)
    bare = bare or b"\0" in content
    if len(content) > settings.message_size:
        return "5.3.4", b""
    if bare:
        return "5.6.11", b""
    *ended, last = content.split(b"\r\n")
    long = max(map(len, [*(line + b"\r\n" for line in ended), last])) > settings.data_line
    return ("5.6.0", b"") if long else ("", content)
