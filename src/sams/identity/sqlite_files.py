"""SQLite files of our own: made with our rights, and made anew where they may be lost."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import apsw

_BUSY_MS = 2_000


def create_file(path: Path) -> None:
    """Make the file where it is missing, so that its rights are ours and not the umask's.

    One that is there is not opened: to close it would end all locks that SQLite has on it in this process (fcntl(2)).
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def open_expendable(path: Path, schema: str) -> apsw.Connection:
    """Open a file that may be lost: written without a sync, made where it is missing or damaged."""
    try:
        return _connect(path, schema)
    except (apsw.NotADBError, apsw.CorruptError):
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _connect(path, schema)


def _connect(path: Path, schema: str) -> apsw.Connection:
    create_file(path)
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "off")
    connection.execute(schema)
    return connection
