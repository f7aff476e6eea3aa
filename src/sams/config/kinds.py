"""The kinds of values that a key may have: how each is read from TOML, described, and written back.

A kind is a small frozen value. `read` takes what tomllib gave and returns what the program uses, `allowed` is
the text that errors and the reference page show, `write` gives the TOML text of a value.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from sams.core.address import AddressError, domain_key, parse_domain, parse_mailbox

_QUANTITY = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]+)")
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
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:/+-]{0,99}\Z")


class Unfit(ValueError):
    """The value is not of its kind. The message says what is wrong with it, in a few words."""


class HostPort(NamedTuple):
    """A next hop as the configuration names it; the port is 1 to 65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Kind(Protocol):
    """How values of one kind are read, described and written."""

    @property
    def allowed(self) -> str:
        """What is allowed, as the end of a sentence."""
        ...

    def read(self, value: object, base: Path) -> object:
        """The value as the program uses it; relative paths begin at `base`.

        Raises:
            Unfit: it is not of this kind.
        """
        ...

    def write(self, value: object) -> str:
        """The value as TOML."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """Any text on one line."""

    what: str = "a text on one line"
    longest: int = 1_000
    empty: bool = False

    @property
    def allowed(self) -> str:
        """What is allowed."""
        return self.what

    def read(self, value: object, base: Path) -> str:
        """A text without control characters."""
        del base
        if not isinstance(value, str):
            raise Unfit(f"{_type_name(value)} instead of a text in quotes")
        if not value and not self.empty:
            raise Unfit("it is empty")
        if len(value) > self.longest or not value.isprintable():
            raise Unfit("it is too long or has control characters")
        return value

    def write(self, value: object) -> str:
        """In double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class Name:
    """A short name of letters, digits and `_ . @ : / + -`."""

    what: str = "a name of letters, digits and _ . @ : / + -"

    @property
    def allowed(self) -> str:
        """What is allowed."""
        return self.what

    def read(self, value: object, base: Path) -> str:
        """A name that needs no quotes anywhere."""
        text = Text().read(value, base)
        if not _NAME.match(text):
            raise Unfit("it has a character that a name may not have, or is longer than 100")
        return text

    def write(self, value: object) -> str:
        """In double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The words."""
        return " or ".join(quote(word) for word in self.words)

    def read(self, value: object, base: Path) -> str:
        """The word."""
        del base
        if not isinstance(value, str) or value not in self.words:
            raise Unfit("it is none of the words")
        return value

    def write(self, value: object) -> str:
        """In double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    allowed: str = "true or false"

    def read(self, value: object, base: Path) -> bool:
        """The truth value itself."""
        del base
        if not isinstance(value, bool):
            raise Unfit(f"{_type_name(value)} instead of true or false")
        return value

    def write(self, value: object) -> str:
        """As TOML writes it."""
        return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a range, both ends included."""

    least: int
    most: int

    @property
    def allowed(self) -> str:
        """The range."""
        return f"a whole number from {self.least} to {self.most}"

    def read(self, value: object, base: Path) -> int:
        """The number."""
        del base
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit(f"{_type_name(value)} instead of a whole number without quotes")
        if not self.least <= value <= self.most:
            raise Unfit("it is out of range")
        return value

    def write(self, value: object) -> str:
        """In digits."""
        return str(value)


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


@dataclass(frozen=True, slots=True)
class File:
    """A path. A relative one begins at the folder of the configuration file."""

    allowed: str = "a path; a relative one begins at the folder of the configuration file"

    def read(self, value: object, base: Path) -> Path:
        """An absolute path. Whether it exists is checked elsewhere."""
        text = Text(longest=4_096).read(value, base)
        return Path(base, Path(text).expanduser() if text.startswith("~/") else text)

    def write(self, value: object) -> str:
        """In double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain name; kept in lower case as A-labels."""

    allowed: str = 'a domain name such as "example.ac.uk"'

    def read(self, value: object, base: Path) -> str:
        """The name in lower case, internationalised labels as A-labels."""
        text = Text(longest=255).read(value, base)
        if text.startswith("["):
            raise Unfit("it is an address, not a domain name")
        try:
            return domain_key(parse_domain(text))
        except AddressError as error:
            raise Unfit(str(error)) from None

    def write(self, value: object) -> str:
        """In double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class DomainPattern:
    """A domain name, `*.domain` for all below it, or `*` for every one."""

    allowed: str = 'a domain name, "*.example.org" for all below one, or "*" for every domain'

    def read(self, value: object, base: Path) -> str:
        """The pattern in lower case with A-labels."""
        if value == "*":
            return "*"
        if isinstance(value, str) and value.startswith("*."):
            return "*." + Domain().read(value[2:], base)
        return Domain().read(value, base)

    def write(self, value: object) -> str:
        """In double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 or IPv6 address."""

    allowed: str = 'an IP address such as "192.0.2.1", "::1", "0.0.0.0" or "::"'

    def read(self, value: object, base: Path) -> str:
        """The address in its shortest form."""
        text = Text(longest=100).read(value, base)
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise Unfit("it is no IP address") from None

    def write(self, value: object) -> str:
        """In double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class Network:
    """An IPv4 or IPv6 network, or one address."""

    allowed: str = 'a network such as "192.0.2.0/24", "2001:db8::/32" or one address'

    def read(self, value: object, base: Path) -> str:
        """The network in CIDR form."""
        text = Text(longest=100).read(value, base)
        try:
            return str(ipaddress.ip_network(text))
        except ValueError as error:
            raise Unfit(str(error).replace(repr(text), "it")) from None

    def write(self, value: object) -> str:
        """In double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class NextHop:
    """`host:port`."""

    allowed: str = '"host:port", such as "mailhub.example.ac.uk:25" or "[2001:db8::1]:587"'

    def read(self, value: object, base: Path) -> HostPort:
        """Host and port apart."""
        text = Text(longest=300).read(value, base)
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536):
            raise Unfit("it does not end in a port, such as :25")
        if host.startswith("[") and host.endswith("]"):
            return HostPort(Address().read(host[1:-1], base), int(port))
        if ":" in host:
            raise Unfit("an IPv6 address stands in brackets")
        return HostPort(Domain().read(host, base), int(port))

    def write(self, value: object) -> str:
        """As `host:port`, in double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class MailAddress:
    """A mailbox."""

    allowed: str = 'a mail address such as "postmaster@example.ac.uk"'

    def read(self, value: object, base: Path) -> str:
        """The address as it was written."""
        text = Text(longest=254).read(value, base)
        try:
            return str(parse_mailbox(text))
        except AddressError as error:
            raise Unfit(str(error)) from None

    def write(self, value: object) -> str:
        """In double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class Url:
    """A web address, http or https, without a password in it."""

    allowed: str = 'a web address such as "https://alerts.example.ac.uk/sams"'

    def read(self, value: object, base: Path) -> str:
        """The address as it was written."""
        text = Text(longest=2_000).read(value, base)
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:
            raise Unfit("it is no web address") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isascii() or " " in text:
            raise Unfit("it does not begin with https:// or http:// and a host")
        if parts.username is not None:
            raise Unfit("it has a user name in it, and this file is no place for a secret")
        return text

    def write(self, value: object) -> str:
        """In double quotes."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class Many:
    """A list of values of one kind; `or_one`: a single value stands for a list of one."""

    kind: Kind
    least: int = 0
    most: int = 1_000
    or_one: bool = False

    @property
    def allowed(self) -> str:
        """The list in words."""
        if self.or_one:
            return f"{self.kind.allowed}; or a list of them"
        return f"a list; each of it {self.kind.allowed}"

    def read(self, value: object, base: Path) -> tuple[object, ...]:
        """The values in their order."""
        if self.or_one and not isinstance(value, list):
            value = [value]
        if not isinstance(value, list):
            raise Unfit(f"{_type_name(value)} instead of a list in [ ]")
        if not self.least <= len(value) <= self.most:
            raise Unfit("the list is empty" if not value else f"the list has more than {self.most} values")
        return tuple(self._read_one(number, item, base) for number, item in enumerate(value, 1))

    def write(self, value: object) -> str:
        """A TOML array, or the single value where that is allowed."""
        assert isinstance(value, tuple)
        texts = [self.kind.write(item) for item in value]
        return texts[0] if self.or_one and len(texts) == 1 else f"[{', '.join(texts)}]"

    def _read_one(self, number: int, item: object, base: Path) -> object:
        try:
            return self.kind.read(item, base)
        except Unfit as error:
            raise Unfit(f"number {number} of the list, {found(item)}: {error}") from None


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


def quote(text: str) -> str:
    """A TOML basic string: JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def found(value: object) -> str:
    """A value of the file as an error shows it: as TOML writes it, cut to length."""
    text = quote(value) if isinstance(value, str) else _shown(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"[{', '.join(found(item) for item in value[:10])}{', …' if len(value) > 10 else ''}]"
    return str(value)


def _total(value: object, units: dict[str, float] | dict[str, int], advice: str) -> float:
    if not isinstance(value, str):
        raise Unfit(f"{_type_name(value)} instead of a text in quotes")
    total, end = 0.0, 0
    while end < len(value) or not end:
        match = _QUANTITY.match(value, end)
        if match is None or match[2] not in units:
            raise Unfit(advice)
        total += float(match[1]) * units[match[2]]
        end = match.end()
    if not math.isfinite(total):
        raise Unfit(advice)
    return round(total, 6)


def _type_name(value: object) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")
