"""How text from outside leaves: on one line, nothing invisible, cut to length."""

from __future__ import annotations

import datetime as dt

LENGTH = 300
"""Characters of a foreign text that are shown, unless told."""
DAY = 86_400.0


def visible(text: str | bytes, length: int = LENGTH) -> str:
    r"""The text as a terminal or a page may have it; what is no printable character becomes `\xNN` or `\uNNNN`.

    The result has at most `length` characters; what is longer ends in `…`.
    """
    if isinstance(text, bytes):
        text = text[: 4 * length].decode("utf-8", "backslashreplace")
    text = text[: length + 1]
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else _escape(ord(letter)) for letter in text)
    return text if len(text) <= length else text[: length - 1] + "…"


def _escape(number: int) -> str:
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def moment(at: float) -> str:
    """A time in UTC for people: `2026-11-29 02:28 UTC`. at: UNIX seconds."""
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
    try:
        return f"{epoch + dt.timedelta(seconds=at):%Y-%m-%d %H:%M} UTC"
    except OverflowError:
        return "a time out of range"


def span(seconds: float) -> str:
    """A length of time in its largest unit: `3 days`, `1 hour`, `40 seconds`."""
    for unit, name in ((DAY, "day"), (3_600.0, "hour"), (60.0, "minute")):
        if seconds >= unit:
            return count(int(seconds // unit), name)
    return count(int(seconds), "second")


def count(number: int, thing: str) -> str:
    """`1 port`, `2 ports`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def listed(words: list[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
