"""The mutants that are kept in this folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent


class Mutant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to break a promise, and who must notice.

    `before` is a text that stands exactly once in `file`, `after` what the mutant has there; `tests` are
    pytest's names of tests, each of which must fail on it.
    """

    promise: str
    breaks: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def applied(self, source: str) -> str:
        """The file's text as the mutant has it; ValueError where `before` does not stand exactly once."""
        if (found := source.count(self.before)) != 1:
            msg = f"{self.file} has this text {found} times instead of once:\n{self.before}"
            raise ValueError(msg)
        return source.replace(self.before, self.after)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mutant: tuple[Mutant, ...]


def names() -> list[str]:
    """The files of mutants, without their ending."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str) -> tuple[Mutant, ...]:
    """The mutants of one file."""
    with (FOLDER / f"{name}.toml").open("rb") as file:
        return msgspec.convert(tomllib.load(file), _File).mutant
