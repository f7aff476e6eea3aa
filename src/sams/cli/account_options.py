"""What the commands about accounts and devices have in common: arguments, options, and how an account is shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

import click

from sams.cli.failures import Exit, Failed
from sams.cli.place import Place
from sams.cli.render import when
from sams.config.problems import ConfigError
from sams.config.sources import BuiltinSource
from sams.control.messages import MAX_PAGE, AccountEntry, DeviceEntry
from sams.control.operations import AccountOperations
from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.logins import UnpreparableError, prepare_login
from sams.identity.walk import FOUND

_MAX_LINE = 65_536


class LoginType(click.ParamType[str]):
    """A login, in the form in which all of the service compares it (RFC 8265)."""

    name = "login"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The login, prepared."""
        try:
            return prepare_login(value)
        except UnpreparableError as error:
            self.fail(f"this is no login: {error}", param, ctx)


login_argument = click.argument("login", type=LoginType(), metavar="LOGIN")
password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
address_option = click.option(
    "--address", "addresses", multiple=True, metavar="A", help="An address to send from, or *@domain."
)
send_as_option = click.option(
    "--may-send-as", "others", multiple=True, metavar="A", help="An address of another, or *@domain."
)
per_hour_option = click.option("--per-hour", type=click.IntRange(0), help="Recipients an hour, of its own.")
per_day_option = click.option("--per-day", type=click.IntRange(0), help="Recipients a day, of its own.")


def facts(entry: AccountEntry) -> Iterator[tuple[str, str]]:
    """All of an account, for people."""
    yield "login", entry.login
    yield "state", state(entry)
    if entry.device is not None:
        yield from _device_facts(entry.device)
    yield "addresses", ", ".join(entry.addresses)
    yield "may send as", ", ".join(entry.may_send_as) or "-"
    for name, limit in (("hour", entry.recipients_per_hour), ("day", entry.recipients_per_day)):
        yield f"recipients per {name}", "the service's limit" if limit is None else str(limit)
    if entry.device is None:
        yield "app passwords", str(entry.app_passwords)
    yield "SCRAM", "possible" if entry.scram else "from the next sign-in with the password on"
    if entry.created is not None:
        yield "created", when(entry.created)
    if entry.changed is not None:
        yield "changed", when(entry.changed)


def state(entry: AccountEntry) -> str:
    """Whether it may be used."""
    if entry.suspended is None:
        expires = entry.device.expires if entry.device is not None else None
        return "active" if expires is None or time.time() < expires else f"expired {when(expires)}"
    return f"suspended: {entry.suspended}" if entry.suspended else "suspended"


def _device_facts(device: DeviceEntry) -> Iterator[tuple[str, str]]:
    yield "device of", device.owner
    yield "signs in from", ", ".join(device.networks) or "everywhere"
    yield "writes to", ", ".join(device.recipients) or "everybody"
    yield "expires", "never" if device.expires is None else when(device.expires)


def unasked(place: Place) -> str:
    """What to do where the configuration has no source of built-in accounts, so that they let nobody in; or empty."""
    try:
        sources = place.config.accounts.sources
    except (ConfigError, OSError):  # who may not read it is told so where it matters
        return ""
    if any(isinstance(source, BuiltinSource) for source in sources):
        return ""
    return (
        'built-in accounts let nobody in here: no [[accounts.source]] of the configuration has type = "builtin". '
        "Add one and `sams reload`"
    )


def _taken(place: Place, login: str) -> str:
    """Who signs in by this login in place of the built-in account, by the running service; or empty."""
    if not place.is_running:
        return ""
    try:
        words = place.sources.test(login, None).words
        names = [source.id for source in place.config.accounts.sources if isinstance(source, BuiltinSource)]
    except (OperatorError, OSError):
        return ""
    first = next((word.source for word in words if word.finding == FOUND), "")
    if not first or first in names:
        return ""
    return (
        f"{visible(login)} is a login of {visible(first)} too, which is asked first: this account lets nobody in. "
        "Take another name, or put the builtin source in front of it"
    )


def tell_added(place: Place, login: str, addresses: Sequence[str]) -> None:
    """That an account was added, and whether that is enough to sign in."""
    if missing := unasked(place) or _taken(place, login):
        click.echo(f"{visible(login)} is added")
        click.echo(f"sams: warning: {missing}", err=True)
    else:
        click.echo(f"{visible(login)} may now sign in and send from {visible(', '.join(addresses))}")


def known_account(accounts: AccountOperations, login: str) -> AccountEntry:
    """The account of a login.

    Raises:
        Failed: there is none.
    """
    entry = accounts.show(login)
    if entry is None:
        raise Failed(f"there is no account {visible(login)}: see `sams account list`")
    return entry


def all_accounts(accounts: AccountOperations, *, devices: bool = False) -> Iterator[AccountEntry]:
    """Every account, page by page. devices: those of devices only."""
    after = None
    while True:
        page = accounts.list(after, MAX_PAGE, devices=devices)
        yield from page
        if len(page) < MAX_PAGE:
            return
        after = page[-1].login


def read_password(*, from_stdin: bool, confirm: bool = True) -> str:
    """One line; what follows its newline is left alone. Never echoed. confirm: it is asked for twice."""
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
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True)
    return answer
