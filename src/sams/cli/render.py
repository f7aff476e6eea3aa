"""Tables and times for people. What comes from mail or peers is cleaned here, before a terminal sees it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import click

from sams.core.clock import local_time
from sams.core.text import visible

when = local_time
"""A time in a table or a sentence."""
_WIDE = 1_000
"""Columns where the output is no terminal: nothing is cut for a program that reads lines."""
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))
_SIZES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def print_json(value: Any) -> None:
    """One JSON document on one line; control characters are escaped by the form itself."""
    click.echo(json.dumps(value, ensure_ascii=True))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = (), styles: bool = True
) -> None:
    """A table as wide as the terminal; the last column wraps.

    right: the numbers of columns that hold numbers. styles: whether the head is bold on a terminal.
    """
    from rich.table import Table  # noqa: PLC0415 - rich costs 60 ms, for tables only
    from rich.text import Text  # noqa: PLC0415 - the same

    table = Table(box=None, pad_edge=False, header_style="bold" if styles else "", padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        last = number == len(columns) - 1
        table.add_column(
            column,
            justify="right" if number in right else "left",
            no_wrap=not last,
            overflow="fold" if last else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    console = _console()
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names and values, one pair a line."""
    pairs = list(facts)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {visible(value)}")


def _console() -> Any:
    from rich.console import Console  # noqa: PLC0415 - rich costs 60 ms, for tables only

    width = None if sys.stdout.isatty() else _WIDE
    return Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)


def day(at: float) -> str:
    """The day of a time, where a table has no room for more; what is over by now says so."""
    text = when(at).partition(" ")[0]
    return text if time.time() < at else f"{text}, over"


def span(seconds: float) -> str:
    """A length of time in its largest two units: `2 d 3 h`."""
    rest = max(0.0, seconds)
    parts: list[str] = []
    for unit, name in _UNITS:
        count = int(rest // unit)
        rest -= count * unit
        if count or (parts and len(parts) < 2):
            parts.append(f"{count} {name}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0 ")) or "0 s"


def size(octets: int) -> str:
    """`4.0 KiB`."""
    for unit, name in _SIZES:
        if octets >= unit:
            return f"{octets / unit:.1f} {name}"
    return f"{octets} B"


def count(number: int, thing: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
