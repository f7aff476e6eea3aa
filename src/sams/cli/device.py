"""`sams device`: printers, scanners and monitors, each with a login of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from sams.cli.account_options import (
    LoginType,
    all_accounts,
    facts,
    password_option,
    per_day_option,
    per_hour_option,
    read_password,
    state,
    tell_added,
)
from sams.cli.failures import Exit, Failed
from sams.cli.options import config_option, expires_option, json_option, network_option
from sams.cli.place import Place
from sams.cli.render import day, print_facts, print_json, print_table
from sams.control.messages import AccountEntry, DeviceEntry
from sams.control.operations import AccountOperations
from sams.core.text import visible
from sams.identity.accounts.records import DEVICE_PER_DAY, DEVICE_PER_HOUR
from sams.identity.app_passwords.text import make_app_password


@click.group()
def device() -> None:
    """Manage devices that send mail: printers, scanners, monitoring.

    A device has its own login and password, an owner, one address, and limits: from where it signs in, to whom it
    writes, how much, how long. A stolen one ends alone. A change is in force at once in the whole service.
    """


_name = click.argument("name", type=LoginType(), metavar="NAME")
_owner = click.option("--owner", type=LoginType(), metavar="LOGIN", help="Who answers for it.")
_address = click.option("--address", metavar="A", help="The one address that it sends from.")
_recipients = click.option(
    "--recipient", "recipients", multiple=True, metavar="A", help="Writes to this address only, or *@domain."
)


@device.command()
@_name
@_owner
@_address
@network_option
@_recipients
@per_hour_option
@per_day_option
@expires_option
@password_option
@config_option
@json_option
def add(
    *,
    name: str,
    owner: str | None,
    address: str | None,
    networks: tuple[str, ...],
    recipients: tuple[str, ...],
    per_hour: int | None,
    per_day: int | None,
    expires: float | None,
    password_stdin: bool,
    config_path: Path,
    as_json: bool,
) -> None:
    """Add a device, and show its password this once.

    Without --per-hour and --per-day it may write to 50 recipients an hour and 200 a day. With --password-stdin it has
    that password in place of one that is made here.

    Example: sams device add printer-2nd-floor --owner anna --address printer@example.ac.uk --network 192.0.2.0/24
    """
    if owner is None or address is None:
        raise click.UsageError("a device has an --owner, who answers for it, and an --address to send from")
    place = Place(config_path)
    accounts = place.accounts
    if accounts.show(name) is not None:
        raise Failed(f"there is an account {visible(name)} already: see `sams account show {visible(name)}`")
    entry = AccountEntry(
        login=name,
        addresses=(address,),
        recipients_per_hour=DEVICE_PER_HOUR if per_hour is None else per_hour,
        recipients_per_day=DEVICE_PER_DAY if per_day is None else per_day,
        device=DeviceEntry(owner, networks, recipients, expires),
    )
    made = None if password_stdin else make_app_password()
    accounts.add(entry, made or read_password(from_stdin=True))
    if as_json:
        print_json({"login": name, "password": made})
        return
    tell_added(place, name, (address,))
    if not networks:
        click.echo(
            "It may do so from everywhere: --network would keep a stolen password from being used elsewhere."
        )
    _show_password(name, made)


@device.command("list")
@config_option
@json_option
def list_(*, config_path: Path, as_json: bool) -> None:
    """List the devices by login.

    With --json: {"devices": […]}, each as `sams account show --json` shows it.
    """
    found = all_accounts(Place(config_path).accounts, devices=True)
    if as_json:
        print_json({"devices": [msgspec.to_builtins(entry) for entry in found]})
        return
    rows = [_row(entry, entry.device) for entry in found if entry.device is not None]
    if not rows:
        click.echo("There are no devices: add one with `sams device add`.")
        return
    print_table(("login", "state", "owner", "address", "expires", "only"), rows)


@device.command()
@_name
@config_option
@json_option
def show(*, name: str, config_path: Path, as_json: bool) -> None:
    """Show one device."""
    entry = _known(Place(config_path).accounts, name)
    print_json(msgspec.to_builtins(entry)) if as_json else print_facts(facts(entry))


@device.command()
@_name
@password_option
@config_option
@json_option
def passwd(*, name: str, password_stdin: bool, config_path: Path, as_json: bool) -> None:
    """Make another password, and show it this once. The old one and running sessions end at once."""
    accounts = Place(config_path).accounts
    _known(accounts, name)
    made = None if password_stdin else make_app_password()
    accounts.set_password(name, made or read_password(from_stdin=True))
    if as_json:
        print_json({"login": name, "password": made})
        return
    click.echo(f"the password of {visible(name)} is changed; running sessions ended")
    _show_password(name, made)


@device.command()
@_name
@_owner
@_address
@network_option
@click.option("--any-network", is_flag=True, help="From everywhere, as without --network.")
@_recipients
@click.option("--any-recipient", is_flag=True, help="To everybody, as without --recipient.")
@per_hour_option
@per_day_option
@expires_option
@click.option("--never-expires", is_flag=True, help="It does not end by itself.")
@config_option
def change(
    *,
    name: str,
    owner: str | None,
    address: str | None,
    networks: tuple[str, ...],
    any_network: bool,
    recipients: tuple[str, ...],
    any_recipient: bool,
    per_hour: int | None,
    per_day: int | None,
    expires: float | None,
    never_expires: bool,
    config_path: Path,
) -> None:
    """Change a device; its password stays. What is not named stays as it is.

    --network and --recipient replace all that there were.
    """
    accounts = Place(config_path).accounts
    entry = _known(accounts, name)
    assert entry.device is not None, "it is a device"
    before = entry.device
    after = DeviceEntry(
        owner or before.owner,
        () if any_network else networks or before.networks,
        () if any_recipient else recipients or before.recipients,
        None if never_expires else expires or before.expires,
    )
    limits = per_hour is not None or per_day is not None
    if after == before and address is None and not limits:
        raise click.UsageError("name what changes: --owner, --address, --network, --recipient, --expires …")
    if after != before:
        accounts.set_device(name, after)
    if address is not None:
        accounts.set_addresses(name, (address,), entry.may_send_as)
    if limits:
        hour = entry.recipients_per_hour if per_hour is None else per_hour
        accounts.set_limits(name, hour, entry.recipients_per_day if per_day is None else per_day)
    click.echo(f"{visible(name)} is changed")


@device.command()
@_name
@click.option("--reason", default="", help="Told to the device, which may show it.")
@config_option
def suspend(*, name: str, reason: str, config_path: Path) -> None:
    """Let the device not sign in, and end its sessions, at once."""
    accounts = Place(config_path).accounts
    _known(accounts, name)
    accounts.suspend(name, reason)
    click.echo(f"{visible(name)} is suspended; its sessions ended")


@device.command()
@_name
@config_option
def resume(*, name: str, config_path: Path) -> None:
    """Let a suspended device work again."""
    accounts = Place(config_path).accounts
    _known(accounts, name)
    accounts.resume(name)
    click.echo(f"{visible(name)} may sign in again")


@device.command()
@_name
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def remove(*, name: str, yes: bool, config_path: Path) -> None:
    """Remove a device for good. What it has in the queue is still delivered."""
    accounts = Place(config_path).accounts
    _known(accounts, name)
    if not yes:
        if not sys.stdin.isatty():
            raise Failed(f"this removes {visible(name)} for good: say so with --yes", Exit.USAGE)
        click.confirm(f"Remove the device {visible(name)} for good?", abort=True, err=True)
    accounts.remove(name)
    click.echo(f"{visible(name)} is removed")


def _known(accounts: AccountOperations, name: str) -> AccountEntry:
    entry = accounts.show(name)
    if entry is None or entry.device is None:
        raise Failed(f"there is no device {visible(name)}: see `sams device list`")
    return entry


def _show_password(name: str, password: str | None) -> None:
    if password is None:
        return
    click.echo("Its password, which is shown this once:\n")
    click.echo("    " + click.style(password, bold=True) + "\n")
    click.echo(f"Type it into the device as it stands, with the user name {visible(name)}.")


def _row(entry: AccountEntry, device: DeviceEntry) -> tuple[str, ...]:
    return (
        entry.login,
        state(entry),
        device.owner,
        ", ".join(entry.addresses),
        "never" if device.expires is None else day(device.expires),
        ", ".join([*(f"from {one}" for one in device.networks), *(f"to {one}" for one in device.recipients)])
        or "-",
    )
