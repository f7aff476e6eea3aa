"""A consistent copy of a shard while it runs, and its way back.

The database is copied by SQLite's backup, in steps, under one snapshot: what is committed meanwhile is not
in the copy and does not begin it anew. (The log is not restarted until it is done, and grows.) Body files
never change once they are named, so a hard link is a copy where the file system allows one. A message that was
delivered in the meantime may have lost its file: it goes from the copy.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import apsw

from sams.core.errors import OperatorError
from sams.spool import schema
from sams.spool.keys import id_of
from sams.spool.layout import FILE_MODE, Layout, make_folder, sync_folder
from sams.spool.lock import acquire
from sams.spool.records import Row
from sams.spool.takeover import FailedShard

_PAGES = 512
_COPY = 1024 * 1024


def copy_shard(
    layout: Layout, reader: apsw.Connection, sources: dict[int, FailedShard], target: Path
) -> None:
    """Write a shard's copy into the new folder `target`. Blocks: for a thread.

    Raises:
        OperatorError: the folder is there already, or its parent is not.
        OSError, apsw.Error: it cannot be written.
    """
    if target.exists():
        raise OperatorError(f"{target} is there already: a backup needs a new folder")
    make_folder(target)
    make_folder(target / "bodies")
    copy = _copy_database(reader, target / "queue.db")
    try:
        _copy_bodies(layout, copy, target / "bodies")
        _bring_home(copy, sources, layout.shard, target / "bodies")
        copy.pragma("journal_mode", "DELETE")
    finally:
        copy.close()
    sync_folder(target)


def restore(backup: Path, data_dir: Path) -> int:
    """Put a backup in its place, for a service that is stopped; the result is the number of the shard.

    Raises:
        OperatorError: the backup is none, or there is a shard with that number already.
    """
    shard = _shard_of(backup)
    layout = Layout(data_dir, shard)
    if layout.database.exists():
        raise OperatorError(f"{layout.folder} is there already: move it away before its backup is restored")
    layout.make()
    lock = acquire(layout)
    try:
        if layout.database.stat().st_size:  # a service began and ended just now
            raise OperatorError(f"{layout.folder} is in use already: stop the service, and move it away")
        for entry in os.scandir(backup / "bodies"):
            _link(Path(entry.path), layout.bodies / entry.name)
            _sync(layout.bodies / entry.name)
        sync_folder(layout.bodies)
        copy = layout.database.with_name(f"{layout.database.name}.new")
        _copy_file(backup / "queue.db", copy)
        copy.replace(layout.database)  # whole or not there: SQLite may be long in seeing that it has a part
        sync_folder(layout.folder)
    finally:
        lock.release()
    return shard


def _copy_database(reader: apsw.Connection, path: Path) -> apsw.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))
    copy = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    with reader:
        reader.execute("SELECT count(*) FROM shard_info").fetchall()  # takes the snapshot
        with copy.backup("main", reader, "main") as steps:
            while not steps.done:
                steps.step(_PAGES)
    return copy


def _copy_bodies(layout: Layout, copy: apsw.Connection, target: Path) -> None:
    rows = copy.execute("SELECT message FROM content WHERE body IS NULL").fetchall()
    gone: list[Row] = []
    for (row,) in rows:
        name = id_of(int(row), layout.shard)  # type: ignore[arg-type]
        try:
            _link(layout.bodies / name, target / name)
        except FileNotFoundError:
            gone.append((row,))
    _forget(copy, gone)
    sync_folder(target)


def _bring_home(copy: apsw.Connection, sources: dict[int, FailedShard], shard: int, target: Path) -> None:
    """Copy the contents that still lie in failed shards: a backup stands alone."""
    for number, source in sources.items():
        rows = copy.execute(
            "SELECT id FROM message WHERE shard = ? AND shard <> ?", (number, shard)
        ).fetchall()
        for (row,) in rows:
            source.copy_content(int(row), copy, target)  # type: ignore[arg-type]


def _forget(copy: apsw.Connection, gone: Sequence[Row]) -> None:
    with copy:
        for table, key in (("message", "id"), ("content", "message"), ("recipient", "message")):
            copy.executemany(f"DELETE FROM {table} WHERE {key} = ?", gone)  # noqa: S608 - names of this file


def _shard_of(backup: Path) -> int:
    path = backup / "queue.db"
    if not path.is_file():
        raise OperatorError(f"{backup} is no backup of a shard: it has no queue.db")
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return schema.check(connection, str(path))
    except (apsw.NotADBError, apsw.CorruptError, UnicodeDecodeError) as error:
        raise OperatorError(f"{path} is damaged: {error}") from error
    finally:
        connection.close()


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        _copy_file(source, target)


def _sync(path: Path) -> None:
    """A backup may come from where nobody has synced it yet."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_file(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing, _COPY)
        writing.flush()
        os.fsync(writing.fileno())
