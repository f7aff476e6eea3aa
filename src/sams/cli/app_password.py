"""`sams account app-password`: a password of its own for each device or program of a member."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from sams.cli.account_options import LoginType, login_argument
from sams.cli.failures import Exit, Failed
from sams.cli.options import config_option, expires_option, json_option, network_option
from sams.cli.place import Place
from sams.cli.render import count, day, print_json, print_table, when
from sams.control.messages import MAX_PAGE, AppPasswordAdd, AppPasswordEntry
from sams.control.operations import AppPasswordOperations
from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.walk import UNTELLING

_MINUTE = len("2026-03-01 14:05")

_source = click.option(
    "--source", default="", metavar="NAME", help="The source of accounts, where several know the login."
)


@click.group("app-password")
def app_password() -> None:
    """Make, list and revoke app passwords, whatever the source.

    Each is for one device or program. It sends mail and nothing else, and ends alone when the device is lost; the
    member's own password need not be typed into every program. It ends with the member, too.
    """


@app_password.command()
@login_argument
@click.option("--name", required=True, help='Of the device or program, such as "Anna\'s phone".')
@expires_option
@network_option
@click.option(
    "--sender", "senders", multiple=True, metavar="A", help="Send from this address only, or *@domain."
)
@_source
@config_option
@json_option
def add(
    *,
    login: str,
    name: str,
    expires: float | None,
    networks: tuple[str, ...],
    senders: tuple[str, ...],
    source: str,
    config_path: Path,
    as_json: bool,
) -> None:
    """Make an app password, and show it this once.

    The service must run for members of a directory: it asks there who they are.

    Example: sams account app-password add anna --name "Anna's phone" --expires 1year
    """
    wanted = AppPasswordAdd(login, name, source, expires, networks, senders)
    place = Place(config_path)
    added = place.app_passwords.add(wanted)
    if as_json:
        print_json({"app_password": msgspec.to_builtins(added.entry), "password": added.password})
    else:
        _show(added.entry, added.password)
        _warn(place, added.entry)


@app_password.command("list")
@click.argument("login", type=LoginType(), metavar="[LOGIN]", required=False)
@config_option
@json_option
def list_(*, login: str | None, config_path: Path, as_json: bool) -> None:
    """List app passwords with their last use, of a login or all.

    The last use is told some seconds late. With --json: {"app_passwords": […]}; "used_at" is null for one that was
    never used.
    """
    found = _all(Place(config_path).app_passwords, login)
    if as_json:
        print_json({"app_passwords": [msgspec.to_builtins(entry) for entry in found]})
        return
    rows = [_row(entry) for entry in found]
    if not rows:
        click.echo("There are no such app passwords: make one with `sams account app-password add`.")
        return
    print_table(("login", "source", "name", "expires", "last used", "more"), rows)


@app_password.command()
@click.argument("login", type=LoginType(), metavar="[LOGIN]", required=False)
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All of the login; without LOGIN, all of --source.")
@_source
@click.option("--yes", is_flag=True, help="Do not ask before all of a source are revoked.")
@config_option
def revoke(
    *, login: str | None, name: str | None, everything: bool, source: str, yes: bool, config_path: Path
) -> None:
    """End an app password by its NAME, or --all of a login. It ends at once in the whole service.

    Example: sams account app-password revoke anna "Anna's phone"
    """
    if everything == (name is not None) or (login is None and not source):
        raise click.UsageError("name what ends: LOGIN NAME, LOGIN --all, or --source NAME --all")
    if login is None and not yes:
        _confirm(source)
    ended = Place(config_path).app_passwords.revoke(login, name, source)
    click.echo(f"{count(ended, 'app password')} revoked; sessions that used {_them(ended)} ended")


def _confirm(source: str) -> None:
    if not sys.stdin.isatty():
        raise Failed(
            f"this ends the app passwords of all members of {visible(source)}: say so with --yes", Exit.USAGE
        )
    click.confirm(f"End the app passwords of all members of {visible(source)}?", abort=True, err=True)


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


def _show(entry: AppPasswordEntry, password: str) -> None:
    login, name = visible(entry.login), visible(entry.name)
    click.echo(f"{name} may now sign in as {login}, with this app password:\n")
    click.echo("    " + click.style(password, bold=True) + "\n")
    click.echo(
        f"Type it into the program in place of the member's own password; the user name stays {login}."
    )
    click.echo("It is shown this once: if it gets lost, make another.")
    if entry.expires is not None:
        click.echo(f"It ends {when(entry.expires)}.")
    click.echo(f'To end it: sams account app-password revoke {login} "{name}"')


def _warn(place: Place, entry: AppPasswordEntry) -> None:
    """Tell where nobody has looked whether there is such a member, and nobody will."""
    if not place.is_running:
        return  # then they are of built-in accounts
    try:
        words = place.sources.test(entry.login, None).words
    except OperatorError:
        return  # it was made, and shown
    if any(word.source == entry.source and word.detail == UNTELLING for word in words):
        source, login = visible(entry.source), visible(entry.login)
        text = f"{source} cannot tell whether {login} is a member: look at the spelling"
        end = "" if entry.expires is not None else "; --expires gives it an end"
        click.echo(f"sams: warning: {text}. It does not end with the member{end}.", err=True)


def _row(entry: AppPasswordEntry) -> tuple[str, ...]:
    used = ", ".join(part for part in (entry.used_from, entry.used_by) if part)
    limits = [f"from {network}" for network in entry.networks] + [f"as {one}" for one in entry.senders]
    more = [f"used from {used}"] if used else []
    more += [f"only {', '.join(limits)}"] if limits else []
    return (
        entry.login,
        entry.source,
        entry.name,
        "never" if entry.expires is None else day(entry.expires),
        "never" if entry.used_at is None else when(entry.used_at)[:_MINUTE],
        "; ".join(more) or "-",
    )


def _all(app_passwords: AppPasswordOperations, login: str | None) -> Iterator[AppPasswordEntry]:
    after = ("", "")
    while True:
        page = app_passwords.list(login, after, MAX_PAGE)
        yield from page
        if len(page) < MAX_PAGE:
            return
        after = (page[-1].login, page[-1].id)
