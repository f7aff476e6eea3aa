"""DER (X.690), as much of it as a certificate needs: tags, lengths, text and times. Linear, no deeper than asked."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import NamedTuple

SEQUENCE, SET, OID, BOOLEAN, OCTETS = 0x30, 0x31, 0x06, 0x01, 0x04
UTC_TIME, GENERALISED_TIME = 0x17, 0x18
_MOST_PARTS = 4_096
_ENCODINGS = {0x1E: "utf-16-be", 0x1C: "utf-32-be", 0x14: "latin-1"}
_TIME = re.compile(rb"([0-9]{2}|[0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z")


class BadDer(Exception):
    """The octets are no DER of what they should be."""


class Part(NamedTuple):
    """One value. tag: its first octet. body: what it contains."""

    tag: int
    body: bytes


def parts(octets: bytes) -> Iterator[Part]:
    """The values that stand one behind the other.

    Raises:
        BadDer: a length does not fit.
    """
    at = 0
    for _ in range(_MOST_PARTS):
        if at >= len(octets):
            return
        tag, body, at = _one(octets, at)
        yield Part(tag, body)
    raise BadDer("more values than anybody needs")


def only(octets: bytes, tag: int) -> bytes:
    """What the first value contains, which must have this tag.

    Raises:
        BadDer: it has another.
    """
    first = next(parts(octets), None)
    if first is None or first.tag != tag:
        raise BadDer(f"tag {tag:#x} is not there")
    return first.body


def _one(octets: bytes, at: int) -> tuple[int, bytes, int]:
    head = octets[at : at + 2]
    if len(head) < 2 or head[0] & 0x1F == 0x1F:
        raise BadDer("cut off, or a tag of more than one octet")
    length, start = head[1], at + 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4:
            raise BadDer("a length that DER does not have")
        length = int.from_bytes(octets[start : start + size], "big")
        start += size
    if start + length > len(octets):
        raise BadDer("a value is longer than what holds it")
    return head[0], octets[start : start + length], start + length


def text(part: Part) -> str:
    """A string of any of the usual types; what cannot be decoded is escaped."""
    return part.body.decode(_ENCODINGS.get(part.tag, "utf-8"), "backslashreplace")


def oid(body: bytes) -> str:
    """An object identifier in dots.

    Raises:
        BadDer: it is cut off, or too large.
    """
    if not body or body[-1] & 0x80:
        raise BadDer("an object identifier is cut off")
    numbers, number = [], 0
    for octet in body[:64]:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        raise BadDer("an object identifier has a number that is too large")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def moment(part: Part) -> float:
    """A time in UNIX seconds (RFC 5280 section 4.1.2.5).

    Raises:
        BadDer: it is none.
    """
    found = _TIME.fullmatch(part.body)
    if found is None or part.tag not in {UTC_TIME, GENERALISED_TIME}:
        raise BadDer("no time")
    year, *rest = map(int, found.groups())
    if part.tag == UTC_TIME:
        year += 2000 if year < 50 else 1900
    try:
        return dt.datetime(year, *rest, tzinfo=dt.timezone.utc).timestamp()  # type: ignore[arg-type,misc]
    except ValueError as error:
        raise BadDer(f"no time: {error}") from error
