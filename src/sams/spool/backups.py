"""A consistent copy of a shard while it runs, and its way back.

The database is copied by SQLite's backup, in steps, under one snapshot: what is committed meanwhile is not
in the copy and does not begin it anew. (The log is not restarted until it is done, and grows.) Body files
never change once they are named, so a hard link is a copy where the file system allows one. A message that was
delivered in the meantime may have lost its file: it goes from the copy.

A backup stands alone: what lies in failed shards is brought home, and the copy knows nothing of them. What could not
be read there is named in a file of its own (`LACKS`), so that nobody takes the backup for all there was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import apsw

from sams.core.errors import OperatorError
from sams.core.syncing import sync_file, sync_folder
from sams.spool import schema
from sams.spool.failed_shard import FailedShard
from sams.spool.failures import UNREADABLE
from sams.spool.keys import id_of
from sams.spool.layout import FILE_MODE, Layout, make_folder
from sams.spool.lock import acquire
from sams.spool.records import CONTENT_COLUMNS, Row, copy_into

LACKS = "lacks"
"""The file that says what a backup lacks, a line for each; there is none where it lacks nothing."""
_CONTENTS_ELSEWHERE = {
    "content": (
        "SELECT id, shard FROM message WHERE shard <> ? AND NOT EXISTS "
        "(SELECT 1 FROM content WHERE content.message = message.id)"
    ),
    "damaged_content": (
        "SELECT message, shard FROM damaged WHERE shard <> ? AND message NOT IN "
        "(SELECT message FROM damaged_content)"
    ),
}
"""What of other shards has its content there, by the table where that belongs."""
_WAITING_FILES = "SELECT id, shard FROM content JOIN message ON id = message WHERE body IS NULL"
_ASIDE_FILES = "SELECT message, shard FROM damaged_content JOIN damaged USING (message) WHERE body IS NULL"
_PAGES = 512
_COPY = 1024 * 1024


def copy_shard(
    layout: Layout,
    reader: apsw.Connection,
    sources: dict[int, FailedShard],
    target: Path,
    unread: Iterable[int] = (),
) -> None:
    """Write a shard's copy into the new folder `target`. Blocks: for a thread.

    Args:
        layout: the shard's.
        reader: of its database.
        sources: the failed shards that it reads.
        target: where to.
        unread: failed shards of which it could take nothing over yet.

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
        lacks = _unfinished(copy, unread)
        _bring_home(copy, sources, layout.shard)
        lacks += _lost(copy, layout.shard, _copy_bodies(layout, copy, target / "bodies"))
        copy.execute("DELETE FROM failed_shard")
        copy.pragma("journal_mode", "DELETE")
    finally:
        copy.close()
    if lacks:
        _write(target / LACKS, "".join(f"{line}\n" for line in lacks))
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
            _put(Path(entry.path), layout.bodies / entry.name)
        sync_folder(layout.bodies)
        copy = layout.database.with_name(f"{layout.database.name}.new")
        copy.unlink(missing_ok=True)
        _copy_file(backup / "queue.db", copy)
        copy.replace(layout.database)  # whole or not there: SQLite may be long in seeing that it has a part
        sync_folder(layout.folder)
    finally:
        lock.release()
    return shard


def _copy_database(reader: apsw.Connection, path: Path) -> apsw.Connection:
    os.close(_new_file(path))
    copy = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    with reader:
        reader.execute("SELECT count(*) FROM shard_info").fetchall()  # takes the snapshot
        with copy.backup("main", reader, "main") as steps:
            while not steps.done:
                steps.step(_PAGES)
    return copy


def _bring_home(copy: apsw.Connection, sources: dict[int, FailedShard], shard: int) -> None:
    """Copy the contents that still lie in failed shards, of what waits and of what was set aside."""
    for table, missing in _CONTENTS_ELSEWHERE.items():
        for row, made_by in _pairs(copy, missing, shard):
            if (source := sources.get(made_by)) is not None:
                with contextlib.suppress(*UNREADABLE):
                    copy.executemany(copy_into(table, CONTENT_COLUMNS), source.stored_content(row))


def _copy_bodies(layout: Layout, copy: apsw.Connection, target: Path) -> dict[int, int]:
    """Copy the files; how many could not be, by the failed shards where they lie."""
    lost: Counter[int] = Counter()
    gone: list[Row] = []
    for row, shard in _pairs(copy, _WAITING_FILES):
        if not _has_copied(layout, row, shard, target):
            if shard == layout.shard:
                gone.append((row,))
            else:
                lost[shard] += 1
    for row, shard in _pairs(copy, _ASIDE_FILES):
        if not _has_copied(layout, row, shard, target) and shard != layout.shard:
            lost[shard] += 1
    _forget(copy, gone)
    sync_folder(target)
    return lost


def _has_copied(layout: Layout, row: int, shard: int, target: Path) -> bool:
    """Copy a body's file, from here or from the shard that made it; whether there is one that can be read."""
    name = id_of(row, shard)
    for source in dict.fromkeys((layout, Layout(layout.data_dir, shard))):
        try:
            _link(source.bodies / name, target / name)
        except FileNotFoundError:
            continue
        except OSError:
            if source == layout:
                raise
            (target / name).unlink(missing_ok=True)
        else:
            return True
    return False


def _unfinished(copy: apsw.Connection, unread: Iterable[int]) -> list[str]:
    begun = copy.execute("SELECT shard FROM failed_shard WHERE complete = 0").fetchall()
    shards = sorted({*(int(shard) for (shard,) in begun), *unread})  # type: ignore[arg-type]
    return [f"what waits in shard {shard}, which failed, could not all be read yet" for shard in shards]


def _lost(copy: apsw.Connection, shard: int, files: dict[int, int]) -> list[str]:
    lost = Counter(files)
    for missing in _CONTENTS_ELSEWHERE.values():
        lost.update(made_by for _, made_by in _pairs(copy, missing, shard))
    return [
        f"messages in shard {made_by}, which failed, whose contents could not be read: {count}"
        for made_by, count in sorted(lost.items())
    ]


def _pairs(copy: apsw.Connection, statement: str, *values: int) -> list[tuple[int, int]]:
    return [(int(row), int(shard)) for row, shard in copy.execute(statement, values).fetchall()]  # type: ignore[arg-type]


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


def _put(source: Path, target: Path) -> None:
    """Bring a body back, on disk; a restore that was ended may have left a part of it under its name."""
    target.unlink(missing_ok=True)
    _link(source, target)
    sync_file(target)  # a backup may come from where nobody has synced it yet


def _link(source: Path, target: Path) -> None:
    """Give a body a second name, or copy it. What has the name already is that body: it is never written."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(source, target)
        except (FileNotFoundError, FileExistsError):
            raise
        except OSError:  # another file system, or one without links
            _copy_file(source, target)


def _new_file(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)


def _write(path: Path, text: str) -> None:
    with os.fdopen(_new_file(path), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _copy_file(source: Path, target: Path) -> None:
    """Copy to a name that nothing has: a link of that name would be the very file that is copied."""
    with source.open("rb") as reading, os.fdopen(_new_file(target), "wb") as writing:
        shutil.copyfileobj(reading, writing, _COPY)
        writing.flush()
        os.fsync(writing.fileno())
