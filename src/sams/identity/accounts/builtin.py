"""The built-in accounts as a source: read in each worker, by a cache that is always up to date (`watch`)."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import apsw

from sams.config.sources import BuiltinSource
from sams.core.address import AddressError, Mailbox, parse_mailbox
from sams.core.clock import Clock
from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.account_sources import Checked, Finding
from sams.identity.accounts.records import COLUMNS, AccountRecord, record_of
from sams.identity.accounts.schema import DEVICE
from sams.identity.accounts.store import AccountStore
from sams.identity.accounts.watch import AccountsWatch
from sams.identity.interface import Account, Identity
from sams.identity.logins import Login
from sams.identity.passwords.foreign.reader import ARGON2
from sams.identity.passwords.hashes import Compared, Hashes
from sams.identity.passwords.pool import HashPool
from sams.identity.passwords.stored_password import OWN, read_key, salt_of
from sams.identity.patterns import ANY, pattern_key
from sams.identity.sources.serves import Serves
from sams.protocol.sasl.interface import ScramKey, ScramKeys

_READ = f"""
SELECT {COLUMNS}, password, iif(scram_of IS password, scram, NULL) FROM accounts WHERE login = ?
"""  # noqa: S608 - made of constants
_WITHOUT_KEYS = "SELECT 1 FROM accounts WHERE scram_of IS NOT password LIMIT 1"


@dataclass(frozen=True, slots=True)
class _Known:
    """expires: when an account ends by itself, UNIX seconds."""

    account: Account
    expires: float | None
    hashed: str = field(repr=False)
    scram: bytes | None = field(repr=False)

    def at(self, now: float) -> Account:
        """The account as it is now."""
        if self.expires is None or now < self.expires or self.account.suspended is not None:
            return self.account
        day = time.strftime("%Y-%m-%d", time.gmtime(self.expires))
        return replace(self.account, suspended=f"expired on {day}")


class BuiltinAccounts:
    """The built-in source. Made in the worker, after the fork; `AccountStore.prepare` has made the file before.

    section: what the configuration says of it.
    max_cached: spellings of accounts kept in memory; what was read first goes first.
    """

    knows_all: Final = True
    can_find: Final = True
    remember: Final = None

    def __init__(
        self,
        path: Path,
        *,
        accounts: AccountStore,
        hashes: Hashes,
        pool: HashPool,
        clock: Clock,
        section: BuiltinSource,
        max_cached: int = 20_000,
    ) -> None:
        self._section = section
        self.serves = Serves(section.domains, section.logins)
        self._accounts = accounts
        self._hashes = hashes
        self._pool = pool
        self._clock = clock
        self._max_cached = max_cached
        self._cache: dict[str, _Known] = {}
        self._has_all_keys: bool | None = None
        self._watch = AccountsWatch(path, self._drop)

    @property
    def name(self) -> str:
        """As the configuration names it."""
        return self._section.id

    @property
    def takes_passwords(self) -> bool:
        """Whether the accounts' own passwords may be used for submission."""
        return self._section.submission == "any"

    def use(self, section: BuiltinSource) -> None:
        """Go by another section from now on, and other domains may stand behind a login: after a reload."""
        self._section = section
        self.serves = Serves(section.domains, section.logins)
        self._cache.clear()

    def look_up(self, login: Login) -> Account | None:
        """What is known of a login, up to date: as it was typed, else without its domain, or with the first of them.

        Raises:
            TemporaryFailure: the file cannot be read.
        """
        known = self._find(login)
        if known is None:
            return None
        return known.account if known.expires is None else known.at(self._clock.now())

    async def find(self, login: Login) -> Account | None:
        """The same.

        Raises:
            TemporaryFailure: the file cannot be read.
        """
        return self.look_up(login)

    async def verify(self, login: Login, password: str, address: str, *, is_known: bool) -> Checked:
        """Compare with the stored hash, or with one of nobody at the same cost.

        Raises:
            TemporaryFailure: too many are waiting.
        """
        try:
            known = self._find(login)
        except TemporaryFailure as unreadable:
            return Checked(Finding.UNAVAILABLE, detail=unreadable.detail)
        stored = known.hashed if known else None
        try:
            compared = await self._pool.compare(self._hashes, stored, password, address, is_known=is_known)
        except ValueError as damaged:
            return Checked(Finding.UNAVAILABLE, detail=str(damaged))
        if known is None:
            return Checked(Finding.UNKNOWN)
        if not compared.is_right:
            return Checked(Finding.WRONG)
        upgraded = await self._upgrade(known, compared, password, address)
        return Checked(Finding.RIGHT, known.at(self._clock.now()), upgraded)

    @property
    def has_all_keys(self) -> bool:
        """Whether every account has SCRAM keys. Those without get them at the next sign-in by PLAIN or LOGIN.

        Raises:
            TemporaryFailure: the file cannot be read.
        """
        if self._has_all_keys is None or not self._watch.is_current:
            self._watch.refresh()
            self._has_all_keys = not self._watch.rows(_WITHOUT_KEYS)
        return self._has_all_keys

    def scram_keys(self, login: Login, hash_name: str) -> ScramKeys | None:
        """The keys of the login's own password; none in them where there are none yet. None: no such login.

        Raises:
            TemporaryFailure: the file cannot be read.
        """
        known = self._find(login)
        if known is None:
            return None
        keys: tuple[ScramKey, ...] = ()
        if known.scram is not None and self.takes_passwords:
            keys = (read_key(known.scram, hash_name, OWN),)
        keyring = self._watch.keyring
        return ScramKeys(salt_of(keyring, known.account.identity.login), keyring.iterations, keys)

    def changed(self) -> frozenset[str]:
        """Logins changed since the last call; one pragma where there are none.

        Raises:
            TemporaryFailure: the file cannot be read.
        """
        return self._watch.changed()

    def close(self) -> None:
        """Close the file."""
        self._watch.close()

    def _find(self, login: Login) -> _Known | None:
        known = self._cache.get(login.typed) if self._watch.is_current else None
        if known is not None:
            return known
        self._watch.refresh()
        return self._cache.get(login.typed) or self._read(login.typed, login) or self._read_otherwise(login)

    def _read_otherwise(self, login: Login) -> _Known | None:
        """Without its domain, else with the one that is meant where none is typed: imported logins may have it."""
        for text in (login.bare, login.address):
            known = self._read(text, login) if text != login.typed else None
            if known is not None:
                return known
        return None

    def _read(self, text: str, login: Login) -> _Known | None:
        rows = self._watch.rows(_READ, (text,))
        return self._keep(login.typed, rows[0]) if rows else None

    def _keep(self, spelling: str, row: Any) -> _Known:
        """As it was typed: the next sign-in finds it so."""
        *columns, hashed, scram = row
        record = record_of(columns)
        expires = record.device.expires if record.device is not None else None
        known = _Known(_account(record, self.name), expires, hashed.removeprefix(DEVICE), scram)
        self._cache[spelling] = known
        if len(self._cache) > self._max_cached:
            del self._cache[next(iter(self._cache))]
        return known

    def _drop(self) -> None:
        self._cache.clear()
        self._has_all_keys = None

    async def _upgrade(self, known: _Known, compared: Compared, password: str, address: str) -> str:
        """Store what is kept today of a right password; what goes wrong with that is for the journal alone."""
        hashed = compared.upgrade
        if hashed is None and known.scram is None and known.hashed.startswith(ARGON2):
            hashed = known.hashed  # of before there were keys
        if hashed is None:
            return ""
        identity = known.account.identity
        try:
            store = partial(self._accounts.upgrade, identity.login, identity.generation, hashed, password)
            await self._pool.run(store, address, is_known=True)
        except (apsw.Error, OperatorError, TemporaryFailure) as error:
            return f"the password hash was not upgraded: {error}"
        return "the password hash was upgraded" if compared.upgrade else "keys for SCRAM were made"


def _account(record: AccountRecord, source: str) -> Account:
    device = record.device
    identity = Identity(
        login=record.login,
        addresses=tuple(map(pattern_key, record.addresses)),
        may_send_as=tuple(map(pattern_key, record.may_send_as)),
        default_address=_default_address(record),
        generation=record.generation,
        recipients_per_hour=record.recipients_per_hour,
        recipients_per_day=record.recipients_per_day,
        source=source,
        recipients=tuple(map(pattern_key, device.recipients)) if device else (),
    )
    networks = tuple(map(ipaddress.ip_network, device.networks)) if device else ()
    return Account(identity, record.suspended, networks, is_device=device is not None)


def _default_address(record: AccountRecord) -> Mailbox:
    """The first address; where there are only whole domains, the login's name in the first of them."""
    for text in record.addresses:
        if not text.startswith(ANY):
            return parse_mailbox(text)
    domain = record.addresses[0].removeprefix(ANY)
    try:
        return parse_mailbox(f"{record.login.partition('@')[0]}@{domain}")
    except AddressError:
        return Mailbox("postmaster", domain)
