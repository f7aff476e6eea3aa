"""The files of a shard, opened together."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from sams.core.errors import OperatorError
from sams.spool import connections
from sams.spool.layout import Layout
from sams.spool.lock import ShardLock, acquire


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


def open_files(layout: Layout, lock: ShardLock | None = None, vfs: str | None = None) -> Opened:
    """Make or check the files of a shard, lock it, and open its connections. Blocks.

    Args:
        layout: where it is.
        lock: where it is locked already (`lock.lock_orphans`).
        vfs: SQLite's layer below, other than the system's.

    Raises:
        OperatorError: it is in use, has failed, others could write there, or its tables are of another version.
    """
    if layout.failed.exists():
        raise OperatorError(
            f"{layout.folder} failed before and is only read: {layout.failed.read_text().strip()}"
        )
    layout.make()
    lock = lock or acquire(layout)
    try:
        writer = connections.open_writer(layout.database, layout.shard, vfs)
        reader = connections.open_reader(layout.database, vfs)
        checkpointer = connections.open_checkpointer(layout.database, vfs)
    except BaseException:
        lock.release()
        raise
    return Opened(layout, lock, writer, reader, checkpointer, vfs)
