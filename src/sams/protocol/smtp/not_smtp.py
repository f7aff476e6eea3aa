"""Who speaks something else than SMTP: told once, clearly, and sent away.

A browser can be made to send a request to any port, with lines of a stranger's choice in its body: a session
that began with HTTP must never get as far as those. A ClientHello on a port that begins without TLS, and
binary protocols of port scanners, are not worth ten errors either.
"""

from __future__ import annotations

from sams.core.reply import Reply
from sams.protocol.smtp import replies

_TLS_HANDSHAKE = b"\x16"
_HTTP = frozenset(
    b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PRI PROPFIND"
    b" HOST: USER-AGENT: ACCEPT: CONTENT-TYPE: CONTENT-LENGTH: REFERER: ORIGIN: COOKIE: CONNECTION:".split()
)
_HARMLESS = b" \t\r\n"
"""Somebody at a terminal presses Enter: an error like others."""


def opening_of_stranger(octet: bytes, *, first: bool, tls: bool) -> Reply | None:
    """What to say to a line that begins with this octet; None when it may be a command.

    first: nothing was said before on this connection, or in this TLS session.
    """
    if octet == _TLS_HANDSHAKE and not tls:
        return replies.TLS_TOO_EARLY
    if first and not octet.isalpha() and octet not in _HARMLESS:
        return replies.NOT_SMTP
    return None


def word_of_stranger(word: bytes) -> Reply | None:
    """What to say to an unknown command, in upper case, that a browser or an SSH client sends; else None."""
    return replies.NOT_SMTP if word in _HTTP or word.startswith(b"SSH-") else None
