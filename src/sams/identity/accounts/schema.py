"""The tables of accounts.db, and how a file of an earlier version comes by what it lacks.

A program of the version before works with them: it knows neither the new columns nor the new tables. Three things
keep that from opening what is closed. SCRAM keys count only beside the very hash that they were made with
(`scram_of`): a password that it sets ends them. The hash of a device has a word before it (`DEVICE`) that it cannot
read: where it would not see the networks, it lets nobody in, by 454. And app passwords of an account that it removes
go by a trigger, which SQLite keeps to whatever program writes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

import apsw

from sams.core.errors import OperatorError
from sams.core.stored_version import StoredVersion

DEVICE: Final = "device "
"""Stands before the password hash of a device."""

_KEY_OCTETS = 32
_VERSION = StoredVersion(2, readable_from=1)
_FIRST = """
CREATE TABLE accounts (
    login TEXT PRIMARY KEY, password TEXT NOT NULL, addresses TEXT NOT NULL, may_send_as TEXT NOT NULL,
    suspended TEXT, per_hour INTEGER, per_day INTEGER, generation INTEGER NOT NULL, created REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE changes (login TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX changes_by_generation ON changes (generation);
"""
_SECOND = """
CREATE TABLE keyring (
    one INTEGER PRIMARY KEY CHECK (one = 1), app_passwords BLOB NOT NULL, salts BLOB NOT NULL,
    iterations INTEGER NOT NULL
) STRICT;
ALTER TABLE accounts ADD COLUMN scram BLOB;
ALTER TABLE accounts ADD COLUMN scram_of TEXT;
ALTER TABLE accounts ADD COLUMN owner TEXT;
ALTER TABLE accounts ADD COLUMN networks TEXT NOT NULL DEFAULT '[]';
ALTER TABLE accounts ADD COLUMN recipients TEXT NOT NULL DEFAULT '[]';
ALTER TABLE accounts ADD COLUMN expires REAL;
CREATE INDEX accounts_without_keys ON accounts (login) WHERE scram_of IS NOT password;
CREATE INDEX devices ON accounts (owner, login) WHERE owner IS NOT NULL;
CREATE TABLE app_passwords (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, login TEXT NOT NULL, name TEXT NOT NULL, name_key TEXT NOT NULL,
    tag BLOB NOT NULL UNIQUE, scram BLOB NOT NULL, networks TEXT NOT NULL, senders TEXT NOT NULL,
    created REAL NOT NULL, expires REAL, generation INTEGER NOT NULL, is_builtin INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX app_passwords_of_login ON app_passwords (source, login, name_key);
CREATE INDEX app_passwords_by_login ON app_passwords (login, id);
CREATE TRIGGER app_passwords_go_with_their_account AFTER DELETE ON accounts BEGIN
    DELETE FROM app_passwords WHERE login = OLD.login AND is_builtin = 1;
END;
"""
_KEYRING = "INSERT INTO keyring (one, app_passwords, salts, iterations) VALUES (1, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Keyring:
    """What was drawn for this file when it was made, and stays.

    app_passwords: keys the hashes of app passwords. salts: makes a login's salt for SCRAM.
    iterations: of SCRAM keys; the same for all, so that a login's keys have one count and no login stands out.
    """

    app_passwords: bytes = field(repr=False)
    salts: bytes = field(repr=False)
    iterations: int


def migrate(connection: apsw.Connection, iterations: int) -> None:
    """Make the tables where there are none, and add what they lack. Those of a later version stay as they are.

    iterations: of SCRAM keys, for a file that has no keyring yet.

    Raises:
        OperatorError: this version would misread them.
    """
    found = version(connection).number
    if found < 1:
        connection.execute(_FIRST)
    if found < _VERSION.number:
        connection.execute(_SECOND)
        connection.execute(_KEYRING, (os.urandom(_KEY_OCTETS), os.urandom(_KEY_OCTETS), iterations))
        connection.pragma("user_version", _VERSION.user_version)


def is_outdated(connection: apsw.Connection) -> bool:
    """Whether the tables lack something.

    Raises:
        OperatorError: this version would misread them.
    """
    return version(connection).number < _VERSION.number


def keyring(connection: apsw.Connection) -> Keyring:
    """The keyring of a file that was migrated."""
    ((app_passwords, salts, iterations),) = connection.execute(
        "SELECT app_passwords, salts, iterations FROM keyring"
    )
    return Keyring(app_passwords, salts, iterations)


def version(connection: apsw.Connection) -> StoredVersion:
    """What the file says; number 0: it is empty.

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
