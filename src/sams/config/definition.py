"""The model, taken apart: what loading, checking, showing and the reference page walk over."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from sams.config.key import Key, Section
from sams.config.kinds import Choice


@dataclass(frozen=True, slots=True)
class Setting:
    """A key with one value.

    name: as the file writes it. attribute: as the program does. default: None where `required`.
    """

    name: str
    attribute: str
    key: Key
    required: bool
    default: Any


@dataclass(frozen=True, slots=True)
class Table:
    """A section inside another.

    sections: what it may be: one, or one for each value of its key `type`, the first where that is left out.
    many: an array of tables, `[[name]]`. present: there is one even where the file has none.
    """

    name: str
    attribute: str
    sections: tuple[type[Section], ...]
    required: bool
    many: bool
    present: bool

    @property
    def section(self) -> type[Section]:
        """The only one, or the first."""
        return self.sections[0]

    @property
    def types(self) -> dict[str, type[Section]]:
        """The sections by their `type`; empty where there is only one."""
        if len(self.sections) == 1:
            return {}
        return {type_of(section): section for section in self.sections}


@functools.cache
def members(section: type[Section]) -> dict[str, Setting | Table]:
    """All that a section may hold, by the name that the file writes, in the order of the definition."""
    hints = get_type_hints(section, include_extras=True)
    found = {
        field.encode_name: _member(field, hints[field.name]) for field in msgspec.structs.fields(section)
    }
    kind = found.get("type")
    return {"type": kind, **found} if kind is not None and _single_word(kind) else found


def tables(section: type[Section], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Table]]:
    """Each section with its path, outer ones first; those that a `type` tells apart one by one."""
    for member in members(section).values():
        if isinstance(member, Table):
            path = (*above, member.name)
            for at, one in enumerate(member.sections):
                yield path, replace(member, sections=(one,), present=member.present and at == 0)
                yield from tables(one, path)


def type_of(section: type[Section]) -> str:
    """The value of its key `type` that stands for this section; empty where it has none such."""
    setting = members(section).get("type")
    return "" if setting is None else _single_word(setting)


def header(path: tuple[str, ...], *, many: bool) -> str:
    """A section's line in the file."""
    return f"[[{'.'.join(path)}]]" if many else f"[{'.'.join(path)}]"


def title(path: tuple[str, ...], table: Table) -> str:
    """The same, with the `type` that tells it from others of that line."""
    named = type_of(table.section)
    return header(path, many=table.many) + (f' of type "{named}"' if named else "")


def settings(section: type[Section]) -> tuple[Setting, ...]:
    """The keys of a section, without its inner sections."""
    return tuple(member for member in members(section).values() if isinstance(member, Setting))


def _single_word(member: Setting | Table) -> str:
    """The only value that a key may have; empty where there are several."""
    if isinstance(member, Table) or not isinstance(member.key.kind, Choice):
        return ""
    words = member.key.kind.words
    return words[0] if len(words) == 1 else ""


def _member(field: msgspec.structs.FieldInfo, hint: Any) -> Setting | Table:
    if get_origin(hint) is Annotated:
        key = next(note for note in get_args(hint) if isinstance(note, Key))
        default = None if field.required else field.default
        return Setting(field.encode_name, field.name, key, field.required, default)
    many = get_origin(hint) is tuple
    inner = get_args(hint)[0] if many else hint
    sections = tuple(one for one in _alternatives(inner) if one is not type(None))
    assert all(issubclass(one, Section) for one in sections)
    present = field.required or isinstance(field.default, Section)
    return Table(field.encode_name, field.name, sections, field.required, many, present)


def _alternatives(hint: Any) -> tuple[type, ...]:
    return get_args(hint) if get_origin(hint) in {UnionType, Union} else (hint,)
