"""`sams activity`: what happened, read from the journal."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from sams.activity.interface import Entry, Search
from sams.activity.reader import MAX_PAGE, JournalReader, journal_files
from sams.cli.failures import Failed
from sams.cli.options import DurationType, config_option, json_option
from sams.cli.place import Place
from sams.cli.render import print_json
from sams.cli.story import as_json as entry_as_json
from sams.cli.story import timeline
from sams.core.ids import shard_of
from sams.core.text import visible
from sams.identity.logins import UnpreparableError, prepare_login

_REFERENCE = re.compile(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}\Z", re.IGNORECASE)
_EVERY = 0.5
"""Seconds between two looks while it follows."""


@click.group()
def activity() -> None:
    """See what happened: sessions, sign-ins, messages, attempts to deliver, changes."""


@activity.command()
@click.option("--no-follow", is_flag=True, help="Print the latest and end.")
@config_option
@json_option
def tail(*, no_follow: bool, config_path: Path, as_json: bool) -> None:
    """Print what happens while it happens, until Ctrl-C.

    With --json: one document a line; an entry that grows comes again with all its steps.
    """
    with _reader(config_path) as reader, contextlib.suppress(KeyboardInterrupt):
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
    with _reader(config_path) as reader:
        found: dict[tuple[int, int], Entry] = {}
        for search in _searches(what, after):
            page = reader.search(search, None, limit)
            found |= {(entry.number, entry.shard): entry for entry in page.entries}
        newest = sorted((found[key] for key in sorted(found, reverse=True)[:limit]), key=_begin)
    _print(newest, as_json=as_json)
    if not newest and not as_json:
        raise Failed(
            f"the journal has nothing{f' about {visible(what)}' if what else ''} for this time: "
            "[activity] says how long it keeps what"
        )


def _searches(what: str | None, since: float | None) -> Iterator[Search]:
    """What the word may mean: all of it is looked for."""
    if what is None:
        yield Search(since=since)
    elif _REFERENCE.match(what):
        yield Search(reference=what.upper(), since=since)
    elif _is_id(what):
        yield Search(message=what.upper(), since=since)
        yield Search(session=what.upper(), since=since)
    elif address := _network_address(what):
        yield Search(client=address, since=since)
    if what is not None and not _REFERENCE.match(what):
        with contextlib.suppress(UnpreparableError):
            yield Search(login=prepare_login(what), since=since)
        if "@" in what:
            yield Search(recipient=what, since=since)


def _begin(entry: Entry) -> float:
    """A session is written when it ends, and told where it began."""
    return entry.steps[0].at if entry.steps else 0.0


def _is_id(what: str) -> bool:
    try:
        shard_of(what)
    except ValueError:
        return False
    return True


def _network_address(what: str) -> str:
    try:
        return str(ipaddress.ip_address(what))
    except ValueError:
        return ""


@contextlib.contextmanager
def _reader(config_path: Path) -> Iterator[JournalReader]:
    """The journals are files of the service's user: read them as that user."""
    place = Place(config_path)
    place.become_service()
    reader = JournalReader(lambda: journal_files(place.data_dir))
    try:
        yield reader
    finally:
        reader.close()


def _print(entries: Iterable[Entry], *, as_json: bool) -> None:
    for entry in entries:
        if as_json:
            print_json(entry_as_json(entry))
        else:
            for line in timeline(entry):
                click.echo(line)
