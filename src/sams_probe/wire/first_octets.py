"""What speaks at the other end, by its first octets."""

from __future__ import annotations

import enum
import re

LOOKED_AT = 512


class Speech(enum.Enum):
    """A language."""

    NOTHING = "nothing"
    SMTP = "smtp"
    TLS = "tls"
    HTTP = "http"
    """HTTP, or HTML without it."""
    MAILBOX = "mailbox"
    """IMAP or POP3: the incoming server's port."""
    SSH = "ssh"
    TEXT = "text"
    BINARY = "binary"


_KINDS = (
    (re.compile(rb"[2-5][0-9]{2}(?:[ -]|\r?\n)"), Speech.SMTP),
    (re.compile(rb"[\x14-\x17]\x03[\x00-\x04]"), Speech.TLS),
    (re.compile(rb"HTTP/[0-9]"), Speech.HTTP),
    (
        re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|meta|script|\?xml)", re.IGNORECASE),
        Speech.HTTP,
    ),
    (re.compile(rb"\* (?:OK|BYE|PREAUTH)|\+OK|-ERR"), Speech.MAILBOX),
    (re.compile(rb"SSH-[0-9]"), Speech.SSH),
)
_TEXT = re.compile(rb"[\t\r\n\x20-\x7e\x80-\xff]*")


def what_is(octets: bytes) -> Speech:
    """What the first octets of the other side are, as far as they tell; `NOTHING` where there are none."""
    first = octets[:LOOKED_AT]
    if not first:
        return Speech.NOTHING
    for pattern, speech in _KINDS:
        if pattern.match(first):
            return speech
    return Speech.TEXT if _TEXT.fullmatch(first) else Speech.BINARY
