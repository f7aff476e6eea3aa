"""SQLite files of our own: made with our rights, and made anew where they may be lost."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import apsw

DAMAGED = (apsw.NotADBError, apsw.CorruptError)
"""What SQLite raises where a file is not as it was written; of some damage only when that part is read."""
_BUSY_MS = 2_000
_PATIENCE = 10.0
"""Seconds until who is to open a file gives up on others that open it, too."""


def create_file(path: Path) -> None:
    """Make the file where it is missing, so that its rights are ours and not the umask's.

    One that is there is not opened: to close it would end all locks that SQLite has on it in this process (fcntl(2)).
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def open_expendable(path: Path, schema: str) -> apsw.Connection:
    """Open a file that may be lost: written without a sync, made where it is missing or cannot be used."""
    inode = inode_of(path)
    if inode and not os.access(path, os.R_OK | os.W_OK):  # of root, who brought it here
        remove_damaged(path, inode)
    try:
        return _connect(path, schema)
    except (*DAMAGED, apsw.SQLError):  # or with other tables than ours
        remove_damaged(path, inode)
        return _connect(path, schema)


def inode_of(path: Path) -> int:
    """Which file is there; 0: none. Nothing is opened, and no link is followed."""
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return 0


def remove_damaged(path: Path, inode: int) -> None:
    """Let go of what cannot be used, unless another process has begun it anew since. What stays says itself why."""
    if inode_of(path) == inode:
        with suppress(OSError):
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: Path, schema: str) -> apsw.Connection:
    """In turn with others that start: SQLite does not wait by itself where two make a file a WAL one at once."""
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            return _connect_now(path, schema)
        except apsw.BusyError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.01)


def _connect_now(path: Path, schema: str) -> apsw.Connection:
    create_file(path)
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(_BUSY_MS)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "off")
        connection.execute(schema)
    except apsw.Error:
        connection.close()
        raise
    return connection
