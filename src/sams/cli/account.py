"""`sams account`: the built-in accounts."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from sams.cli.account_import import import_
from sams.cli.account_options import (
    address_option,
    all_accounts,
    facts,
    known_account,
    login_argument,
    password_option,
    per_day_option,
    per_hour_option,
    read_password,
    send_as_option,
    state,
    tell_added,
)
from sams.cli.account_test import test
from sams.cli.app_password import app_password
from sams.cli.failures import Exit, Failed
from sams.cli.options import config_option, json_option
from sams.cli.place import Place
from sams.cli.render import count, print_facts, print_json, print_table
from sams.control.messages import AccountEntry, QueueSearch
from sams.core.text import visible


@click.group()
def account() -> None:
    """Manage the built-in accounts, and app passwords of members of every source.

    A change is in force at once in the whole service. Passwords are read from standard input or asked for,
    never taken from the command line.
    """


account.add_command(import_)
account.add_command(app_password)
account.add_command(test)


@account.command()
@login_argument
@address_option
@send_as_option
@per_hour_option
@per_day_option
@password_option
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
    """Add an account with an address, or several, to send from.

    Example: sams account add alice --address alice@example.ac.uk --password-stdin < password-file
    """
    if not addresses:
        raise click.UsageError("an account needs an address to send from: --address alice@example.ac.uk")
    place = Place(config_path)
    accounts = place.accounts
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
    accounts.add(entry, read_password(from_stdin=password_stdin))
    tell_added(place, login, addresses)


@account.command()
@login_argument
@password_option
@config_option
def passwd(*, login: str, password_stdin: bool, config_path: Path) -> None:
    """Set another password. The old one and running sessions end at once."""
    accounts = Place(config_path).accounts
    known_account(accounts, login)
    accounts.set_password(login, read_password(from_stdin=password_stdin))
    click.echo(f"the password of {visible(login)} is changed; running sessions ended")


@account.command()
@login_argument
@address_option
@send_as_option
@per_hour_option
@per_day_option
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
    """Replace the addresses of an account, or its own limits.

    --address and --may-send-as replace all that it had of that kind; what is not named stays.
    """
    limits = per_hour is not None or per_day is not None
    if default_limits and limits:
        raise click.UsageError("--default-limits stands without --per-hour and --per-day")
    if not (addresses or others or limits or default_limits):
        raise click.UsageError("name what changes: --address, --may-send-as, --per-hour, --per-day")
    accounts = Place(config_path).accounts
    known = known_account(accounts, login)
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
@login_argument
@click.option("--reason", default="", help="Told to the member who tries to sign in.")
@click.option("--hold-queue", is_flag=True, help="Also hold what it has in the queue.")
@config_option
def suspend(*, login: str, reason: str, hold_queue: bool, config_path: Path) -> None:
    """Let nobody sign in as this account. Its sessions end at once.

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
@login_argument
@config_option
def resume(login: str, config_path: Path) -> None:
    """Let a suspended account work again. What was held stays held: `sams queue release --login LOGIN`."""
    Place(config_path).accounts.resume(login)
    click.echo(f"{visible(login)} may sign in again")


@account.command()
@login_argument
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
    """List the accounts by login, those of devices as well.

    With --json: {"accounts": […]}; "suspended" is null for an active one, else the reason.
    """
    found = (
        entry
        for entry in all_accounts(Place(config_path).accounts)
        if entry.suspended is not None or not suspended
    )
    if as_json:
        print_json({"accounts": [msgspec.to_builtins(entry) for entry in found]})
        return
    rows = [(entry.login, state(entry), _kind(entry), ", ".join(entry.addresses)) for entry in found]
    if not rows:
        click.echo("There are no such accounts: add one with `sams account add`.")
        return
    print_table(("login", "state", "app passwords", "addresses"), rows)


@account.command()
@login_argument
@config_option
@json_option
def show(*, login: str, config_path: Path, as_json: bool) -> None:
    """Show one account."""
    entry = known_account(Place(config_path).accounts, login)
    if as_json:
        print_json(msgspec.to_builtins(entry))
    else:
        print_facts(facts(entry))


def _kind(entry: AccountEntry) -> str:
    return str(entry.app_passwords or "-") if entry.device is None else "a device"
