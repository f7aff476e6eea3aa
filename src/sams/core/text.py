"""How text from outside leaves: escaped, cut to length, on one line (docs/security.md decision 10)."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    # Unicode's categories Cc, Cf, Cs, Zl and Zp, and the noncharacters of the first plane's end.
    r"[\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\uffff\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
DEFAULT_LENGTH = 1_000


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
    text = text.translate(_ESCAPES)
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


def _escape(number: int) -> str:
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


class _Escapes(dict[int, str]):
    """What stands for the characters that `_UNSAFE` knows, made when one is met."""

    def __missing__(self, number: int) -> str:
        letter = chr(number)
        if not _UNSAFE.match(letter):
            return letter
        self[number] = escape = _escape(number)
        return escape


_ESCAPES = _Escapes()
