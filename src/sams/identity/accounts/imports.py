"""Accounts of another system as they are taken over: what is asked of each, and what became of it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sams.core.errors import OperatorError
from sams.identity.logins import UnpreparableError, prepare_password
from sams.identity.passwords.foreign.interface import PlainPassword, UnusableHashError

MAX_IMPORTED = 1_000
"""Accounts taken over in one transaction: for so long nobody else changes any."""


class ImportResult(enum.Enum):
    """What became of one account."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    THERE = "there already"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ImportedAccount:
    """An account as another system's file has it.

    secret: the password's hash in one of the forms that `foreign.reader` knows, or `{PLAIN}` and the password itself.
    """

    login: str
    secret: str = field(repr=False)
    addresses: tuple[str, ...]
    may_send_as: tuple[str, ...] = ()
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of an account; why, where it was refused."""

    login: str
    result: ImportResult
    why: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """An account that is ready to be stored; secret: a hash, or a password that is to be hashed."""

    login: str
    secret: str | PlainPassword = field(repr=False)
    addresses: str
    may_send_as: str
    per_hour: int | None
    per_day: int | None


def rows_of(
    accounts: Iterable[ImportedAccount], row_of: Callable[[ImportedAccount], Row]
) -> list[Row | Imported]:
    """Each account as a row, or refused with the reason; one that is wrong keeps none from being taken."""
    return [_row_or_refusal(account, row_of) for account in accounts]


def decide(row: Row, stored: str | None, *, update: bool) -> ImportResult:
    """What is to become of a row. stored: the hash of the account that is there; None: there is none."""
    if stored is None:
        return ImportResult.ADDED
    if not update:
        return ImportResult.THERE
    return ImportResult.UNCHANGED if stored == row.secret else ImportResult.UPDATED


def prepared_plain(password: PlainPassword) -> PlainPassword:
    """A password in clear in the form in which it is hashed. It is not new: whether it is a good one is not asked.

    Raises:
        UnusableHashError: it can be no password.
    """
    try:
        return PlainPassword(prepare_password(password.password))
    except UnpreparableError as error:
        raise UnusableHashError(str(error)) from None


def _row_or_refusal(account: ImportedAccount, row_of: Callable[[ImportedAccount], Row]) -> Row | Imported:
    try:
        return row_of(account)
    except (UnusableHashError, OperatorError) as error:
        return Imported(account.login, ImportResult.REFUSED, str(error))
