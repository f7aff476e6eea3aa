"""The built-in accounts as commands and pages see them: checked against the configuration, in wire values.

The running service answers control requests by `account_handlers`; a command with the service down calls the
same `LocalAccounts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from sams.activity.events import AccountChanged as AccountEvent
from sams.control.messages import (
    MAX_PAGE,
    AccountAdd,
    AccountAddresses,
    AccountDevice,
    AccountEntry,
    AccountImport,
    AccountLimits,
    AccountList,
    AccountPage,
    AccountPassword,
    AccountRemove,
    AccountResume,
    AccountShow,
    AccountShown,
    AccountsImported,
    AccountSuspend,
    AccountTransfer,
    DeviceEntry,
    Done,
    ImportOutcome,
    Request,
)
from sams.control.peers import Peer
from sams.control.server import Handler, Handlers
from sams.core.address import AddressError, domain_key
from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.accounts.imports import Imported, ImportedAccount, ImportResult
from sams.identity.accounts.records import AccountRecord, Device
from sams.identity.accounts.store import AccountStore

_WORDS = {ImportResult.ADDED.value: "imported", ImportResult.UPDATED.value: "password"}
"""What the journal says of an account that was taken over."""
_TOLD_AT_ONCE = 50
ACCOUNTS_FILE = "accounts.db"
_OCTETS_IN_PAGE = 500_000
"""Of a page, about: a line of the control socket holds a mebibyte, and some characters are written as two."""
_OCTETS_BESIDE = 1_500
"""Of an account, besides its addresses, networks and recipients."""


def record_to_wire(record: AccountRecord) -> AccountEntry:
    """An account without its password. Its generation is the time of its last change in microseconds."""
    device = record.device
    return AccountEntry(
        login=record.login,
        addresses=record.addresses,
        suspended=record.suspended,
        may_send_as=record.may_send_as,
        recipients_per_hour=record.recipients_per_hour,
        recipients_per_day=record.recipients_per_day,
        created=record.created,
        changed=record.generation / 1_000_000,
        device=None
        if device is None
        else DeviceEntry(device.owner, device.networks, device.recipients, device.expires),
        app_passwords=record.app_passwords,
        scram=record.has_scram_keys,
    )


class LocalAccounts:
    """`AccountOperations` on the file itself. Blocks: for commands, and for threads of the service.

    Args:
        domains: of `[accounts] domains`: the addresses of a new account are in one of them.
    """

    def __init__(self, accounts: AccountStore, domains: Sequence[str]) -> None:
        self._accounts = accounts
        self._domains = frozenset(domains)

    def list(self, after: str | None, limit: int, *, devices: bool = False) -> Sequence[AccountEntry]:
        """Accounts by rising login."""
        self._accounts.prepare()
        found = self._accounts.list(after or "", limit, devices_only=devices)
        return tuple(record_to_wire(record) for record in found)

    def show(self, login: str) -> AccountEntry | None:
        """One account; None where there is none."""
        try:
            return record_to_wire(self._accounts.get(login))
        except OperatorError:
            return None

    def add(self, account: AccountEntry, password: str) -> None:
        """Make an account, active at once."""
        self._check_domains(account.addresses)
        self._accounts.add(
            account.login,
            password,
            account.addresses,
            account.may_send_as,
            recipients_per_hour=account.recipients_per_hour,
            recipients_per_day=account.recipients_per_day,
            device=None if account.device is None else _device_of(account.device),
        )

    def set_device(self, login: str, device: DeviceEntry) -> None:
        """Replace what a device has besides."""
        self._accounts.set_device(login, _device_of(device))

    def take_over(
        self, accounts: Sequence[AccountTransfer], *, update: bool, dry_run: bool
    ) -> Sequence[ImportOutcome]:
        """Take accounts over; those with an address elsewhere are refused one by one."""
        refused = {at: why for at, account in enumerate(accounts) if (why := self._foreign(account))}
        taken = [_imported_of(account) for at, account in enumerate(accounts) if at not in refused]
        results = iter(self._accounts.add_many(taken, update=update, dry_run=dry_run))
        return tuple(
            ImportOutcome(account.login, ImportResult.REFUSED.value, refused[at])
            if at in refused
            else _outcome_of(next(results))
            for at, account in enumerate(accounts)
        )

    def set_password(self, login: str, password: str) -> None:
        """Set another password."""
        self._accounts.passwd(login, password)

    def set_addresses(self, login: str, addresses: Sequence[str], may_send_as: Sequence[str]) -> None:
        """Replace what it may send from."""
        self._check_domains(addresses)
        self._accounts.set_addresses(login, addresses, may_send_as)

    def set_limits(self, login: str, per_hour: int | None, per_day: int | None) -> None:
        """Replace its own limits."""
        self._accounts.set_limits(login, per_hour, per_day)

    def suspend(self, login: str, reason: str) -> None:
        """Suspend it."""
        self._accounts.suspend(login, reason)

    def resume(self, login: str) -> None:
        """Let it work again."""
        self._accounts.resume(login)

    def remove(self, login: str) -> None:
        """Remove it."""
        self._accounts.remove(login)

    def _foreign(self, account: AccountTransfer) -> str:
        try:
            self._check_domains(account.addresses)
        except OperatorError as error:
            return str(error)
        return ""

    def _check_domains(self, addresses: Sequence[str]) -> None:
        for address in addresses:
            domain = address.rpartition("@")[2]
            try:
                known = domain_key(domain) in self._domains
            except AddressError:
                known = False
            if not known:
                raise OperatorError(
                    f"{visible(address, 300)} is not in a domain of this service "
                    f"({', '.join(sorted(self._domains))}): see [accounts] domains in the configuration"
                )


def account_handlers(accounts: LocalAccounts, tell: Callable[[AccountEvent], None]) -> Handlers:
    """The table by which the service answers what concerns accounts; each change is told to the journal."""

    async def page(request: AccountList, _peer: Peer) -> AccountPage:
        limit = min(max(request.limit, 1), MAX_PAGE)
        found = await asyncio.to_thread(accounts.list, request.after, limit + 1, devices=request.devices)
        return _page(found, limit)

    async def show(request: AccountShow, _peer: Peer) -> AccountShown:
        return AccountShown(await asyncio.to_thread(accounts.show, request.login))

    async def take_over(request: AccountImport, peer: Peer) -> AccountsImported:
        outcomes = await asyncio.to_thread(
            accounts.take_over, request.accounts, update=request.update, dry_run=request.dry_run
        )
        if not request.dry_run:
            await _tell_of(request, outcomes, peer, tell)
        return AccountsImported(tuple(outcomes))

    def changing(what: str, change: Callable[[LocalAccounts, Any], None]) -> Handler:
        async def handle(request: Any, peer: Peer) -> Done:
            await asyncio.to_thread(change, accounts, request)
            tell(AccountEvent(request.login, what, peer.name, _detail(request)))
            return Done()

        return handle

    changes = {kind: changing(what, change) for kind, (what, change) in _CHANGES.items()}
    return {AccountList: page, AccountShow: show, AccountImport: take_over, **changes}


async def _tell_of(
    request: AccountImport,
    outcomes: Sequence[ImportOutcome],
    peer: Peer,
    tell: Callable[[AccountEvent], None],
) -> None:
    """One event for each account that changed; sessions are served between them."""
    for number, (account, outcome) in enumerate(zip(request.accounts, outcomes, strict=True)):
        what = _WORDS.get(outcome.result)
        if what is not None:
            tell(AccountEvent(outcome.login, what, peer.name, " ".join(account.addresses)))
        if number % _TOLD_AT_ONCE == 0:
            await asyncio.sleep(0)


def _imported_of(account: AccountTransfer) -> ImportedAccount:
    return ImportedAccount(
        account.login,
        account.secret,
        account.addresses,
        account.may_send_as,
        account.recipients_per_hour,
        account.recipients_per_day,
    )


def _outcome_of(imported: Imported) -> ImportOutcome:
    return ImportOutcome(imported.login, imported.result.value, imported.why)


def _device_of(entry: DeviceEntry) -> Device:
    return Device(entry.owner, entry.networks, entry.recipients, entry.expires)


def _add(accounts: LocalAccounts, request: AccountAdd) -> None:
    account = AccountEntry(
        login=request.login,
        addresses=request.addresses,
        may_send_as=request.may_send_as,
        recipients_per_hour=request.recipients_per_hour,
        recipients_per_day=request.recipients_per_day,
        device=request.device,
    )
    accounts.add(account, request.password)


_CHANGES: dict[type[Request], tuple[str, Callable[[LocalAccounts, Any], None]]] = {
    AccountAdd: ("added", _add),
    AccountPassword: ("password", lambda accounts, ask: accounts.set_password(ask.login, ask.password)),
    AccountAddresses: (
        "addresses",
        lambda accounts, ask: accounts.set_addresses(ask.login, ask.addresses, ask.may_send_as),
    ),
    AccountLimits: (
        "limits",
        lambda accounts, ask: accounts.set_limits(ask.login, ask.recipients_per_hour, ask.recipients_per_day),
    ),
    AccountDevice: ("device", lambda accounts, ask: accounts.set_device(ask.login, ask.device)),
    AccountSuspend: ("suspended", lambda accounts, ask: accounts.suspend(ask.login, ask.reason)),
    AccountResume: ("resumed", lambda accounts, ask: accounts.resume(ask.login)),
    AccountRemove: ("removed", lambda accounts, ask: accounts.remove(ask.login)),
}
"""What each request does, and the word for it in the journal."""


def _detail(request: object) -> str:
    """What the journal keeps besides; never a password."""
    if isinstance(request, AccountSuspend):
        return request.reason
    if isinstance(request, (AccountAdd, AccountAddresses)):
        return " ".join((*request.addresses, *request.may_send_as))
    if isinstance(request, AccountDevice):
        device = request.device
        return " ".join((device.owner, *device.networks, *device.recipients))
    return ""


def _page(found: Sequence[AccountEntry], limit: int) -> AccountPage:
    """As many as fit into a line, at least one."""
    taken: list[AccountEntry] = []
    room = _OCTETS_IN_PAGE
    for account in found[:limit]:
        room -= _octets(account)
        if taken and room < 0:
            break
        taken.append(account)
    return AccountPage(tuple(taken), more=len(taken) < len(found))


def _octets(account: AccountEntry) -> int:
    """Of its line, about."""
    device = account.device
    texts = (
        *account.addresses,
        *account.may_send_as,
        *((*device.networks, *device.recipients) if device else ()),
    )
    return _OCTETS_BESIDE + sum(len(text.encode()) + 3 for text in texts)
