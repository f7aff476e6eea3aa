"""Distinguished names as texts (RFC 4514): escaped, compared, and cut."""

from __future__ import annotations

import re
from typing import TypeAlias

Key: TypeAlias = tuple[tuple[tuple[str, str], ...], ...]
"""A name as it is compared: for each entry on the way up the attributes that name it, with their values."""

_SPECIAL = re.compile(r'[\\"+,;<>=#\0]|^ | $')
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)
_ATTRIBUTE = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)\s*=")
_COMMA = re.compile(r"\\.|(,)", re.DOTALL)
_PLUS = re.compile(r"\\.|(\+)", re.DOTALL)


def escaped(value: str) -> str:
    """A value as it stands in a name, whatever is in it."""
    return _SPECIAL.sub(lambda found: f"\\{ord(found[0]):02x}", value)


def is_name(text: str) -> bool:
    """Whether a text is a distinguished name, and no other way to say who it is, such as an address (`a=b@c`)."""
    return _ATTRIBUTE.match(text) is not None and ("@" not in text or "," in text)


def parent(name: str) -> str:
    """The name of the entry above; empty: there is none."""
    cuts = (found.end() for found in _COMMA.finditer(name) if found[1])
    first = next(cuts, None)
    return "" if first is None else name[first:].strip()


def key(name: str) -> Key:
    """What names have in common that mean one entry: without regard to case, to spaces and to how it is escaped.

    By the rules of texts, which hold for all attributes that commonly stand in names; not by the server's schema.
    """
    return tuple(tuple(sorted(map(_pair, _split(_PLUS, part)))) for part in _split(_COMMA, name))


def _split(sign: re.Pattern[str], text: str) -> list[str]:
    """The parts between signs that are not escaped."""
    cuts = [found for found in sign.finditer(text) if found[1]]
    begins = [0, *(cut.end() for cut in cuts)]
    ends = [*(cut.start() for cut in cuts), len(text)]
    return [text[begin:end] for begin, end in zip(begins, ends, strict=True)]


def _pair(text: str) -> tuple[str, str]:
    attribute, _, value = text.partition("=")
    return attribute.strip().lower(), " ".join(_unescaped(value).split()).casefold()


def _unescaped(value: str) -> str:
    octets = value.encode("utf-8", "surrogatepass")
    return _ESCAPE.sub(_meant, octets).decode(errors="replace")


def _meant(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode()) if found[1] else found[2]
