"""Accounts of another system that are taken over."""

from __future__ import annotations

import msgspec

from sams.control.messages.base import OneAnswer, OneRequest

MAX_TRANSFERS = 1_000
"""Accounts that are taken over in one request."""


class AccountTransfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An account of another system; its text form does not show the secret.

    secret: the password's hash as that system's file has it, or `{PLAIN}` and the password itself.
    """

    login: str
    secret: str
    addresses: tuple[str, ...]
    may_send_as: tuple[str, ...] = ()
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None

    def __repr__(self) -> str:
        return f"AccountTransfer(login={self.login!r}, secret=…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("login", self.login)]


class AccountImport(OneRequest, frozen=True, tag="account.import", omit_defaults=True):
    """Take accounts of another system over, all that can be, in one step; at most `MAX_TRANSFERS`.

    update: those that are there get the password. dry_run: nothing is changed.
    """

    accounts: tuple[AccountTransfer, ...]
    update: bool = False
    dry_run: bool = False


class ImportOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an account: `added`, `updated`, `unchanged`, `there already`, or `refused` and why."""

    login: str
    result: str
    why: str = ""


class AccountsImported(OneAnswer, frozen=True, tag="account.imported"):
    """What became of each account, in their order."""

    outcomes: tuple[ImportOutcome, ...]
