"""Texts made from the definitions: the reference page and the annotated example."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator

from sams.config.definition import Setting, Table, header, settings, tables, title
from sams.config.key import Section
from sams.config.model import Config
from sams.config.showing import is_unset

WIDTH = 100
_INTRODUCTION = """\
# Configuration

SAMS reads one file in [TOML](https://toml.io). `sams serve --config FILE` names it, or the environment
variable `SAMS_CONFIG`. `sams config check` tells all that is wrong with a file, `sams config show` prints the
configuration with all defaults, and SIGHUP makes a running service read it again: nothing changes if anything
in it is wrong.

Durations have a unit (`"250 ms"`, `"90 s"`, `"5 min"`, `"1 h 30 min"`, `"5 days"`). Sizes have one
(`"50 MiB"`, where a KiB is 1,024 octets and a kB 1,000) or count octets. Relative paths begin at the folder
of the file. Secrets stand in files of their own, which only their owner may read.

A section in double brackets may stand several times. This page is made from the code: `make docs` writes it.
"""


def configuration_page() -> str:
    """Every section and key, in Markdown."""
    return "\n".join([_INTRODUCTION, *_sections()]).rstrip() + "\n"


def example_file() -> str:
    """A configuration with every key: what must be set is set, all else is a comment with its default."""
    lines = [
        "# SAMS: every key, with its default where it has one. Lines that begin with #: are defaults or",
        "# examples; take the #: away to set them. `sams config check` tells what is wrong with a file.",
    ]
    for path, table in tables(Config):
        lines += _example_section(path, table)
    return "\n".join(lines) + "\n"


def _sections() -> Iterator[str]:
    for path, table in tables(Config):
        yield f"## {title(path, table)}\n"
        yield _doc(table.section) + "\n"
        if table.required:
            yield f"This section is needed{', at least once' if table.many else ''}.\n"
        for setting in settings(table.section):
            yield from _key(setting)


def _key(setting: Setting) -> Iterator[str]:
    yield f"`{setting.name}`"
    yield f": {setting.key.doc}"
    yield f"  Allowed: {setting.key.kind.allowed}."
    yield "  It must be set.\n" if setting.required else f"  Default: {_default(setting)}.\n"


def _default(setting: Setting) -> str:
    if is_unset(setting, setting.default):
        return setting.key.unset
    return f"`{setting.key.kind.write(setting.default)}`"


def _example_section(path: tuple[str, ...], table: Table) -> Iterator[str]:
    mark = "" if table.present else "#: "
    yield ""
    yield from _comment(_doc(table.section))
    yield mark + header(path, many=table.many)
    for setting in settings(table.section):
        yield from _comment(setting.key.doc)
        yield from _comment(f"Allowed: {setting.key.kind.allowed}.")
        yield _example_line(setting, mark)


def _example_line(setting: Setting, mark: str) -> str:
    key = setting.key
    if setting.required or key.usual:
        return f"{mark}{setting.name} = {key.example}"
    if is_unset(setting, setting.default):
        return f"#: {setting.name} = {key.example}   # default: {key.unset}"
    return f"#: {setting.name} = {key.kind.write(setting.default)}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _doc(section: type[Section]) -> str:
    return " ".join((inspect.getdoc(section) or "").split())
