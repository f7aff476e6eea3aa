"""The files of a shard, opened together."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from sams.core.errors import OperatorError
from sams.core.syncing import sync_folder
from sams.spool import connections
from sams.spool.failures import ILLEGIBLE, ShardDamaged, is_no_room
from sams.spool.layout import Layout
from sams.spool.lock import ShardLock, acquire
from sams.spool.schema import SCHEMA, Schema


@dataclass(frozen=True, slots=True)
class Opened:
    """A shard that is locked and whose connections are open; made in any thread."""

    layout: Layout
    lock: ShardLock
    writer: apsw.Connection
    reader: apsw.Connection
    checkpointer: apsw.Connection
    vfs: str | None = None

    def never_write_again(self) -> None:
        """Let no close copy the log into the database."""
        for connection in (self.writer, self.reader, self.checkpointer):
            connections.never_write_again(connection)

    def close(self) -> None:
        """Close the connections, then let go of the lock."""
        for connection in (self.reader, self.checkpointer, self.writer):
            connection.close()
        self.lock.release()


def open_files(
    layout: Layout, lock: ShardLock | None = None, vfs: str | None = None, tables: Schema = SCHEMA
) -> Opened:
    """Make or check the files of a shard, lock it, and open its connections. Blocks.

    Args:
        layout: where it is.
        lock: where it is locked already (`lock.lock_orphans`).
        vfs: SQLite's layer below, other than the system's.
        tables: those that the shard is to have.

    Raises:
        ShardDamaged: its files are no queue (any more), or cannot be read.
        OperatorError: it is in use, has failed, others could write there, or its tables are of another version.
        OSError, apsw.Error: something else went wrong.
    """
    if layout.failed.exists():
        raise OperatorError(
            f"{layout.folder} failed before and is only read: {layout.failed.read_text().strip()}"
        )
    _check_kinds(layout)
    layout.make()
    lock = lock or acquire(layout)
    opened: list[apsw.Connection] = []
    try:
        _check_lost(layout)
        opened.append(connections.open_writer(layout.database, layout.shard, vfs, tables))
        opened.append(connections.open_reader(layout.database, vfs))
        opened.append(connections.open_checkpointer(layout.database, vfs))
        sync_folder(
            layout.folder
        )  # the log was made just now; SQLite does not mind whether its entry is on disk
    except BaseException as error:
        for connection in opened:
            connections.never_write_again(connection)
            connection.close()
        lock.release()
        if isinstance(error, (*ILLEGIBLE, apsw.SQLError, LookupError)) and not is_no_room(error):
            raise ShardDamaged(f"{layout.database} cannot be used: {error}") from error
        raise
    writer, reader, checkpointer = opened
    return Opened(layout, lock, writer, reader, checkpointer, vfs)


def _check_kinds(layout: Layout) -> None:
    """What is there must be what it should be: no folder in the place of a file, and no pipe."""
    for path in (layout.folder, layout.bodies):
        if path.exists() and not path.is_dir():
            raise ShardDamaged(f"{path} is no folder")
    for path in (layout.database, layout.lock):
        if path.exists() and not path.is_file():
            raise ShardDamaged(f"{path} is no file")


def _check_lost(layout: Layout) -> None:
    """An empty database is a new one, but not where mail has been.

    Raises:
        ShardDamaged: there was a queue. Without this look, its bodies would be removed as nobody's.
    """
    if layout.database.stat().st_size or layout.log_octets():
        return
    if layout.ballast.exists() or any(layout.bodies.iterdir()):
        raise ShardDamaged(f"{layout.database} is empty, though the shard was in use")
