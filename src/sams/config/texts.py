"""Kinds of values that are texts of a form of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sams.config.kinds import Quoted, Text, Unfit

_COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Colour(Quoted):
    """A colour as the web writes it."""

    allowed: str = 'a colour as "#rrggbb", such as "#1f5fa8"'

    def read(self, value: object, base: Path) -> str:
        """In lower case."""
        text = Text(longest=7).read(value, base).lower()
        if _COLOUR.fullmatch(text) is None:
            raise Unfit("it is no # with six hexadecimal digits")
        return text
