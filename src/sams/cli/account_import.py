"""`sams account import`: takes over accounts from the password file of another system."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from sams.cli import password_files
from sams.cli.account_options import unasked
from sams.cli.failures import Exit, Failed, failure_of
from sams.cli.options import config_option, json_option
from sams.cli.password_files import FORMATS, Line, Unusable
from sams.cli.place import Place
from sams.cli.render import count, print_json, print_table
from sams.control.messages import MAX_TRANSFERS, AccountTransfer, ImportOutcome
from sams.control.operations import AccountOperations
from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.logins import UnpreparableError, prepare_login

_REFUSED = "refused"
_RESULTS = ("added", "updated", "unchanged", "there already", _REFUSED)
_PAGE_OCTETS = 300_000
"""Of a request, about: a line of the control socket holds a mebibyte."""
_PLAIN_IN_PAGE = 50
"""Passwords that are hashed in one request: some seconds."""
_OVERHEAD = 200


@dataclass(frozen=True, slots=True)
class _Told:
    """What became of one line."""

    line: int
    login: str
    result: str
    why: str = ""


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="Of the file. `passwd-file` is that of passwd(5) and shadow(5).",
)
@click.option(
    "--domain",
    metavar="D",
    help="Behind logins that are no addresses, for the address; else the first of [accounts] domains.",
)
@click.option(
    "--address",
    "templates",
    multiple=True,
    metavar="A",
    help="The account's address instead, with {login}, or {name} for what stands before its @.",
)
@click.option("--update", is_flag=True, help="Give accounts that are there already the file's password.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@config_option
@json_option
@click.pass_context
def import_(
    ctx: click.Context,
    *,
    file: BinaryIO,
    form: str,
    domain: str | None,
    templates: tuple[str, ...],
    update: bool,
    dry_run: bool,
    config_path: Path,
    as_json: bool,
) -> None:
    """Take over accounts from another system's password file. `-` is standard input.

    It reads htpasswd, passwd and shadow files, Dovecot's passwd-file, and CSV with the columns login, and hash or
    password, and if need be addresses, may_send_as, per_hour, per_day. Members keep their passwords: a hash is
    replaced by one of ours at the first sign-in, and a password in clear is hashed now.

    Lines that cannot be taken are told with the reason; all others are taken. What is there already stays as it is,
    so the command may be run again. The exit code is 1 where a line was refused.

    With --json: {"dry_run": …, "counts": {…}, "lines": [{"line", "login", "result", "why"}]}.
    """
    place = Place(config_path)
    content = file.read(password_files.MAX_FILE + 1)
    usable, told = _sort(password_files.read(content, form))
    addresses = _Addresses(place, domain, templates)
    transfers = [(line.number, _transfer(line, addresses)) for line in usable]
    told += _take_over(place.accounts, transfers, update=update, dry_run=dry_run)
    told.sort(key=lambda one: one.line)
    _print_json(told, dry_run=dry_run) if as_json else _print(told, dry_run=dry_run)
    if missing := unasked(place):
        click.echo(f"sams: warning: {missing}", err=True)
    if any(one.result == _REFUSED for one in told):
        ctx.exit(int(Exit.FAILED))


class _Addresses:
    """Which addresses an account gets for which the file names none."""

    def __init__(self, place: Place, domain: str | None, templates: Sequence[str]) -> None:
        self._place = place
        self._domain = domain
        self._templates = tuple(templates)

    def of(self, login: str) -> tuple[str, ...]:
        """By the templates, else the login itself or with the domain behind it."""
        name = login.partition("@")[0]
        if self._templates:
            return tuple(one.replace("{login}", login).replace("{name}", name) for one in self._templates)
        return (login if "@" in login else f"{login}@{self._known_domain()}",)

    def _known_domain(self) -> str:
        if self._domain is None:
            self._domain = self._place.config.accounts.domains[0]
        return self._domain


def _sort(lines: Iterator[Line | Unusable]) -> tuple[list[Line], list[_Told]]:
    """Those that may be taken over, each login once, and the others."""
    usable: list[Line] = []
    told: list[_Told] = []
    seen: dict[str, int] = {}
    for line in lines:
        first = seen.setdefault(_key(line), line.number)
        if isinstance(line, Unusable):
            told.append(_Told(line.number, line.login, _REFUSED, line.why))
        elif first != line.number:
            told.append(_Told(line.number, line.login, _REFUSED, f"line {first} has this login already"))
        else:
            usable.append(line)
    return usable, told


def _key(line: Line | Unusable) -> str:
    if isinstance(line, Line):
        with suppress(UnpreparableError):
            return prepare_login(line.login)
    return f"\0{line.number}"


def _transfer(line: Line, addresses: _Addresses) -> AccountTransfer:
    return AccountTransfer(
        line.login,
        line.secret,
        line.addresses or addresses.of(line.login),
        line.may_send_as,
        line.per_hour,
        line.per_day,
    )


def _take_over(
    accounts: AccountOperations, transfers: list[tuple[int, AccountTransfer]], *, update: bool, dry_run: bool
) -> list[_Told]:
    told: list[_Told] = []
    for page in _pages(transfers):
        try:
            outcomes = accounts.take_over([one for _, one in page], update=update, dry_run=dry_run)
        except OperatorError as error:
            raise _broken_off(error, told) from error
        told += [_told(number, outcome) for (number, _), outcome in zip(page, outcomes, strict=True)]
        if sys.stderr.isatty() and len(told) < len(transfers):
            click.echo(f"{len(told)} of {len(transfers)} …", err=True)
    return told


def _told(number: int, outcome: ImportOutcome) -> _Told:
    return _Told(number, outcome.login, outcome.result, outcome.why)


def _broken_off(error: OperatorError, told: Sequence[_Told]) -> Failed:
    failure = failure_of(error)
    done = sum(one.result in {"added", "updated"} for one in told)
    again = (
        f" ({count(done, 'account')} done before: run the same command again for the rest)" if done else ""
    )
    return Failed(failure.message + again, Exit(failure.exit_code))


def _pages(transfers: list[tuple[int, AccountTransfer]]) -> Iterator[list[tuple[int, AccountTransfer]]]:
    """Each is one request and one transaction."""
    page: list[tuple[int, AccountTransfer]] = []
    octets = plain = 0
    for number, one in transfers:
        page.append((number, one))
        octets += _OVERHEAD + sum(
            len(text.encode()) for text in (one.login, one.secret, *one.addresses, *one.may_send_as)
        )
        plain += one.secret[:7].upper() in {"{PLAIN}", "{CLEAR}", "{CLEART"}
        if len(page) == MAX_TRANSFERS or octets > _PAGE_OCTETS or plain == _PLAIN_IN_PAGE:
            yield page
            page, octets, plain = [], 0, 0
    if page:
        yield page


def _print(told: Sequence[_Told], *, dry_run: bool) -> None:
    for one in told:
        if one.result == _REFUSED:
            click.echo(f"line {one.line}: {visible(one.login, 100) or '-'}: refused: {visible(one.why, 500)}")
    counts = Counter(one.result for one in told)
    rows = [(result, str(counts[result])) for result in _RESULTS if counts[result]]
    if not rows:
        click.echo("There is no account in this file.")
        return
    print_table(("result", "accounts"), rows, right=[1])
    if dry_run:
        click.echo("Nothing was changed: without --dry-run it is done.")


def _print_json(told: Sequence[_Told], *, dry_run: bool) -> None:
    counts = Counter(one.result for one in told)
    lines = [{"line": one.line, "login": one.login, "result": one.result, "why": one.why} for one in told]
    print_json(
        {"dry_run": dry_run, "counts": {result: counts[result] for result in _RESULTS}, "lines": lines}
    )
