"""The built-in accounts: one SQLite file, changed by commands and the service, one writer at a time.

Every change gives the account a new generation, which rises over the whole file and never repeats, not even
for a login that is removed and added again, nor from a restored copy: it is the time in microseconds, or
one more than the last. Whoever holds the old generation (a session, a remembered password) is outdated by
that alone. The one change that leaves it is a hash brought up to today's cost: the password is the same.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import apsw

from sams.core.address import AddressError
from sams.core.clock import Clock
from sams.core.errors import OperatorError
from sams.core.stored_version import StoredVersion
from sams.core.text import visible
from sams.identity.change_mark import changing
from sams.identity.imports import (
    MAX_IMPORTED,
    Imported,
    ImportedAccount,
    ImportResult,
    Row,
    decide,
    prepared_plain,
    rows_of,
)
from sams.identity.logins import UnpreparableError, prepare_login
from sams.identity.new_passwords import PasswordRules
from sams.identity.passwords import Hashes
from sams.identity.patterns import pattern_key

MAX_PATTERNS = 1_000
"""Addresses of one account, of each kind."""
MAX_REASON = 200
"""Characters of a suspension's reason: it goes into a reply line."""
BUSY_SECONDS = 10.0
"""How long a writer waits for the one before it."""

_VERSION = StoredVersion(1, readable_from=1)
_SCHEMA = """
CREATE TABLE accounts (
    login TEXT PRIMARY KEY, password TEXT NOT NULL, addresses TEXT NOT NULL, may_send_as TEXT NOT NULL,
    suspended TEXT, per_hour INTEGER, per_day INTEGER, generation INTEGER NOT NULL, created REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE changes (login TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX changes_by_generation ON changes (generation);
"""
_ADD = """
INSERT INTO accounts
    (login, password, addresses, may_send_as, suspended, per_hour, per_day, generation, created)
VALUES (?, ?, ?, ?, NULL, ?, ?, ?, ?)
"""
_STORED = "SELECT password FROM accounts WHERE login = ?"
_UPDATE = "UPDATE accounts SET password = ?, generation = ? WHERE login = ?"
COLUMNS = "login, addresses, may_send_as, suspended, per_hour, per_day, generation, created"
_SELECT = f"SELECT {COLUMNS} FROM accounts"  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as it is stored, without its password.

    addresses, may_send_as: patterns as the administrator wrote them.
    created: UNIX seconds.
    """

    login: str
    addresses: tuple[str, ...]
    may_send_as: tuple[str, ...]
    suspended: str | None
    recipients_per_hour: int | None
    recipients_per_day: int | None
    generation: int
    created: float


class Accounts:
    """Changes accounts. Blocks on the disk: for commands and threads. Holds nothing open between calls.

    Raises (every method):
        OperatorError: what was asked for cannot be; says why. Also when another writer does not finish, or where
            the file cannot be written: the disk may be full.
        apsw.Error: the file cannot be read.
    """

    __slots__ = ("_clock", "_hashes", "_path", "_rules")

    def __init__(self, path: Path, clock: Clock, hashes: Hashes, rules: PasswordRules | None = None) -> None:
        self._path = path
        self._clock = clock
        self._hashes = hashes
        self._rules = rules or PasswordRules()

    def use(self, rules: PasswordRules) -> None:
        """Judge new passwords by other rules from now on: after a reload."""
        self._rules = rules

    def prepare(self) -> None:
        """Make the file and its tables where they are missing; only its owner may read it."""
        with self._change():
            pass

    def add(
        self,
        login: str,
        password: str,
        addresses: Sequence[str],
        may_send_as: Sequence[str] = (),
        *,
        recipients_per_hour: int | None = None,
        recipients_per_day: int | None = None,
    ) -> AccountRecord:
        """Add an account that is active at once. At least one address is the member's own."""
        key = _login(login)
        limits = _limit(recipients_per_hour), _limit(recipients_per_day)
        own, others = _patterns(addresses, at_least=1), _patterns(may_send_as, at_least=0)
        hashed = self._stored(self._rules.check(key, addresses, password))
        with self._change() as change:
            if change.exists(key):
                raise OperatorError(f"there is an account {visible(key)} already: see `sams account show`")
            change.add(Row(key, hashed, own, others, *limits), hashed)
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
            return tuple(_foreseen(row, known, update=update) for row in rows)
        hashed = [self._hashed(row, known, update=update) for row in rows]
        with self._change() as change:
            return tuple(
                change.take(row, stored, update=update) for row, stored in zip(rows, hashed, strict=True)
            )

    def passwd(self, login: str, password: str) -> None:
        """Set a new password; the old one and what was signed in with it end at once."""
        account = self.get(login)
        hashed = self._stored(self._rules.check(account.login, account.addresses, password))
        self._set(account.login, "password = ?", hashed)

    def suspend(self, login: str, reason: str) -> None:
        """Let nobody sign in, and end what is signed in. The member is told the reason."""
        text = " ".join(reason.split())
        if len(text) > MAX_REASON:
            raise OperatorError(f"The reason has at most {MAX_REASON} characters: it is told in one line.")
        self._set(_login(login), "suspended = ?", text)

    def resume(self, login: str) -> None:
        """Make a suspended account active again."""
        self._set(_login(login), "suspended = ?", None)

    def set_addresses(self, login: str, addresses: Sequence[str], may_send_as: Sequence[str] = ()) -> None:
        """Replace the patterns."""
        own, others = _patterns(addresses, at_least=1), _patterns(may_send_as, at_least=0)
        self._set(_login(login), "addresses = ?, may_send_as = ?", own, others)

    def set_limits(self, login: str, per_hour: int | None, per_day: int | None) -> None:
        """Replace the account's own limits of recipients; None: the service's."""
        self._set(_login(login), "per_hour = ?, per_day = ?", _limit(per_hour), _limit(per_day))

    def remove(self, login: str) -> None:
        """Remove the account. What it queued stays queued."""
        key = _login(login)
        with self._change() as change:
            change.require(key)
            change.note(key)
            change.execute("DELETE FROM accounts WHERE login = ?", (key,))

    def upgrade(self, login: str, generation: int, hashed: str) -> bool:
        """Replace a hash by one of the same password, unless the account has changed since."""
        with self._change() as change:
            change.execute(
                "UPDATE accounts SET password = ? WHERE login = ? AND generation = ?",
                (hashed, login, generation),
            )
            return change.count() == 1

    def get(self, login: str) -> AccountRecord:
        """One account."""
        key = _login(login)
        with self._reading() as connection:
            row = connection.execute(_SELECT + " WHERE login = ?", (key,)).fetchone() if connection else None
        if row is None:
            raise _no_account(key)
        return record_of(row)

    def list(self, after: str = "", limit: int = 1_000) -> tuple[AccountRecord, ...]:
        """A page of accounts by rising login, behind `after`."""
        with self._reading() as connection:
            if connection is None:
                return ()
            rows = connection.execute(_SELECT + " WHERE login > ? ORDER BY login LIMIT ?", (after, limit))
            return tuple(record_of(row) for row in rows)

    def backup(self, target: Path) -> None:
        """Write a consistent copy, while others read and write. `target` must not be there yet."""
        with self._reading() as connection:
            if connection is None:
                raise OperatorError("There are no accounts to back up.")
            if target.exists():
                raise OperatorError(f"{target} is there already.")
            _create(target)
            connection.execute("VACUUM INTO ?", (str(target),))
        _sync(target)
        _sync(target.parent)

    def _stored(self, password: str) -> str:
        """What is stored of a prepared password: made here, and in the upgrade of `Hashes.compare`."""
        return self._hashes.make(password)

    def _row(self, account: ImportedAccount) -> Row:
        secret = self._hashes.imported(account.secret)
        return Row(
            _login(account.login),
            secret if isinstance(secret, str) else prepared_plain(secret),
            _patterns(account.addresses, at_least=1),
            _patterns(account.may_send_as, at_least=0),
            _limit(account.recipients_per_hour),
            _limit(account.recipients_per_day),
        )

    def _hashed(self, row: Row | Imported, known: Mapping[str, str], *, update: bool) -> str:
        """What is to be stored; empty where nothing is. Before the transaction, for hashing takes long."""
        if isinstance(row, Imported) or (row.login in known and not update):
            return ""
        return row.secret if isinstance(row.secret, str) else self._stored(row.secret.password)

    def _stored_of(self, logins: Sequence[str]) -> dict[str, str]:
        """The hashes of those that are there."""
        with self._reading() as connection:
            if connection is None:
                return {}
            found = ((login, connection.execute(_STORED, (login,)).get) for login in logins)
            return {login: str(stored) for login, stored in found if stored is not None}

    def _set(self, login: str, assignments: str, *values: str | int | None) -> None:
        with self._change() as change:
            change.require(login)
            change.execute(
                f"UPDATE accounts SET {assignments}, generation = ? WHERE login = ?",  # noqa: S608 - from this file
                (*values, change.note(login), login),
            )

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection | None]:
        """A connection for reading; None while no account was ever added."""
        if not self._path.exists():
            yield None
            return
        with closing(connect(self._path)) as connection:
            _version(connection)
            yield connection

    @contextmanager
    def _change(self) -> Iterator[_Change]:
        """One transaction, alone in all processes; nothing of it stays when it raises."""
        try:
            with (
                _only_writer(self._path),
                closing(connect(self._path, create=True)) as connection,
                connection,  # commits, or rolls back
            ):
                _migrate(connection)
                yield _Change(connection, self._clock.now)
        except (apsw.Error, OSError) as error:
            raise _unwritable(self._path, error) from error


class _Change:
    """The statements of one transaction."""

    def __init__(self, connection: apsw.Connection, now: Callable[[], float]) -> None:
        self._connection = connection
        self._now = now

    def execute(self, statement: str, values: tuple[str | int | float | None, ...]) -> None:
        self._connection.execute(statement, values)

    def add(self, row: Row, hashed: str) -> None:
        """Add an account that is not there."""
        limits = row.per_hour, row.per_day
        values = (
            row.login,
            hashed,
            row.addresses,
            row.may_send_as,
            *limits,
            self.note(row.login),
            self._now(),
        )
        self.execute(_ADD, values)

    def take(self, row: Row | Imported, hashed: str, *, update: bool) -> Imported:
        """Do with an imported account what is to be done. hashed: empty where it was there a moment ago."""
        if isinstance(row, Imported):
            return row
        stored = self._connection.execute(_STORED, (row.login,)).get
        result = decide(row, stored, update=update)
        if result is ImportResult.ADDED and not hashed:
            return Imported(row.login, ImportResult.REFUSED, "it was removed meanwhile: import it again")
        if result is ImportResult.ADDED:
            self.add(row, hashed)
        elif result is ImportResult.UPDATED:
            self.execute(_UPDATE, (hashed, self.note(row.login), row.login))
        return Imported(row.login, result)

    def count(self) -> int:
        return self._connection.changes()

    def exists(self, login: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM accounts WHERE login = ?", (login,)).get
        return found is not None

    def require(self, login: str) -> None:
        if not self.exists(login):
            raise _no_account(login)

    def note(self, login: str) -> int:
        """The login's next generation, noted where watchers look."""
        generation = max(last_generation(self._connection) + 1, int(self._now() * 1_000_000))
        self.execute("INSERT OR REPLACE INTO changes (login, generation) VALUES (?, ?)", (login, generation))
        return generation

    def record(self, login: str) -> AccountRecord:
        return record_of(self._connection.execute(_SELECT + " WHERE login = ?", (login,)).fetchone())


def _foreseen(row: Row | Imported, known: Mapping[str, str], *, update: bool) -> Imported:
    if isinstance(row, Imported):
        return row
    return Imported(row.login, decide(row, known.get(row.login), update=update))


def last_generation(connection: apsw.Connection) -> int:
    """The generation of the last change; 0 before the first."""
    ((generation,),) = connection.execute("SELECT coalesce(max(generation), 0) FROM changes")
    return cast("int", generation)


def record_of(row: Any) -> AccountRecord:
    """The record of a row that has `COLUMNS`."""
    login, addresses, may_send_as, *rest = row
    return AccountRecord(login, tuple(json.loads(addresses)), tuple(json.loads(may_send_as)), *rest)


def _no_account(login: str) -> OperatorError:
    return OperatorError(f"there is no account {visible(login)}: see `sams account list`")


def _unwritable(path: Path, error: Exception) -> OperatorError:
    """SQLite itself rolls back where the disk is full; that there was nothing left to roll back is not the reason."""
    reason = error.__context__ if isinstance(error.__context__, apsw.Error) else error
    return OperatorError(
        f"{path} cannot be written, and nothing was changed: {reason}. Is its disk full (`sams doctor`)?"
    )


def _login(text: str) -> str:
    try:
        return prepare_login(text)
    except UnpreparableError as error:
        raise OperatorError(f"This is no login: {error}.") from None


def _limit(number: int | None) -> int | None:
    if number is not None and not 0 <= number <= 0x7FFF_FFFF:
        raise OperatorError("A limit of recipients is 0 or more.")
    return number


def _patterns(texts: Sequence[str], *, at_least: int) -> str:
    if not at_least <= len(texts) <= MAX_PATTERNS:
        raise OperatorError(f"An account has {at_least} to {MAX_PATTERNS} addresses.")
    for text in texts:
        try:
            pattern_key(text)
        except AddressError as error:
            raise OperatorError(
                f"{visible(text, 300)} is neither an address nor *@domain: {error}."
            ) from None
    return json.dumps(tuple(dict.fromkeys(texts)), ensure_ascii=False)


def lock_path(path: Path) -> Path:
    """The file that writers lock, and which holds the mark of their changes (`change_mark`)."""
    return path.with_name(f"{path.name}.lock")


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    file = os.open(lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(file)
        with changing(file):
            yield
    finally:
        os.close(file)


def _lock(file: int) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OperatorError("Another change of accounts does not finish; try again.") from None
            time.sleep(0.01)


def connect(path: Path, *, create: bool = False) -> apsw.Connection:
    """Open the file, for one thread and one process."""
    if create:
        _create(path)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(int(BUSY_SECONDS * 1_000))
    if create:
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.transaction_mode = "IMMEDIATE"
    return connection


def _create(path: Path) -> None:
    """Make the file where it is missing, so that its rights are ours and not the umask's."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _migrate(connection: apsw.Connection) -> None:
    """Make the tables where there are none. Those that a later version added to are worked with as they are."""
    if _version(connection).number == 0:
        connection.execute(_SCHEMA)
        connection.pragma("user_version", _VERSION.user_version)


def _version(connection: apsw.Connection) -> StoredVersion:
    """What the file says.

    Raises:
        OperatorError: this version would misread it.
    """
    found = StoredVersion.of(connection.pragma("user_version"))
    if found.readable_from > _VERSION.number:
        raise OperatorError(
            f"accounts.db was written by a newer SAMS (it has version {found.number}, this SAMS knows up to "
            f"{_VERSION.number}): run that version again."
        )
    return found
