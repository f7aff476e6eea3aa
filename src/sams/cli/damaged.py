"""`sams queue damaged`: messages that were set aside because they could not be read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from sams.cli.failures import Failed
from sams.cli.options import config_option, json_option
from sams.cli.place import Place
from sams.cli.render import print_facts, print_json, print_table, size, span, when
from sams.control.messages import DamagedEntry
from sams.control.operations import DamagedOperations

_PAGE = 100
_MOST = 10_000
"""Entries that are listed."""


@click.group()
def damaged() -> None:
    """Deal with messages that were set aside as unreadable.

    They are kept as they were found and stop no other mail. Who sent them was told that they are accepted: put
    what is wrong right and release them, or tell the sender and delete them.
    """


@damaged.command("list")
@config_option
@json_option
def list_(*, config_path: Path, as_json: bool) -> None:
    """List what was set aside, oldest message first.

    With --json: {"damaged": […]}; times are UNIX seconds.
    """
    with Place(config_path).queue() as operations:
        entries = list(_entries(operations))
    if as_json:
        print_json({"damaged": [msgspec.structs.asdict(entry) for entry in entries]})
        return
    if not entries:
        click.echo("Nothing is set aside.")
        return
    now = time.time()
    columns = ("id", "found", "login", "sender", "reason")
    rows = (
        (entry.id, f"{span(now - entry.found)} ago", entry.login or "-", entry.sender or "-", entry.reason)
        for entry in entries
    )
    print_table(columns, rows)


@damaged.command()
@click.argument("message_id", metavar="ID")
@config_option
@json_option
def show(*, message_id: str, config_path: Path, as_json: bool) -> None:
    """Show one message that was set aside, what is wrong with it, and where it is."""
    place = Place(config_path)
    with place.queue() as operations:
        entry = next((each for each in _entries(operations) if each.id == message_id.upper()), None)
    if entry is None:
        raise _unknown(message_id)
    if as_json:
        print_json(msgspec.structs.asdict(entry))
        return
    print_facts(_facts(entry))


@damaged.command()
@click.argument("message_id", metavar="ID")
@config_option
@json_option
def release(*, message_id: str, config_path: Path, as_json: bool) -> None:
    """Put one message back into the queue, where it is due at once.

    It is looked at first: while it still cannot be read, it stays where it is and the reason is told.
    """
    with Place(config_path).queue() as operations:
        changed = operations.put_back(message_id)
    _tell(changed, message_id, "waits in the queue again", as_json=as_json)


@damaged.command()
@click.argument("message_id", metavar="ID")
@config_option
@json_option
def delete(*, message_id: str, config_path: Path, as_json: bool) -> None:
    """Remove one message that was set aside for good, with its body file and without a report to the sender."""
    with Place(config_path).queue() as operations:
        changed = operations.discard(message_id)
    _tell(changed, message_id, "deleted", as_json=as_json)


def _entries(operations: DamagedOperations) -> Iterator[DamagedEntry]:
    after = None
    for _ in range(_MOST // _PAGE):
        page = operations.damaged(after, _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id


def _facts(entry: DamagedEntry) -> Iterator[tuple[str, str]]:
    yield "message", entry.id
    yield "what is wrong", entry.reason
    yield "found", when(entry.found)
    yield "account", entry.login or "-"
    yield "sender", entry.sender or "-"
    yield "recipients", ", ".join(entry.recipients) or "-"
    yield "arrived", "-" if entry.arrived is None else when(entry.arrived)
    yield "size", "-" if entry.size is None else size(entry.size)
    yield "body", entry.body_file or "in the database of its shard"


def _tell(changed: int, message_id: str, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"changed": changed})
    if not changed:
        raise _unknown(message_id)
    if not as_json:
        click.echo(f"{message_id.upper()} {done}")


def _unknown(message_id: str) -> Failed:
    return Failed(f"no message {message_id!r} is set aside: see `sams queue damaged list`")
