"""The kinds of values that a key may have: how each is read from TOML, described, and written back.

A kind is a small frozen value. `read` takes what tomllib gave and returns what the program uses, `allowed` is
the text that errors and the reference page show, `write` gives the TOML text of a value. Durations and sizes
are in `quantities`, names of hosts and addresses in `places`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_BREAKS = str.maketrans("\t\n", "  ")
_NAME = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_.@:/+-]{0,99}\Z")


class Unfit(ValueError):
    """The value is not of its kind. The message says what is wrong with it, in a few words."""


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


class Quoted:
    """A kind whose values are written as text in double quotes."""

    __slots__ = ()

    def write(self, value: object) -> str:
        """The value as a TOML string."""
        return quote(str(value))


@dataclass(frozen=True, slots=True)
class Text(Quoted):
    """Any text on one line; with `lines`, on several."""

    what: str = "a text on one line"
    longest: int = 1_000
    empty: bool = False
    lines: bool = False

    @property
    def allowed(self) -> str:
        """What is allowed."""
        return self.what if self.longest >= 1_000 else f"{self.what}, of at most {self.longest} characters"

    def read(self, value: object, base: Path) -> str:
        """A text without control characters."""
        del base
        if not isinstance(value, str):
            raise Unfit(f"{type_name(value)} instead of a text in quotes")
        if not value and not self.empty:
            raise Unfit("it is empty")
        seen = value.translate(_BREAKS) if self.lines else value
        if len(value) > self.longest:
            raise Unfit(f"it is longer than {self.longest} characters")
        if not seen.isprintable():
            raise Unfit("it has control characters")
        return value


@dataclass(frozen=True, slots=True)
class Name(Quoted):
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


@dataclass(frozen=True, slots=True)
class Choice(Quoted):
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


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    allowed: str = "true or false"

    def read(self, value: object, base: Path) -> bool:
        """The truth value itself."""
        del base
        if not isinstance(value, bool):
            raise Unfit(f"{type_name(value)} instead of true or false")
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
            raise Unfit(f"{type_name(value)} instead of a whole number without quotes")
        if not self.least <= value <= self.most:
            raise Unfit("it is out of range")
        return value

    def write(self, value: object) -> str:
        """In digits."""
        return str(value)


@dataclass(frozen=True, slots=True)
class File(Quoted):
    """A path. A relative one begins at the folder of the configuration file."""

    allowed: str = "a path; a relative one begins at the folder of the configuration file"

    def read(self, value: object, base: Path) -> Path:
        """An absolute path. Whether it exists is checked elsewhere."""
        text = Text(longest=4_096).read(value, base)
        return Path(base, Path(text).expanduser() if text.startswith("~/") else text)


@dataclass(frozen=True, slots=True)
class SecretFile(File):
    """A path of a file whose first line is a secret; it is read before rights are given up."""


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
            return (self.kind.read(value, base),)
        if not isinstance(value, list):
            raise Unfit(f"{type_name(value)} instead of a list in [ ]")
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


def type_name(value: object) -> str:
    """What a value of the file is, in words."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")
