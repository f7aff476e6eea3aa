"""`sams account`: the built-in accounts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from sams.cli.account_import import import_
from sams.cli.failures import Exit, Failed
from sams.cli.options import config_option, json_option
from sams.cli.place import Place
from sams.cli.render import count, print_facts, print_json, print_table, when
from sams.control.messages import MAX_PAGE, AccountEntry, QueueSearch
from sams.control.operations import AccountOperations
from sams.core.text import visible
from sams.identity.logins import UnpreparableError, prepare_login

_MAX_LINE = 65_536


@click.group()
def account() -> None:
    """Manage the built-in accounts.

    A change is in force at once in the whole service. Passwords are read from standard input or asked for,
    never taken from the command line.
    """


account.add_command(import_)


class _LoginType(click.ParamType[str]):
    """A login, in the form in which all of the service compares it (RFC 8265)."""

    name = "login"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return prepare_login(value)
        except UnpreparableError as error:
            self.fail(f"this is no login: {error}", param, ctx)


_login = click.argument("login", type=_LoginType(), metavar="LOGIN")
_password = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
_addresses = click.option(
    "--address", "addresses", multiple=True, metavar="A", help="An address to send from, or *@domain."
)
_send_as = click.option(
    "--may-send-as", "others", multiple=True, metavar="A", help="An address of another, or *@domain."
)
_per_hour = click.option("--per-hour", type=click.IntRange(0), help="Recipients an hour, of its own.")
_per_day = click.option("--per-day", type=click.IntRange(0), help="Recipients a day, of its own.")


@account.command()
@_login
@_addresses
@_send_as
@_per_hour
@_per_day
@_password
@config_option
def add(
    *,
    login: str,
    addresses: tuple[str, ...],
    others: tuple[str, ...],
    per_hour: int | None,
    per_day: int | None,
    password_stdin: bool,
    config_path: Path,
) -> None:
    """Add an account that may send from its addresses, at least one.

    Example: sams account add alice --address alice@example.ac.uk --password-stdin < password-file
    """
    if not addresses:
        raise click.UsageError("an account needs an address to send from: --address alice@example.ac.uk")
    accounts = Place(config_path).accounts
    if accounts.show(login) is not None:
        raise Failed(
            f"there is an account {visible(login)} already: see `sams account show {visible(login)}`"
        )
    entry = AccountEntry(
        login=login,
        addresses=addresses,
        may_send_as=others,
        recipients_per_hour=per_hour,
        recipients_per_day=per_day,
    )
    accounts.add(entry, _read_password(from_stdin=password_stdin))
    click.echo(f"{visible(login)} may now sign in and send from {visible(', '.join(addresses))}")


@account.command()
@_login
@_password
@config_option
def passwd(*, login: str, password_stdin: bool, config_path: Path) -> None:
    """Set another password. The old one and running sessions end at once."""
    accounts = Place(config_path).accounts
    _known(accounts, login)
    accounts.set_password(login, _read_password(from_stdin=password_stdin))
    click.echo(f"the password of {visible(login)} is changed; running sessions ended")


@account.command()
@_login
@_addresses
@_send_as
@_per_hour
@_per_day
@click.option("--default-limits", is_flag=True, help="Back to the service's limits of recipients.")
@config_option
def change(
    *,
    login: str,
    addresses: tuple[str, ...],
    others: tuple[str, ...],
    per_hour: int | None,
    per_day: int | None,
    default_limits: bool,
    config_path: Path,
) -> None:
    """Replace the addresses of an account, or its own limits of recipients.

    --address and --may-send-as replace all that it had of that kind; what is not named stays.
    """
    limits = per_hour is not None or per_day is not None
    if default_limits and limits:
        raise click.UsageError("--default-limits stands without --per-hour and --per-day")
    if not (addresses or others or limits or default_limits):
        raise click.UsageError("name what changes: --address, --may-send-as, --per-hour, --per-day")
    accounts = Place(config_path).accounts
    known = _known(accounts, login)
    if addresses or others:
        accounts.set_addresses(login, addresses or known.addresses, others or known.may_send_as)
    if default_limits:
        accounts.set_limits(login, None, None)
    elif limits:
        hour = known.recipients_per_hour if per_hour is None else per_hour
        day = known.recipients_per_day if per_day is None else per_day
        accounts.set_limits(login, hour, day)
    click.echo(f"{visible(login)} is changed")


@account.command()
@_login
@click.option("--reason", default="", help="Told to the member who tries to sign in.")
@click.option("--hold-queue", is_flag=True, help="Also hold what it has in the queue.")
@config_option
def suspend(*, login: str, reason: str, hold_queue: bool, config_path: Path) -> None:
    """Let nobody sign in as this account, and end its sessions, at once.

    With --hold-queue nothing more of it is delivered; `sams queue list --login LOGIN` shows what is held,
    `sams queue release --login LOGIN` lets it go on.
    """
    place = Place(config_path)
    place.accounts.suspend(login, reason)
    click.echo(f"{visible(login)} is suspended; its sessions ended")
    if hold_queue:
        with place.queue() as queue:
            held = queue.hold(QueueSearch(login=login))
        click.echo(f"{count(held, 'message')} held")


@account.command()
@_login
@config_option
def resume(login: str, config_path: Path) -> None:
    """Let a suspended account work again. What was held stays held: `sams queue release --login LOGIN`."""
    Place(config_path).accounts.resume(login)
    click.echo(f"{visible(login)} may sign in again")


@account.command()
@_login
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def remove(*, login: str, yes: bool, config_path: Path) -> None:
    """Remove an account for good. What it has in the queue is still delivered."""
    if not yes:
        if not sys.stdin.isatty():
            raise Failed(f"this removes {visible(login)} for good: say so with --yes", Exit.USAGE)
        click.confirm(f"Remove the account {visible(login)} for good?", abort=True, err=True)
    Place(config_path).accounts.remove(login)
    click.echo(f"{visible(login)} is removed")


@account.command("list")
@click.option("--suspended", is_flag=True, help="Suspended ones only.")
@config_option
@json_option
def list_(*, suspended: bool, config_path: Path, as_json: bool) -> None:
    """List the accounts by login.

    With --json: {"accounts": […]}; "suspended" is null for an active one, else the reason.
    """
    found = (
        entry for entry in _all(Place(config_path).accounts) if entry.suspended is not None or not suspended
    )
    if as_json:
        print_json({"accounts": [msgspec.to_builtins(entry) for entry in found]})
        return
    rows = [(entry.login, _state(entry), ", ".join(entry.addresses)) for entry in found]
    if not rows:
        click.echo("There are no such accounts: add one with `sams account add`.")
        return
    print_table(("login", "state", "addresses"), rows)


@account.command()
@_login
@config_option
@json_option
def show(*, login: str, config_path: Path, as_json: bool) -> None:
    """Show one account."""
    entry = _known(Place(config_path).accounts, login)
    if as_json:
        print_json(msgspec.to_builtins(entry))
    else:
        print_facts(_facts(entry))


def _facts(entry: AccountEntry) -> Iterator[tuple[str, str]]:
    yield "login", entry.login
    yield "state", _state(entry)
    yield "addresses", ", ".join(entry.addresses)
    yield "may send as", ", ".join(entry.may_send_as) or "-"
    for name, limit in (("hour", entry.recipients_per_hour), ("day", entry.recipients_per_day)):
        yield f"recipients per {name}", "the service's limit" if limit is None else str(limit)
    if entry.created is not None:
        yield "created", when(entry.created)
    if entry.changed is not None:
        yield "changed", when(entry.changed)


def _state(entry: AccountEntry) -> str:
    if entry.suspended is None:
        return "active"
    return f"suspended: {entry.suspended}" if entry.suspended else "suspended"


def _known(accounts: AccountOperations, login: str) -> AccountEntry:
    entry = accounts.show(login)
    if entry is None:
        raise Failed(f"there is no account {visible(login)}: see `sams account list`")
    return entry


def _all(accounts: AccountOperations) -> Iterator[AccountEntry]:
    after = None
    while True:
        page = accounts.list(after, MAX_PAGE)
        yield from page
        if len(page) < MAX_PAGE:
            return
        after = page[-1].login


def _read_password(*, from_stdin: bool) -> str:
    """One line; what follows its newline is left alone. Never echoed."""
    if from_stdin:
        line = sys.stdin.buffer.readline(_MAX_LINE).rstrip(b"\r\n")
        if not line:
            raise Failed("the password is empty: it has to stand in the first line of standard input")
        try:
            return line.decode()
        except UnicodeDecodeError:
            raise Failed("the password on standard input is not UTF-8") from None
    if not sys.stdin.isatty():
        raise Failed("no terminal to ask for the password: give it with --password-stdin", Exit.USAGE)
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return answer
