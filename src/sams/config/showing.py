"""A configuration as TOML, with every default: what `sams config show` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sams.config.definition import Setting, Table, header, members, settings
from sams.config.key import Section
from sams.config.model import Config


def show(config: Config) -> str:
    """The effective configuration. Loading it again gives an equal one, but for what is confidential.

    Secrets are in files and never in a configuration; what may grant access is left out with a comment.
    """
    return "\n".join(_section(config, ())).lstrip() + "\n"


def effective(config: Section) -> dict[str, Any]:
    """The same for programs: plain values that JSON can hold, times in seconds, sizes in octets."""
    return {
        name: _plain(member, getattr(config, member.attribute))
        for name, member in members(type(config)).items()
    }


def written(setting: Setting, value: Any) -> str:
    """A value as the file writes it; what an unset one stands for, in words."""
    return f"({setting.key.unset})" if is_unset(setting, value) else setting.key.kind.write(value)


def _section(section: Section, path: tuple[str, ...]) -> Iterator[str]:
    for setting in settings(type(section)):
        yield _line(setting, getattr(section, setting.attribute))
    for member in members(type(section)).values():
        if isinstance(member, Table):
            yield from _table(member, getattr(section, member.attribute), (*path, member.name))


def _table(table: Table, value: Any, path: tuple[str, ...]) -> Iterator[str]:
    sections = value if table.many else () if value is None else (value,)
    for section in sections:
        yield from ("", header(path, many=table.many))
        yield from _section(section, path)


def _line(setting: Setting, value: Any) -> str:
    if is_unset(setting, value):
        return f"# {setting.name}: {setting.key.unset}"
    if setting.key.confidential:
        return f"# {setting.name}: set, but not shown"
    return f"{setting.name} = {setting.key.kind.write(value)}"


def _plain(member: Setting | Table, value: Any) -> Any:
    if isinstance(member, Table):
        if member.many:
            return [effective(section) for section in value]
        return None if value is None else effective(value)
    if is_unset(member, value):
        return None
    if member.key.confidential:
        return "(set)"
    return _plain_value(value)


def _plain_value(value: Any) -> Any:
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return [_plain_value(item) for item in value]
    return value if isinstance(value, (bool, int, float)) else str(value)


def is_unset(setting: Setting, value: Any) -> bool:
    """Whether the value stands for what `Key.unset` describes."""
    return value is None or (value in {"", ()} and bool(setting.key.unset))
