"""How text from outside leaves: escaped, cut to length, on one line (docs/security.md rule 10)."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    # Unicode's categories Cc, Cf, Cs, Zl and Zp, and the noncharacters of the first plane's end.
    r"([\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\uffff\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff])"
)
DEFAULT_LENGTH = 1_000
_SHORTEST_ESCAPE = 4


def visible(text: str | bytes, length: int = DEFAULT_LENGTH) -> str:
    r"""The text for a log, a report, a terminal or a page: one line, nothing invisible, cut to length.

    The result has at most `length` characters; a longer one is cut and ends in `…`. Control and format characters,
    line separators and lone surrogates become `\xNN` or `\uNNNN`; bytes that are no UTF-8 become `\xNN`.
    """
    if isinstance(text, bytes):
        text = text[: 4 * (length + 1)].decode("utf-8", "backslashreplace")
    if len(text) > length:
        text = text[: length - 1] + "…"
    if text.isprintable():
        return text
    text = _escaped(text, length)
    return text if len(text) <= length else text[: length - 1] + "…"


def is_visible(text: str) -> bool:
    """Whether the text has no character that `visible` would escape."""
    return text.isprintable() or _UNSAFE.search(text) is None


def ascii_line(text: str, length: int = DEFAULT_LENGTH) -> str:
    """The same in ASCII alone, as a reply or a header field of ours must be."""
    return visible(text, length).encode("ascii", "backslashreplace").decode("ascii")


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """The words of a text in lines of at most `width` characters; a word that is longer stands over.

    first, rest: what the first line begins with, and the others. (`textwrap` takes twenty times as long.)
    """
    words = " ".join(text.split())
    line = re.compile(rf"\S(?:.{{0,{width - max(len(first), len(rest)) - 2}}}\S)?(?= |\Z)|\S+")
    return [(rest if number else first) + one for number, one in enumerate(line.findall(words))]


def _escaped(text: str, length: int) -> str:
    """So many characters of the result, or all of it, are as they must be; of what is longer the rest is cut."""
    if text.isascii():
        return text.translate(_ASCII_ESCAPES)
    parts = _UNSAFE.split(text, length // _SHORTEST_ESCAPE + 1)
    parts[1::2] = map(_ESCAPES.__getitem__, parts[1::2])
    return "".join(parts)


def _escape(number: int) -> str:
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


class _Escapes(dict[str, str]):
    """What stands for a character that `_UNSAFE` knows, made when one is met: there are some 7,000."""

    def __missing__(self, letter: str) -> str:
        self[letter] = escape = _escape(ord(letter))
        return escape


_ESCAPES = _Escapes()
_ASCII_ESCAPES = {number: _escape(number) for number in range(0x80) if _UNSAFE.match(chr(number))}
"""For `str.translate`, which is quick for ASCII alone: elsewhere it asks for each character."""
