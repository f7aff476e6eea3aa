"""What DNS should have: records, hints where SAMS cannot know a value, and the groups in which they are shown."""

from __future__ import annotations

import enum
from dataclasses import dataclass

TTL = 3_600
"""Seconds that resolvers keep a record. An hour: a mistake is over soon."""
_STRING = 255
"""Octets of one string of a TXT record (RFC 1035 section 3.3)."""


class Importance(enum.Enum):
    """What happens without the record. NEEDED: something does not work. ADVISED: it works worse, or not for all."""

    NEEDED = "needed"
    ADVISED = "advised"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    name, and names in `data`: A-labels in lower case; `name` without the dot at its end.
    type: `SRV`, `CNAME`, `A`, `AAAA`, `MX` or `TXT`. data: as a zone file writes it.
    why: what it is for, one sentence. text: of a TXT record its whole text, unquoted.
    """

    name: str
    type: str
    data: str
    why: str
    importance: Importance
    ttl: int = TTL
    text: str = ""

    @property
    def line(self) -> str:
        """As a line of a zone file, with an absolute name."""
        return f"{self.name}. {self.ttl} IN {self.type} {self.data}"


@dataclass(frozen=True, slots=True)
class Hint:
    """What DNS should have and SAMS cannot know: one sentence, and a line with a value to be filled in, or none."""

    text: str
    line: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """What belongs together.

    domain: the domain of `[accounts]` that it is for; empty: it is for the server itself.
    zone: in whose zone it stands. title: what it is, for people.
    """

    domain: str
    zone: str
    title: str
    records: tuple[Record, ...]
    hints: tuple[Hint, ...] = ()


def txt(name: str, text: str, why: str, importance: Importance) -> Record:
    """A TXT record of an ASCII text, cut into strings that DNS can hold; readers put them together again."""
    parts = [text[at : at + _STRING] for at in range(0, len(text), _STRING)] or [""]
    return Record(name, "TXT", " ".join(map(_quoted, parts)), why, importance, text=text)


def _quoted(text: str) -> str:
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(letter: str) -> str:
    if letter in {'"', "\\"}:
        return f"\\{letter}"
    return letter if " " <= letter <= "~" else f"\\{ord(letter):03}"
