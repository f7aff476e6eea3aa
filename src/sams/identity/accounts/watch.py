"""How a worker reads accounts.db: at most once what does not change, and never what has changed.

Every look-up compares the mark that writers leave (`change_mark`), which costs no system call; where it moved,
`PRAGMA data_version` tells whether another connection has committed, and if so everything read before is dropped.
So a change is seen by the next sign-in and the next MAIL in every process, and nothing is sent between
processes. A change past `AccountStore`, by some other program, is seen when `changed` is next asked, within a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import apsw

from sams.core.errors import TemporaryFailure
from sams.identity.accounts.change_mark import CHANGING, ChangeMark
from sams.identity.accounts.file import connect, last_generation, lock_path
from sams.identity.accounts.schema import Keyring, keyring
from sams.identity.replies import UNAVAILABLE

_CHANGED = "SELECT login, generation FROM changes WHERE generation > ?"


class AccountsWatch:
    """A connection that only reads, and knows when what was read is outdated. For one thread.

    path: of the file, which `AccountsFile.prepare` has made.
    drop: forgets all that was read; called where something was changed.
    """

    def __init__(self, path: Path, drop: Callable[[], None]) -> None:
        self._connection = connect(path)
        self._connection.pragma("query_only", 1)
        self._drop = drop
        self._mark = ChangeMark(lock_path(path))
        self._numbers = self._mark.numbers
        self._seen = CHANGING
        self._read_version = self._watched_version = self._version()
        self._last_change = last_generation(self._connection)
        self.keyring: Keyring = keyring(self._connection)

    @property
    def is_current(self) -> bool:
        """Whether nothing was changed since `refresh`, told without asking the database."""
        return self._numbers[0] == self._seen

    def refresh(self) -> None:
        """Drop what is outdated.

        Raises:
            TemporaryFailure: the file cannot be read.
        """
        with _reading():
            self._refresh()

    def rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """What a statement finds.

        Raises:
            TemporaryFailure: the file cannot be read.
        """
        with _reading():
            return self._connection.execute(statement, values).fetchall()

    def changed(self) -> frozenset[str]:
        """Logins changed since the last call; one pragma where there are none.

        Raises:
            TemporaryFailure: the file cannot be read.
        """
        with _reading():
            version = self._refresh()
            return self._changes(version) if version != self._watched_version else frozenset()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _refresh(self) -> int:
        seen, version = self._mark.read(), self._version()
        if version != self._read_version:
            self._drop()
            self._read_version = version
        self._seen = seen
        return version

    def _changes(self, version: int) -> frozenset[str]:
        rows = self._connection.execute(_CHANGED, (self._last_change,)).fetchall()
        self._watched_version = version
        self._last_change = max((self._last_change, *(cast("int", generation) for _, generation in rows)))
        return frozenset(str(login) for login, _ in rows)

    def _version(self) -> int:
        return cast("int", self._connection.execute("PRAGMA data_version").get)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        detail = f"accounts.db cannot be read: {type(error).__name__}: {error}"
        raise TemporaryFailure(UNAVAILABLE, detail) from error
