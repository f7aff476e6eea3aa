"""From what tomllib gave to the model's sections: each key checked, all problems collected."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sams.config.definition import Setting, Table, members, tables, title
from sams.config.key import Section
from sams.config.kinds import Unfit, found, quote
from sams.config.model import Config
from sams.config.positions import KeyPath, Positions
from sams.config.problems import Problem, key_path

_ALIKE = 0.7
_PARTLY_ALIKE = 0.5


@dataclass(slots=True)
class Reader:
    """Reads one file; `base` is the folder where relative paths begin."""

    base: Path
    positions: Positions
    problems: list[Problem] = field(default_factory=list)

    def read(self, raw: dict[str, Any]) -> Config | None:
        """The configuration, or None where `problems` has something."""
        config = self._section(Config, raw, ())
        assert config is None or isinstance(config, Config)
        return None if self.problems else config

    def report(self, path: KeyPath, text: str) -> None:
        """Remember a problem."""
        self.problems.append(Problem(key_path(path), text, self.positions.line(path)))

    def _section(self, section: type[Section], raw: dict[str, Any], path: KeyPath) -> Section | None:
        known = members(section)
        before = len(self.problems)
        missing = [name for name, member in known.items() if member.required and name not in raw]
        for name in raw.keys() - known.keys():
            self.report((*path, name), _unknown(name, tuple(known), missing, section))
        values: dict[str, Any] = {}
        for name, member in known.items():
            if name in raw:
                values[member.attribute] = self._member(member, raw[name], (*path, name))
            elif member.required:
                self.report((*path, name), _missing(member))
        return None if len(self.problems) > before else section(**values)

    def _member(self, member: Setting | Table, value: Any, path: KeyPath) -> Any:
        if isinstance(member, Setting):
            return self._value(member, value, path)
        if member.many:
            return self._tables(member, value, path)
        if not isinstance(value, dict):
            return self.report(path, f"found {found(value)}; this is a section: write [{key_path(path)}]")
        return self._section(member.section, value, path)

    def _tables(self, member: Table, value: Any, path: KeyPath) -> Any:
        names = ".".join(part for part in path if isinstance(part, str))
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            return self.report(path, several(names))
        if not value:
            return self.report(path, f"there is none; write at least one [[{names}]]")
        return tuple(self._one_of(member, item, (*path, at)) for at, item in enumerate(value))

    def _one_of(self, table: Table, raw: dict[str, Any], path: KeyPath) -> Section | None:
        """A section of the type that it names."""
        types, named = table.types, raw.get("type")
        if not types or named is None:
            return self._section(table.section, raw, path)
        if isinstance(named, str) and named in types:
            return self._section(types[named], raw, path)
        self.report((*path, "type"), f"found {found(named)}; allowed: {' or '.join(map(quote, types))}")
        return None

    def _value(self, setting: Setting, value: Any, path: KeyPath) -> Any:
        try:
            return setting.key.kind.read(value, self.base)
        except Unfit as error:
            self.report(path, f"found {found(value)}: {error}; allowed: {setting.key.kind.allowed}")
            return None


def several(name: str) -> str:
    """What is wrong with a section in single brackets of which there may be several."""
    return f"there may be several of these: write [[{name}]] in double brackets"


def _missing(member: Setting | Table) -> str:
    if isinstance(member, Setting):
        return f"this key is missing; write for example: {member.name} = {member.key.example}"
    brackets = f"[[{member.name}]]" if member.many else f"[{member.name}]"
    return f"this section is missing: {brackets}"


def _unknown(name: str, known: Sequence[str], missing: Sequence[str], section: type[Section]) -> str:
    kind, kinds = ("section", "sections") if section is Config else ("key", "keys")
    plain = name.replace("-", "_").lower()
    homes = [title(path, table) for path, table in tables(Config) if name in members(table.section)]
    if near := _near(plain, known, _ALIKE) or (not homes and _meant(plain, missing)):
        return f'there is no such {kind}; did you mean "{near}"?'
    if homes:
        return f"there is no such key here; it belongs under {' or '.join(homes)}"
    return f"there is no such {kind}; the {kinds} here are {', '.join(sorted(known))}"


def _meant(name: str, missing: Sequence[str]) -> str | None:
    """What has to be there and is not may be what was meant by less: `key` or `keyfile` for `private_key`."""
    shared = (each for each in missing if any(word in name for word in each.split("_")))
    return next(shared, None) or _near(name, missing, _PARTLY_ALIKE)


def _near(name: str, names: Sequence[str], alike: float) -> str | None:
    return next(iter(difflib.get_close_matches(name, names, 1, alike)), None)
