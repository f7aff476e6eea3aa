"""Encoded words (RFC 2047): how headers say what ASCII cannot, read for people and for comparison."""

from __future__ import annotations

import binascii
import re

_ENCODED = re.compile(r"=\?([!-)+->@-~]{1,60}+)(?:\*[!->@-~]{0,30}+)?\?([BbQq])\?([!->@-~ ]{0,1000}+)\?=")
_BETWEEN = re.compile(r"(?<=\?=)[ \t\r\n]{1,100}(?==\?)")
_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")
_CHARSETS = re.compile(
    r"(?i)us-ascii|utf-?(?:7|8|16|32)(?:-?[bl]e)?|(?:iso|windows|cp|koi8|gb|big|euc|shift|mac)[a-z0-9_-]*"
)
"""Text encodings only: some codecs are no charset of mail, and slow or strange."""


def decode_words(text: str) -> str:
    """The text with its encoded words decoded. What cannot be decoded is left as it stands. Linear.

    Encoded words are taken wherever they stand, also where RFC 2047 allows none (inside quotes): so do the
    programs that show the text, and this function is for seeing what they show.
    """
    if "=?" not in text:
        return text
    return _ENCODED.sub(_decoded, _BETWEEN.sub("", text))


def _decoded(match: re.Match[str]) -> str:
    charset, kind, body = match.groups()
    if not _CHARSETS.fullmatch(charset):
        return match[0]
    try:
        octets = _base64(body) if kind in "Bb" else _q(body)
        return octets.decode(charset, "replace")
    except (LookupError, ValueError):
        return match[0]


def _base64(body: str) -> bytes:
    return binascii.a2b_base64(body.rstrip("=") + "=" * (-len(body.rstrip("=")) % 4))


def _q(body: str) -> bytes:
    return _ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), body.replace("_", " ").encode())
