"""What a key and a section of the configuration are."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from sams.config.kinds import Kind

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40


@dataclass(frozen=True, slots=True)
class Key:
    """What the reference page, the errors and the loader know of one key.

    kind: of what kind its values are.
    doc: its meaning, in Markdown.
    unset: what a default of None or an empty text stands for, in words.
    example: a value for the example file where the default would not show the form, as TOML.
    usual: most configurations set it, so that the example file does.
    confidential: the value may grant access to who reads it; `sams config show` leaves it out.
    """

    kind: Kind
    doc: str
    unset: str = ""
    example: str = ""
    usual: bool = False
    confidential: bool = False


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all sections have in common."""
