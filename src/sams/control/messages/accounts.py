"""The built-in accounts."""

from __future__ import annotations

import msgspec

from sams.control.messages.base import OneAnswer, OneRequest, WithPassword


class DeviceEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a printer, a scanner or a monitor has besides what an account has.

    owner: the login of who answers for it.
    networks: from where alone it signs in; empty: from everywhere.
    recipients: to whom alone it writes; empty: to everybody.
    expires: UNIX seconds; None: never.
    """

    owner: str
    networks: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    expires: float | None = None


class AccountEntry(msgspec.Struct, frozen=True):
    """One account, without its password.

    login: prepared. addresses: `local@domain` or `*@domain`.
    suspended: the reason, empty where none was given; None while the account is active.
    may_send_as: addresses of others.
    created, changed: UNIX seconds.
    device: None: it is a person's, or a program's. app_passwords: how many it has.
    scram: whether it may sign in by SCRAM.
    """

    login: str
    addresses: tuple[str, ...]
    suspended: str | None = None
    may_send_as: tuple[str, ...] = ()
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None
    created: float | None = None
    changed: float | None = None
    device: DeviceEntry | None = None
    app_passwords: int = 0
    scram: bool = False


class AccountList(OneRequest, frozen=True, tag="account.list", omit_defaults=True):
    """Ask for a page of accounts by rising login behind `after`. devices: of devices only."""

    after: str | None = None
    limit: int = 100
    devices: bool = False


class AccountPage(OneAnswer, frozen=True, tag="account.page"):
    """A page of accounts; `more`: another one may follow."""

    accounts: tuple[AccountEntry, ...]
    more: bool


class AccountShow(OneRequest, frozen=True, tag="account.show"):
    """Ask for one account."""

    login: str


class AccountShown(OneAnswer, frozen=True, tag="account.shown"):
    """One account, None where there is none."""

    account: AccountEntry | None


class AccountAdd(WithPassword, frozen=True, tag="account.add", omit_defaults=True):
    """Make an account. The password is hashed by who owns the accounts. None: the service's limit."""

    addresses: tuple[str, ...] = ()
    may_send_as: tuple[str, ...] = ()
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None
    device: DeviceEntry | None = None


class AccountDevice(OneRequest, frozen=True, tag="account.device"):
    """Replace what a device has besides."""

    login: str
    device: DeviceEntry


class AccountPassword(WithPassword, frozen=True, tag="account.password"):
    """Set another password; sessions and remembered passwords of the account end."""


class AccountAddresses(OneRequest, frozen=True, tag="account.addresses"):
    """Replace the addresses that it may send from, and those of others."""

    login: str
    addresses: tuple[str, ...]
    may_send_as: tuple[str, ...] = ()


class AccountLimits(OneRequest, frozen=True, tag="account.limits"):
    """Replace its own limits of recipients; None: the service's."""

    login: str
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None


class AccountSuspend(OneRequest, frozen=True, tag="account.suspend"):
    """Suspend an account; the reason is told to the member."""

    login: str
    reason: str = ""


class AccountResume(OneRequest, frozen=True, tag="account.resume"):
    """Let a suspended account work again."""

    login: str


class AccountRemove(OneRequest, frozen=True, tag="account.remove"):
    """Remove an account; what it has in the queue stays."""

    login: str


class AccountChanged(OneRequest, frozen=True, tag="account.changed"):
    """Tell a worker to end the sessions of this login that its account no longer allows."""

    login: str
