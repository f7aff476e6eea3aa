"""What the readers of `message` have to find, line by line and slowly; and its edits as a plain re-writing."""

from __future__ import annotations

import re

_FIELD = re.compile(rb"([!-9;-~]{1,255})[ \t]{0,255}:")


def read_message(message: bytes) -> tuple[list[bytes], bytes]:
    """The fields of a message whose lines end in CRLF, each with its folds; and the body (RFC 5322 section 2.2)."""
    lines = message.split(b"\r\n")
    fields: list[bytes] = []
    if re.match(rb">?From (?![ \t]*:)", lines[0]) and len(lines) > 1:
        del lines[0]
    elif re.match(rb">?From (?![ \t]*:)", lines[0]):
        return _only_line(message)
    for number, line in enumerate(lines):
        if not line:
            return fields, b"\r\n".join(lines[number + 1 :])
        if fields and line[:1] in {b" ", b"\t"}:
            fields[-1] += line + b"\r\n"
        elif _FIELD.match(line):
            fields.append(line + b"\r\n")
        else:
            return fields, b"\r\n".join(lines[number:])
    return fields, b""


def _only_line(message: bytes) -> tuple[list[bytes], bytes]:
    """A message that is the line of a mailbox file and no more, without its end."""
    return [], message


def name_of(field: bytes) -> bytes:
    """The name of a field, in lower case."""
    match = _FIELD.match(field)
    assert match is not None
    return match[1].lower()


def fixed_up(fields: list[bytes], received: bytes, date: str, identifier: str, sender: str | None) -> bytes:
    """RFC 6409 section 8: Received in front, what is missing behind, what gives recipients away left out."""
    unwanted = {b"bcc", b"resent-bcc", b"return-path"} | ({b"sender"} if sender else set())
    kept = [field for field in fields if name_of(field) not in unwanted]
    names = {name_of(field) for field in fields}
    added = [
        (b"date", f"Date: {date}\r\n"),
        (b"message-id", f"Message-ID: <{identifier}>\r\n"),
    ]
    behind = [text.encode() for name, text in added if name not in names]
    behind += [f"Sender: {sender}\r\n".encode()] if sender else []
    return b"".join([received, *kept, *behind, b"\r\n"])


def boundary_lines(body: bytes, boundary: bytes) -> int:
    """How many lines of a body are this boundary, up to the one that ends the multipart."""
    count = 0
    for line in body.split(b"\r\n"):
        text = line.rstrip(b" \t")
        count += text == b"--" + boundary
        if text == b"--" + boundary + b"--":
            break
    return count
