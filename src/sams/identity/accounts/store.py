"""The built-in accounts: one SQLite file, changed by commands and the service, one writer at a time.

Every change gives the account a new generation (`file`). Whoever holds the old one (a session, a remembered
password) is outdated by that alone. The one change that leaves it is in what is kept of the same password: a hash
brought up to today's cost, or its keys for SCRAM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sams.core.clock import Clock
from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.accounts.file import AccountsFile, Change, Value
from sams.identity.accounts.imports import (
    MAX_IMPORTED,
    Imported,
    ImportedAccount,
    ImportResult,
    Row,
    decide,
    prepared_plain,
    rows_of,
)
from sams.identity.accounts.records import (
    COLUMNS,
    AccountRecord,
    Device,
    checked_expiry,
    checked_limit,
    checked_login,
    checked_networks,
    checked_patterns,
    checked_reason,
    record_of,
)
from sams.identity.accounts.schema import DEVICE, Keyring
from sams.identity.logins import map_password
from sams.identity.passwords.hashes import Hashes
from sams.identity.passwords.new_passwords import PasswordRules
from sams.identity.passwords.stored_password import StoredPassword, make_keys

_ADD = """
INSERT INTO accounts
    (login, password, scram, scram_of, addresses, may_send_as, suspended, per_hour, per_day, generation, created,
     owner, networks, recipients, expires)
VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_STORED = "SELECT password FROM accounts WHERE login = ?"
_SELECT = f"SELECT {COLUMNS} FROM accounts"  # noqa: S608 - made of constants
_KIND = f"iif(owner IS NULL, '', '{DEVICE}')"
_PASSWORD = f"password = {_KIND} || ?, scram = ?, scram_of = {_KIND} || ?"
_UPGRADE = f"UPDATE accounts SET {_PASSWORD} WHERE login = ? AND generation = ?"  # noqa: S608 - made of constants
_DEVICE = "owner = ?, networks = ?, recipients = ?, expires = ?"


class AccountStore:
    """Changes accounts. Blocks on the disk: for commands and threads. Holds nothing open between calls.

    Raises (every method):
        OperatorError: what was asked for cannot be; says why. Also when another writer does not finish, or where
            the file cannot be written: the disk may be full.
        apsw.Error: the file cannot be read.
    """

    __slots__ = ("_clock", "_hashes", "_rules", "file")

    def __init__(self, path: Path, clock: Clock, hashes: Hashes, rules: PasswordRules | None = None) -> None:
        self.file = AccountsFile(path, clock, hashes.scram_iterations)
        self._clock = clock
        self._hashes = hashes
        self._rules = rules or PasswordRules()

    def use(self, rules: PasswordRules) -> None:
        """Judge new passwords by other rules from now on: after a reload."""
        self._rules = rules

    def prepare(self) -> None:
        """Make the file and its tables where they are missing; only its owner may read it."""
        self.file.prepare()

    def add(
        self,
        login: str,
        password: str,
        addresses: Sequence[str],
        may_send_as: Sequence[str] = (),
        *,
        recipients_per_hour: int | None = None,
        recipients_per_day: int | None = None,
        device: Device | None = None,
    ) -> AccountRecord:
        """Add an account that is active at once. At least one address is the member's own."""
        key = checked_login(login)
        row = Row(
            key,
            "",
            checked_patterns(addresses, at_least=1),
            checked_patterns(may_send_as, at_least=0),
            checked_limit(recipients_per_hour),
            checked_limit(recipients_per_day),
        )
        columns = _device_columns(device, self._clock.now())
        stored = self._stored(self.file.keyring(), key, self._rules.check(key, addresses, password))
        with self._change() as change:
            if change.exists(key):
                raise OperatorError(f"there is an account {visible(key)} already: see `sams account show`")
            change.add(row, stored, columns)
            return change.record(key)

    def add_many(
        self, accounts: Sequence[ImportedAccount], *, update: bool = False, dry_run: bool = False
    ) -> tuple[Imported, ...]:
        """Take accounts of another system over, in one transaction; what became of each, in their order.

        One that is refused keeps no other from being taken. One that is there already stays as it is, or with
        `update` gets the password alone. At most `MAX_IMPORTED`, of different logins.

        dry_run: nothing is changed; passwords in clear are not hashed.
        """
        if len(accounts) > MAX_IMPORTED:
            raise OperatorError(f"At most {MAX_IMPORTED} accounts are imported at once.")
        rows = rows_of(accounts, self._row)
        known = self._stored_of([row.login for row in rows if isinstance(row, Row)])
        if dry_run:
            return tuple(_foreseen(row, known.get(_login_of(row)), update=update) for row in rows)
        keyring = self.file.keyring()
        stored = [self._to_store(keyring, row, known, update=update) for row in rows]
        with self._change() as change:
            return tuple(change.take(row, new, update=update) for row, new in zip(rows, stored, strict=True))

    def passwd(self, login: str, password: str) -> None:
        """Set a new password; the old one and what was signed in with it end at once."""
        account = self.get(login)
        prepared = self._rules.check(account.login, account.addresses, password)
        stored = self._stored(self.file.keyring(), account.login, prepared)
        self._set(account.login, _PASSWORD, *_password_columns(stored))

    def suspend(self, login: str, reason: str) -> None:
        """Let nobody sign in, and end what is signed in. The member is told the reason."""
        self._set(checked_login(login), "suspended = ?", checked_reason(reason))

    def resume(self, login: str) -> None:
        """Make a suspended account active again."""
        self._set(checked_login(login), "suspended = ?", None)

    def set_addresses(self, login: str, addresses: Sequence[str], may_send_as: Sequence[str] = ()) -> None:
        """Replace the patterns."""
        own, others = checked_patterns(addresses, at_least=1), checked_patterns(may_send_as, at_least=0)
        self._set(checked_login(login), "addresses = ?, may_send_as = ?", own, others)

    def set_limits(self, login: str, per_hour: int | None, per_day: int | None) -> None:
        """Replace the account's own limits of recipients; None: the service's."""
        limits = checked_limit(per_hour), checked_limit(per_day)
        self._set(checked_login(login), "per_hour = ?, per_day = ?", *limits)

    def set_device(self, login: str, device: Device) -> None:
        """Replace what a device has besides."""
        key, columns = checked_login(login), _device_columns(device, self._clock.now())
        with self._change() as change:
            if change.record(key).device is None:
                raise OperatorError(f"{visible(key)} is no device: see `sams account show {visible(key)}`")
            change.set(key, _DEVICE, columns)

    def remove(self, login: str) -> None:
        """Remove the account, and its app passwords. What it queued stays queued."""
        key = checked_login(login)
        with self._change() as change:
            change.require(key)
            change.note(key)
            change.execute("DELETE FROM accounts WHERE login = ?", (key,))

    def upgrade(self, login: str, generation: int, hashed: str, password: str) -> bool:
        """Replace what is kept of a password by what is kept today, unless the account has changed since.

        hashed: a hash of it. password: the same, as it was typed.
        """
        keys = make_keys(self.file.keyring(), login, map_password(password))
        columns = _password_columns(StoredPassword(hashed, keys))
        with self._change() as change:
            return change.execute(_UPGRADE, (*columns, login, generation)) == 1

    def get(self, login: str) -> AccountRecord:
        """One account."""
        key = checked_login(login)
        with self.file.reading() as connection:
            row = connection.execute(_SELECT + " WHERE login = ?", (key,)).fetchone() if connection else None
        if row is None:
            raise _no_account(key)
        return record_of(row)

    def list(
        self, after: str = "", limit: int = 1_000, *, devices_only: bool = False
    ) -> tuple[AccountRecord, ...]:
        """A page of accounts by rising login, behind `after`."""
        which = " AND owner IS NOT NULL" if devices_only else ""
        statement = f"{_SELECT} WHERE login > ?{which} ORDER BY login LIMIT ?"
        with self.file.reading() as connection:
            if connection is None:
                return ()
            return tuple(record_of(row) for row in connection.execute(statement, (after, limit)))

    def backup(self, target: Path) -> None:
        """Write a consistent copy, while others read and write. `target` must not be there yet."""
        self.file.backup(target)

    def _stored(self, keyring: Keyring, login: str, password: str) -> StoredPassword:
        """What is stored of a prepared password: made here, and in `upgrade`."""
        return StoredPassword(self._hashes.make(password), make_keys(keyring, login, password))

    def _row(self, account: ImportedAccount) -> Row:
        secret = self._hashes.imported(account.secret)
        return Row(
            checked_login(account.login),
            secret if isinstance(secret, str) else prepared_plain(secret),
            checked_patterns(account.addresses, at_least=1),
            checked_patterns(account.may_send_as, at_least=0),
            checked_limit(account.recipients_per_hour),
            checked_limit(account.recipients_per_day),
        )

    def _to_store(
        self, keyring: Keyring, row: Row | Imported, known: Mapping[str, str], *, update: bool
    ) -> StoredPassword | None:
        """What is to be stored; None where nothing is. Before the transaction, for hashing takes long."""
        if isinstance(row, Imported) or (row.login in known and not update):
            return None
        if isinstance(row.secret, str):
            return StoredPassword(row.secret)
        return self._stored(keyring, row.login, row.secret.password)

    def _stored_of(self, logins: Sequence[str]) -> dict[str, str]:
        """The hashes of those that are there."""
        with self.file.reading() as connection:
            if connection is None:
                return {}
            found = ((login, connection.execute(_STORED, (login,)).get) for login in logins)
            return {login: str(stored) for login, stored in found if stored is not None}

    def _set(self, login: str, assignments: str, *values: Value) -> None:
        with self._change() as change:
            change.require(login)
            change.set(login, assignments, values)

    @contextmanager
    def _change(self) -> Iterator[_AccountChange]:
        with self.file.change() as change:
            yield _AccountChange(change)


class _AccountChange:
    """What is done to accounts in one transaction."""

    def __init__(self, change: Change) -> None:
        self.execute, self.note, self._rows, self._now = change.execute, change.note, change.rows, change.now

    def add(self, row: Row, stored: StoredPassword, device: tuple[Value, ...]) -> None:
        """Add an account that is not there."""
        kind = "" if device[0] is None else DEVICE
        values = (
            row.login,
            kind + stored.hashed,
            stored.scram,
            None if stored.scram is None else kind + stored.hashed,
            row.addresses,
            row.may_send_as,
            row.per_hour,
            row.per_day,
            self.note(row.login),
            self._now(),
            *device,
        )
        self.execute(_ADD, values)

    def take(self, row: Row | Imported, new: StoredPassword | None, *, update: bool) -> Imported:
        """Do with an imported account what is to be done. new: None where it was there a moment ago."""
        decided = _foreseen(row, self._stored_of(_login_of(row)), update=update)
        if isinstance(row, Imported) or decided.result not in {ImportResult.ADDED, ImportResult.UPDATED}:
            return decided
        if new is None:
            return Imported(row.login, ImportResult.REFUSED, "it was removed meanwhile: import it again")
        if decided.result is ImportResult.ADDED:
            self.add(row, new, _device_columns(None, self._now()))
        else:
            self.set(row.login, _PASSWORD, _password_columns(new))
        return decided

    def set(self, login: str, assignments: str, values: tuple[Value, ...]) -> None:
        """Change an account that is there."""
        self.execute(
            f"UPDATE accounts SET {assignments}, generation = ? WHERE login = ?",  # noqa: S608 - from this file
            (*values, self.note(login), login),
        )

    def exists(self, login: str) -> bool:
        return bool(self._rows("SELECT 1 FROM accounts WHERE login = ?", (login,)))

    def require(self, login: str) -> None:
        if not self.exists(login):
            raise _no_account(login)

    def record(self, login: str) -> AccountRecord:
        self.require(login)
        return record_of(self._rows(_SELECT + " WHERE login = ?", (login,))[0])

    def _stored_of(self, login: str) -> str | None:
        rows = self._rows(_STORED, (login,))
        return str(rows[0][0]) if rows else None


def _foreseen(row: Row | Imported, stored: str | None, *, update: bool) -> Imported:
    if isinstance(row, Imported):
        return row
    if stored is not None and stored.startswith(DEVICE):
        return Imported(row.login, ImportResult.REFUSED, "a device has this login: see `sams device list`")
    return Imported(row.login, decide(row, stored, update=update))


def _login_of(row: Row | Imported) -> str:
    return row.login


def _password_columns(stored: StoredPassword) -> tuple[Value, ...]:
    return stored.hashed, stored.scram, None if stored.scram is None else stored.hashed


def _device_columns(device: Device | None, now: float) -> tuple[Value, ...]:
    """Owner, networks, recipients, expiry."""
    if device is None:
        return None, "[]", "[]", None
    return (
        checked_login(device.owner),
        checked_networks(device.networks),
        checked_patterns(device.recipients, at_least=0),
        checked_expiry(device.expires, now),
    )


def _no_account(login: str) -> OperatorError:
    return OperatorError(f"there is no account {visible(login)}: see `sams account list`")
