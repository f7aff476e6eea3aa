"""`sams activity`: what happened, read from the journal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

import click

from sams.activity.interface import Entry
from sams.activity.reader import MAX_PAGE
from sams.cli.explain import explain
from sams.cli.failures import Failed
from sams.cli.journal import opened_journal, searches
from sams.cli.options import DurationType, config_option, json_option
from sams.cli.render import print_json
from sams.cli.story import as_json as entry_as_json
from sams.cli.story import timeline
from sams.core.text import visible

_EVERY = 0.5
"""Seconds between two looks while it follows."""


@click.group()
def activity() -> None:
    """See what happened: sessions, sign-ins, messages, attempts to deliver, changes."""


activity.add_command(explain)


@activity.command()
@click.option("--no-follow", is_flag=True, help="Print the latest and end.")
@config_option
@json_option
def tail(*, no_follow: bool, config_path: Path, as_json: bool) -> None:
    """Print what happens while it happens, until Ctrl-C.

    With --json: one document a line; an entry that grows comes again with all its steps.
    """
    with opened_journal(config_path) as reader, contextlib.suppress(KeyboardInterrupt):
        _print(reader.tail(), as_json=as_json)
        while not no_follow:
            time.sleep(_EVERY)
            _print(reader.tail(), as_json=as_json)


@activity.command()
@click.argument("what", required=False, metavar="[LOGIN|ADDRESS|MESSAGE-ID|REF]")
@click.option("--since", type=DurationType(), metavar="TIME", help="Not longer ago than this, such as 2h.")
@click.option(
    "--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True, help="Entries at most."
)
@config_option
@json_option
def show(*, what: str | None, since: float | None, limit: int, config_path: Path, as_json: bool) -> None:
    """Tell what happened to an account, address, message or session. The reference in a refusal is found as well.

    A login, a mail address (of an account or a recipient), a client's network address, a message's or session's
    id, or a reference such as K7Q2-4F. Without one: the latest of everything. With --json: one document a line.
    """
    after = None if since is None else time.time() - since
    with opened_journal(config_path) as reader:
        found: dict[tuple[int, int], Entry] = {}
        for search in searches(what, after):
            page = reader.search(search, None, limit)
            found |= {(entry.number, entry.shard): entry for entry in page.entries}
        newest = sorted((found[key] for key in sorted(found, reverse=True)[:limit]), key=_begin)
    _print(newest, as_json=as_json)
    if not newest and not as_json:
        raise Failed(
            f"the journal has nothing{f' about {visible(what)}' if what else ''} for this time: "
            "[activity] says how long it keeps what"
        )


def _begin(entry: Entry) -> float:
    """A session is written when it ends, and told where it began."""
    return entry.steps[0].at if entry.steps else 0.0


def _print(entries: Iterable[Entry], *, as_json: bool) -> None:
    for entry in entries:
        if as_json:
            print_json(entry_as_json(entry))
        else:
            for line in timeline(entry):
                click.echo(line)
