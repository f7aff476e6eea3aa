"""`sams guard`: who is locked out for guessing passwords, and how to end that."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from sams.cli.options import config_option, json_option
from sams.cli.place import Place
from sams.cli.render import count, print_json, print_table, when
from sams.core.text import visible


@click.group()
def guard() -> None:
    """See and end the locks against guessing passwords."""


@guard.command("list")
@config_option
@json_option
def list_(*, config_path: Path, as_json: bool) -> None:
    """List what is locked now, the newest last.

    Levels: pair (a login at an address), address (IPv6: /64), network (/24, /48), login (tried from many places:
    where it is new it has one wrong password; where it is known nothing changes). With --json: {"locks": […]}.
    """
    with Place(config_path).guard() as guard:
        locks = sorted(guard.list(), key=lambda lock: (lock.since, lock.id))
    if as_json:
        print_json({"locks": [msgspec.to_builtins(lock) for lock in locks]})
        return
    if not locks:
        click.echo("Nothing is locked.")
        return
    rows = [
        (
            lock.level,
            lock.login or "-",
            lock.place or "-",
            when(lock.since),
            when(lock.until),
            str(lock.guesses),
        )
        for lock in locks
    ]
    print_table(("level", "login", "address", "since", "until", "wrong passwords"), rows, right=(5,))


@guard.command()
@click.argument("target", required=False, metavar="[LOGIN|ADDRESS|NETWORK]")
@click.option("--all", "everything", is_flag=True, help="End every lock.")
@config_option
def release(*, target: str | None, everything: bool, config_path: Path) -> None:
    """End the locks of a login, an address, or a network. With a network, of all in it.

    Example: sams guard release alice. It ends at once in the whole service; counting begins anew, and the next
    lock is a first one.
    """
    if (target is None) != everything:
        raise click.UsageError("name a login, an address or a network, or say --all")
    with Place(config_path).guard() as guard:
        ended = guard.release(target)
    what = "" if target is None else f" of {visible(target)}"
    click.echo(f"{count(ended, 'lock')}{what} ended" if ended else f"nothing{what} was locked")
