"""The model, taken apart: what loading, checking, showing and the reference page walk over."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from sams.config.key import Key, Section


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

    many: an array of tables, `[[name]]`. present: there is one even where the file has none.
    """

    name: str
    attribute: str
    section: type[Section]
    required: bool
    many: bool
    present: bool


@functools.cache
def members(section: type[Section]) -> dict[str, Setting | Table]:
    """All that a section may hold, by the name that the file writes, in the order of the definition."""
    hints = get_type_hints(section, include_extras=True)
    return {field.encode_name: _member(field, hints[field.name]) for field in msgspec.structs.fields(section)}


def tables(section: type[Section], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Table]]:
    """Each section with its path, outer ones first."""
    for member in members(section).values():
        if isinstance(member, Table):
            path = (*above, member.name)
            yield path, member
            yield from tables(member.section, path)


def settings(section: type[Section]) -> tuple[Setting, ...]:
    """The keys of a section, without its inner sections."""
    return tuple(member for member in members(section).values() if isinstance(member, Setting))


def _member(field: msgspec.structs.FieldInfo, hint: Any) -> Setting | Table:
    if get_origin(hint) is Annotated:
        key = next(note for note in get_args(hint) if isinstance(note, Key))
        default = None if field.required else field.default
        return Setting(field.encode_name, field.name, key, field.required, default)
    many = get_origin(hint) is tuple
    inner = get_args(hint)[0] if many or get_origin(hint) is UnionType else hint
    assert issubclass(inner, Section)
    present = field.required or isinstance(field.default, Section)
    return Table(field.encode_name, field.name, inner, field.required, many, present)
