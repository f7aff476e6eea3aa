"""The built-in accounts as a source: read in each worker, through a cache that is always up to date.

Every look-up compares the mark that writers leave (`change_mark`), which costs no system call; where it moved,
`PRAGMA data_version` tells whether another connection has committed, and if so everything read before is dropped.
So a change is seen by the next sign-in and the next MAIL in every process, and nothing is sent between
processes. A change past `Accounts`, by some other program, is seen when `changed` is next asked, within a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import apsw

from sams.config.sources import BuiltinSource
from sams.core.address import AddressError, Mailbox, parse_mailbox
from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.accounts import (
    COLUMNS,
    AccountRecord,
    Accounts,
    connect,
    last_generation,
    lock_path,
    record_of,
)
from sams.identity.change_mark import CHANGING, ChangeMark
from sams.identity.interface import Account, Checked, Finding, Identity
from sams.identity.logins import Login
from sams.identity.passwords import Compared, Hashes, HashPool
from sams.identity.patterns import ANY, pattern_key
from sams.identity.replies import UNAVAILABLE
from sams.identity.sources.serves import Serves

_READ = f"SELECT {COLUMNS}, password FROM accounts WHERE login = ?"  # noqa: S608 - made of constants
_CHANGED = "SELECT login, generation FROM changes WHERE generation > ?"


@dataclass(frozen=True, slots=True)
class _Known:
    account: Account
    hashed: str = field(repr=False)


class BuiltinAccounts:
    """The built-in source. Made in the worker, after the fork; `Accounts.prepare` has made the file before.

    section: what the configuration says of it.
    max_cached: spellings of accounts kept in memory; what was read first goes first.
    """

    knows_all: Final = True
    remember: Final = None

    def __init__(
        self,
        path: Path,
        *,
        accounts: Accounts,
        hashes: Hashes,
        pool: HashPool,
        section: BuiltinSource,
        max_cached: int = 20_000,
    ) -> None:
        self._section = section
        self.serves = Serves(section.domains, section.logins)
        self._connection = connect(path)
        self._connection.pragma("query_only", 1)
        self._accounts = accounts
        self._hashes = hashes
        self._pool = pool
        self._max_cached = max_cached
        self._cache: dict[str, _Known] = {}
        self._mark = ChangeMark(lock_path(path))
        self._seen = CHANGING
        self._cached_version = self._watched_version = self._version()
        self._last_change = last_generation(self._connection)

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
        """What is known of a login, up to date: as it was typed, else as it is without its domain.

        Raises:
            TemporaryFailure: the file cannot be read.
        """
        mark = self._mark.read()
        known = self._cache.get(login.typed) if mark == self._seen != CHANGING else None
        known = known or self._find(login)
        return known.account if known else None

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
            compare = partial(self._hashes.compare, stored, password)
            compared = await self._pool.run(compare, address, is_known=is_known)
        except ValueError as damaged:
            return Checked(Finding.UNAVAILABLE, detail=str(damaged))
        if known is None:
            return Checked(Finding.UNKNOWN)
        if not compared.is_right:
            return Checked(Finding.WRONG)
        upgraded = await self._upgrade(known.account, compared, address)
        return Checked(Finding.RIGHT, known.account, upgraded)

    def changed(self) -> frozenset[str]:
        """Logins changed since the last call; one pragma where there are none.

        Raises:
            TemporaryFailure: the file cannot be read.
        """
        try:
            version = self._drop_outdated()
            return self._changes(version) if version != self._watched_version else frozenset()
        except apsw.Error as error:
            raise _unreadable(error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _changes(self, version: int) -> frozenset[str]:
        rows = self._connection.execute(_CHANGED, (self._last_change,)).fetchall()
        self._watched_version = version
        self._last_change = max((self._last_change, *(cast("int", generation) for _, generation in rows)))
        return frozenset(str(login) for login, _ in rows)

    def _find(self, login: Login) -> _Known | None:
        try:
            self._drop_outdated()
            return self._cache.get(login.typed) or self._read(login.typed, login) or self._read_bare(login)
        except apsw.Error as error:
            raise _unreadable(error) from error

    def _read_bare(self, login: Login) -> _Known | None:
        return self._read(login.bare, login) if login.bare != login.typed else None

    def _read(self, text: str, login: Login) -> _Known | None:
        row = self._connection.execute(_READ, (text,)).fetchone()
        return self._keep(login.typed, row) if row else None

    def _keep(self, spelling: str, row: Any) -> _Known:
        """As it was typed: the next sign-in finds it so."""
        *columns, hashed = row
        known = self._cache[spelling] = _Known(_account(record_of(columns), self.name), hashed)
        if len(self._cache) > self._max_cached:
            del self._cache[next(iter(self._cache))]
        return known

    def _drop_outdated(self) -> int:
        """Let go of what was read before the last change; the version of the file."""
        seen, version = self._mark.read(), self._version()
        if version != self._cached_version:
            self._cache.clear()
            self._cached_version = version
        self._seen = seen
        return version

    def _version(self) -> int:
        return cast("int", self._connection.execute("PRAGMA data_version").get)

    async def _upgrade(self, account: Account, compared: Compared, address: str) -> str:
        """Store the hash at today's cost; what goes wrong with that is for the journal alone."""
        if compared.upgrade is None:
            return ""
        login, generation = account.identity.login, account.identity.generation
        try:
            store = partial(self._accounts.upgrade, login, generation, compared.upgrade)
            await self._pool.run(store, address, is_known=True)
        except (apsw.Error, OperatorError, TemporaryFailure) as error:
            return f"the password hash was not upgraded: {error}"
        return "the password hash was upgraded"


def _account(record: AccountRecord, source: str) -> Account:
    identity = Identity(
        login=record.login,
        addresses=tuple(map(pattern_key, record.addresses)),
        may_send_as=tuple(map(pattern_key, record.may_send_as)),
        default_address=_default_address(record),
        generation=record.generation,
        recipients_per_hour=record.recipients_per_hour,
        recipients_per_day=record.recipients_per_day,
        source=source,
    )
    return Account(identity, record.suspended)


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


def _unreadable(error: apsw.Error) -> TemporaryFailure:
    return TemporaryFailure(UNAVAILABLE, f"accounts.db cannot be read: {type(error).__name__}: {error}")
