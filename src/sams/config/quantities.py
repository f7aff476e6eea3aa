"""Kinds of values: lengths of time and numbers of octets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sams.config.kinds import Unfit, quote, type_name

_QUANTITY = re.compile(r"\s*([0-9]{1,16}(?:\.[0-9]{1,6})?)\s*([A-Za-z]+)")
_DURATIONS = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("day", "days", "d"), 86_400.0),
    **dict.fromkeys(("week", "weeks"), 604_800.0),
}
_SIZES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, in seconds; a number without a unit is refused, for nobody knows what it counts."""

    least: float
    most: float

    @property
    def allowed(self) -> str:
        """The form and the range."""
        return (
            f'a duration such as "250 ms", "90 s", "5 min", "1 h 30 min" or "5 days",'
            f" from {show_duration(self.least)} to {show_duration(self.most)}"
        )

    def read(self, value: object, base: Path) -> float:
        """Seconds."""
        del base
        seconds = read_duration(value)
        if not self.least <= seconds <= self.most:
            raise Unfit("it is out of range")
        return seconds

    def write(self, value: object) -> str:
        """In the largest units that make whole numbers."""
        assert isinstance(value, (int, float))
        return quote(show_duration(value))


@dataclass(frozen=True, slots=True)
class Size:
    """A number of octets; a plain whole number counts octets."""

    least: int
    most: int

    @property
    def allowed(self) -> str:
        """The form and the range."""
        return (
            f'a size such as "50 MiB", "128 KiB" or a number of octets,'
            f" from {show_size(self.least)} to {show_size(self.most)}"
        )

    def read(self, value: object, base: Path) -> int:
        """Octets."""
        del base
        octets = read_size(value)
        if not self.least <= octets <= self.most:
            raise Unfit("it is out of range")
        return octets

    def write(self, value: object) -> str:
        """In the largest binary unit that makes a whole number."""
        assert isinstance(value, int)
        return quote(show_size(value))


def read_duration(value: object) -> float:
    """Seconds from `"1 h 30 min"`.

    Raises:
        Unfit: it has no unit, an unknown one, or is no duration at all.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise Unfit(f'the unit is missing: "{value} s" or "{value} min"?')
    return _total(value, _DURATIONS, "a duration has ms, s, min, h, days or weeks")


def read_size(value: object) -> int:
    """Octets from `"50 MiB"` or from a plain whole number.

    Raises:
        Unfit: it has an unknown unit, is no whole number of octets, or no size at all.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    octets = _total(value, _SIZES, "a size has B, kB, MB, GB (1000) or KiB, MiB, GiB, TiB (1024)")
    if not octets.is_integer():
        raise Unfit("it is no whole number of octets")
    return int(octets)


def show_duration(seconds: float) -> str:
    """`90 s`, `1 h`, `5 days`: the largest unit in which the number is whole."""
    if seconds and not float(seconds).is_integer():
        return f"{seconds * 1000:.15g} ms"
    whole = int(seconds)
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if whole and whole % length == 0:
            count = whole // length
            return f"{count} {unit}" if count != 1 or unit != "days" else "1 day"
    return f"{whole} s"


def show_size(octets: int) -> str:
    """`50 MiB`, `2 KiB`, `500 B`: the largest binary unit in which the number is whole."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if octets and octets % _SIZES[unit] == 0:
            return f"{octets // _SIZES[unit]} {unit}"
    return f"{octets} B"


def _total(value: object, units: dict[str, float] | dict[str, int], advice: str) -> float:
    if not isinstance(value, str):
        raise Unfit(f"{type_name(value)} instead of a text in quotes")
    total, end = 0.0, 0
    while end < len(value) or not end:
        match = _QUANTITY.match(value, end)
        if match is None or match[2] not in units:
            raise Unfit(advice)
        total += float(match[1]) * units[match[2]]
        end = match.end()
    return round(total, 6)
