"""Encoded words (RFC 2047): how headers say what ASCII cannot, read for people and for comparison."""

from __future__ import annotations

import binascii
import re
from encodings.aliases import aliases

_ENCODED = re.compile(r"=\?([!-)+->@-~]{1,60}+)(?:\*[!->@-~]{0,30}+)?\?([BbQq])\?([!->@-~ ]{0,1000}+)\?=")
_BETWEEN = re.compile(r"(?<=\?=)[ \t\r\n]{1,100}(?==\?)")
_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")
_NO_CHARSETS = frozenset({"mbcs", "rot_13"})
"""These, and all whose name ends in `_codec`, make no text of octets."""
_WITHOUT_ALIAS = ("cp720", "cp737", "cp874", "koi8_t", "koi8_u", "mac_arabic", "mac_croatian", "mac_romanian")
_CHARSETS = {
    name: codec
    for alias, codec in [*aliases.items(), *zip(_WITHOUT_ALIAS, _WITHOUT_ALIAS, strict=True)]
    if not codec.endswith("_codec") and codec not in _NO_CHARSETS
    for name in (alias, codec)
}
"""Python's name of each charset, by all its names. No other name may reach the codecs: they would try to import it,
and keep it for ever. Of an unknown charset the ASCII is shown: nearly all have it, and programs know more names."""
_SEPARATORS = str.maketrans("-:.", "___")


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
    codec = _CHARSETS.get(charset.lower().translate(_SEPARATORS), "ascii")
    try:
        octets = _base64(body) if kind in "Bb" else _q(body)
        return octets.decode(codec, "replace")
    except ValueError:
        return match[0]


def _base64(body: str) -> bytes:
    return binascii.a2b_base64(body.rstrip("=") + "=" * (-len(body.rstrip("=")) % 4))


def _q(body: str) -> bytes:
    return _ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), body.replace("_", " ").encode())
