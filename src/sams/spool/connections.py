"""How the database of a shard is opened.

- `journal_mode=WAL` with `synchronous=FULL`: the log is synced in each commit.
- `wal_autocheckpoint=0`: a commit never copies the log into the database; that is done beside it.
- `cache_spill=0`: what is staged on the loop stays in memory until COMMIT writes it, in its own thread.
- `auto_vacuum=INCREMENTAL`: unused pages can be given back in small steps (measured: no cost to a message).
- `unix-excl`, SQLite's own layer for files that one process alone opens (the shard's lock holds that): locks and the
  index of the log are in memory, for all connections of the process. It saves a commit six system calls.
- `busy_timeout=0` for who works on the loop: nothing ever waits for a lock there.
- The log is kept at its size: overwriting blocks needs no room and no new metadata at a sync.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from sams.core.errors import OperatorError
from sams.spool import schema
from sams.spool.failures import ShardDamaged
from sams.spool.schema import Schema

ONE_PROCESS = "unix-excl"
_OLDEST_SQLITE = (3, 51, 3)
_CACHE_KIB = 16_384
_STATEMENTS = 512
"""apsw's cache forgets round robin, at each use: it has to hold as many as a batch has rows that go one by one."""
_LOG_KEPT = 64 * 1024 * 1024


def open_writer(
    path: Path, shard: int, vfs: str | None = None, tables: Schema = schema.SCHEMA
) -> apsw.Connection:
    """The one connection that writes; makes the tables of a new file, and brings older ones up to date.

    Raises:
        OperatorError: the file cannot be used, with the reason.
    """
    _check_library()
    connection = apsw.Connection(
        str(path),
        flags=apsw.SQLITE_OPEN_READWRITE,
        vfs=vfs or ONE_PROCESS,
        statementcachesize=_STATEMENTS,
    )
    try:
        connection.pragma("page_size", schema.PAGE_SIZE)
        connection.pragma("auto_vacuum", "INCREMENTAL")
        _set(connection, cache_kib=_CACHE_KIB)
        connection.pragma("cache_spill", False)
        connection.pragma("journal_size_limit", _LOG_KEPT)
        schema.prepare(connection, shard, str(path), tables)
    except BaseException as error:
        never_write_again(connection)
        connection.close()
        if isinstance(error, (apsw.NotADBError, apsw.CorruptError)):
            raise ShardDamaged(f"{path} is no queue of SAMS, or damaged: {error}") from error
        raise
    return connection


def open_reader(path: Path, vfs: str | None = None, *, busy_timeout: float = 0) -> apsw.Connection:
    """A connection that only reads what was committed.

    Args:
        path: the database.
        vfs: SQLite's layer below, other than the system's.
        busy_timeout: seconds.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs or ONE_PROCESS)
    _set(connection, cache_kib=_CACHE_KIB // 4)
    connection.pragma("query_only", True)
    connection.set_busy_timeout(int(busy_timeout * 1000))
    return connection


def open_failed(path: Path, vfs: str | None = None) -> apsw.Connection:
    """A connection to a failed shard: nothing it does can change the file."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs)
    connection.set_busy_timeout(500)
    never_write_again(connection)
    return connection


def open_checkpointer(path: Path, vfs: str | None = None) -> apsw.Connection:
    """A connection that copies the log into the database and gives pages back."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs or ONE_PROCESS)
    _set(connection, cache_kib=1024)
    connection.pragma("journal_size_limit", _LOG_KEPT)
    connection.set_busy_timeout(500)
    return connection


def never_write_again(connection: apsw.Connection) -> None:
    """Let a close of this connection not copy the log into the database."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)


def _set(connection: apsw.Connection, cache_kib: int) -> None:
    connection.set_busy_timeout(0)
    if connection.pragma("journal_mode", "WAL") != "wal":
        raise OperatorError(f"{connection.filename}: this file system cannot hold a write-ahead log")
    connection.pragma("synchronous", "FULL")
    connection.wal_autocheckpoint(0)
    connection.pragma("cache_size", -cache_kib)
    connection.pragma("temp_store", "MEMORY")


def _check_library() -> None:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < _OLDEST_SQLITE:
        raise OperatorError(
            f"SQLite {apsw.sqlite_lib_version()} may damage a write-ahead log: install apsw 3.51.3 or newer"
        )
