"""Lists of `tag=value` as DKIM, DMARC, MTA-STS and TLSRPT write them (RFC 6376 section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a record; of one that stands twice the first counts.

    problems: what is wrong with the list, each in a few words.
    """

    values: dict[str, str]
    problems: tuple[str, ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """The value of a tag."""
        return self.values.get(name, default)


def read_tags(text: str) -> Tags:
    """The tags of any text; it never raises. Names are in lower case, values without space around them."""
    values: dict[str, str] = {}
    problems: dict[str, None] = {}
    parts = text.split(";")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if not equals or not name:
            problems["a part between semicolons is no tag=value"] = None
        elif name in values:
            problems["a tag stands twice"] = None
        else:
            values[name] = value.strip()
    return Tags(values, tuple(problems))


def has_version(text: str, version: str) -> bool:
    """Whether a record begins with `v=` and this version, by which records of one kind are known among others."""
    name, equals, value = text.partition(";")[0].partition("=")
    return bool(equals) and name.strip().lower() == "v" and value.strip() == version
