"""accounts.db as a file: who may write it, what a change is, and a copy of it.

Every change of an account gives it a new generation, which rises over the whole file and never repeats, not even
for a login that is removed and added again, nor from a restored copy: it is the time in microseconds, or
one more than the last.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import apsw

from sams.core.clock import Clock
from sams.core.errors import OperatorError
from sams.core.syncing import sync_file, sync_folder
from sams.identity.accounts import schema
from sams.identity.accounts.change_mark import changing
from sams.identity.accounts.schema import Keyring
from sams.identity.sqlite_files import create_file

BUSY_SECONDS = 10.0
"""How long a writer waits for the one before it."""

Value = str | int | float | bytes | None


class AccountsFile:
    """Opens accounts.db for one thing at a time, and closes it again. Blocks on the disk.

    iterations: of SCRAM keys, for a file that is made now.

    Raises (every method):
        OperatorError: another writer does not finish, the file cannot be written (the disk may be full), or this
            version would misread it.
        apsw.Error: the file cannot be read.
    """

    __slots__ = ("_clock", "_iterations", "path")

    def __init__(self, path: Path, clock: Clock, iterations: int) -> None:
        self.path = path
        self._clock = clock
        self._iterations = iterations

    def prepare(self) -> None:
        """Make the file and its tables where they are missing; only its owner may read it."""
        with self.change():
            pass

    def keyring(self) -> Keyring:
        """The file's own keys; they are made with it."""
        with self.reading(create=True) as connection:
            assert connection is not None, "it was made"
            return schema.keyring(connection)

    @contextmanager
    def reading(self, *, create: bool = False) -> Iterator[apsw.Connection | None]:
        """A connection for reading; None where there is no file yet, unless it is to be made."""
        if not create and not self.path.exists():
            yield None
            return
        if not self.path.exists() or self._is_outdated():
            self.prepare()
        with closing(connect(self.path)) as connection:
            schema.version(connection)
            yield connection

    @contextmanager
    def change(self) -> Iterator[Change]:
        """One transaction, alone in all processes; nothing of it stays when it raises."""
        try:
            with (
                _only_writer(self.path),
                closing(connect(self.path, create=True)) as connection,
                connection,  # commits, or rolls back
            ):
                schema.migrate(connection, self._iterations)
                yield Change(connection, self._clock.now)
        except (apsw.Error, OSError) as error:
            raise _unwritable(self.path, error) from error

    def backup(self, target: Path) -> None:
        """Write a consistent copy, while others read and write. `target` must not be there yet."""
        with self.reading() as connection:
            if connection is None:
                raise OperatorError("There are no accounts to back up.")
            if target.exists():
                raise OperatorError(f"{target} is there already.")
            create_file(target)
            connection.execute("VACUUM INTO ?", (str(target),))
        sync_file(target)
        sync_folder(target.parent)

    def _is_outdated(self) -> bool:
        with closing(connect(self.path)) as connection:
            return schema.is_outdated(connection)


class Change:
    """The statements of one transaction."""

    def __init__(self, connection: apsw.Connection, now: Callable[[], float]) -> None:
        self._connection = connection
        self.now = now

    def execute(self, statement: str, values: tuple[Value, ...] = ()) -> int:
        """Do it; how many rows it changed."""
        self._connection.execute(statement, values)
        return self._connection.changes()

    def rows(self, statement: str, values: tuple[Value, ...] = ()) -> list[Any]:
        """What it finds."""
        return self._connection.execute(statement, values).fetchall()

    def note(self, login: str) -> int:
        """The login's next generation, noted where watchers look."""
        generation = max(last_generation(self._connection) + 1, int(self.now() * 1_000_000))
        self.execute("INSERT OR REPLACE INTO changes (login, generation) VALUES (?, ?)", (login, generation))
        return generation


def last_generation(connection: apsw.Connection) -> int:
    """The generation of the last change; 0 before the first."""
    ((generation,),) = connection.execute("SELECT coalesce(max(generation), 0) FROM changes")
    return cast("int", generation)


def lock_path(path: Path) -> Path:
    """The file that writers lock, and which holds the mark of their changes (`change_mark`)."""
    return path.with_name(f"{path.name}.lock")


def connect(path: Path, *, create: bool = False) -> apsw.Connection:
    """Open the file, for one thread and one process."""
    if create:
        create_file(path)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(int(BUSY_SECONDS * 1_000))
    if create:
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.transaction_mode = "IMMEDIATE"
    return connection


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


def _unwritable(path: Path, error: Exception) -> OperatorError:
    """SQLite itself rolls back where the disk is full; that there was nothing left to roll back is not the reason."""
    reason = error.__context__ if isinstance(error.__context__, apsw.Error) else error
    if isinstance(reason, (apsw.NotADBError, apsw.CorruptError)):
        return OperatorError(
            f"{path} is damaged: {reason}. Stop the service, move the file and those that begin with its name aside, "
            "and put the accounts.db of a backup in its place"
        )
    return OperatorError(
        f"{path} cannot be written, and nothing was changed: {reason}. Is its disk full (`sams doctor`)?"
    )
