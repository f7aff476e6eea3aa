"""Write the reference pages from the code: `make_reference.py [--check]`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from sams.activity.metrics import FAMILIES, Counter, Histogram
from sams.app.exposition import OF_THE_BOARD
from sams.config.reference import configuration_page, example_file

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """Each page by its file name."""
    return {
        "configuration.md": configuration_page(),
        "sams.example.toml": example_file(),
        "commands.md": commands_page(root_command()),
        "metrics.md": metrics_page(),
    }


def root_command() -> click.Command:
    """The `sams` command."""
    command = importlib.import_module("sams.cli.main").main
    assert isinstance(command, click.Command)
    return command


def commands_page(command: click.Command) -> str:
    """Every command with its options, in Markdown."""
    lines = [
        "# Commands",
        "",
        "`sams COMMAND --help` shows the same. This page is made from the code: `make docs` writes it.",
        "",
    ]
    top = click.Context(command, info_name="sams", terminal_width=80, **command.context_settings)
    for context in _contexts(top):
        lines += [f"## {context.command_path}", "", "```text", context.get_help().rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def metrics_page() -> str:
    """Every counter and gauge with its meaning, in Markdown."""
    lines = [
        "# Metrics",
        "",
        "`sams metrics` prints them in Prometheus' text form; [monitoring](../admin/monitoring.md) says how they are",
        "collected. All are of the whole service, over all workers; counters rise from 0 at its start. This page is",
        "made from the code: `make docs` writes it.",
        "",
        "| name | type | meaning | labels |",
        "|---|---|---|---|",
    ]
    for family in FAMILIES:
        label = ""
        if isinstance(family, Counter) and family.label:
            values = ", ".join(f"`{value}`" for value in family.values)
            label = f"`{family.label}`: {values}"
        elif isinstance(family, Histogram):
            label = "`le`: " + ", ".join(f"{bound:g}" for bound in family.bounds) + " (seconds)"
        lines.append(f"| `{family.name}` | {type(family).__name__.lower()} | {family.help} | {label} |")
    for name, kind, meaning, label in OF_THE_BOARD:
        lines.append(f"| `{name}` | {kind} | {meaning} | {f'`{label}`' if label else ''} |")
    return "\n".join(lines) + "\n"


def stale(folder: Path) -> list[str]:
    """The names of pages in a folder that are not what the code says."""
    return [name for name, text in pages().items() if _read(folder / name) != text]


def main() -> None:
    """Write the pages, or with --check only tell which are stale."""
    if "--check" in sys.argv[1:]:
        wrong = stale(FOLDER)
        sys.exit(f"stale: {', '.join(wrong)}; run: make docs" if wrong else 0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _contexts(context: click.Context) -> Iterator[click.Context]:
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _contexts(click.Context(inner, info_name=name, parent=context))


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    main()
