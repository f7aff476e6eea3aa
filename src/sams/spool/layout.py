"""Where a shard is on disk, and who may look at it.

DATA_DIR/spool/shard-0000/queue.db   messages, recipients, small bodies
                          lock       held by the process that owns the shard; names it
                          bodies/    bodies above the limit, one file a message, named by its id
                          ballast    room that is given up when the disk is full
                          failed     there when the shard failed, and is only read
                          replaces   there when the shard takes the place of failed ones; names them
                          taken-over there when its queue goes on in another shard

A disk that fails may not take the mark beside the failed shard. So its successor names it in a mark of its own,
which is on disk before the successor takes anything: one of the two is enough, for ever.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from sams.core.errors import OperatorError
from sams.core.ids import MAX_SHARD
from sams.core.syncing import sync_folder

_SHARD = re.compile(r"shard-(\d{4})\Z")
_FOLDER_MODE = 0o700
FILE_MODE = 0o600
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one shard."""

    data_dir: Path
    shard: int

    @property
    def folder(self) -> Path:
        """The shard's folder."""
        return spool_folder(self.data_dir) / f"shard-{self.shard:04}"

    @property
    def database(self) -> Path:
        """The SQLite file. Never open it but through SQLite: closing it would drop SQLite's locks."""
        return self.folder / "queue.db"

    def log_octets(self) -> int:
        """How long SQLite's write-ahead log is."""
        try:
            return self.folder.joinpath(f"{self.database.name}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def bodies(self) -> Path:
        """The folder of body files."""
        return self.folder / "bodies"

    def body_file(self, message_id: str, made_by: int) -> Path:
        """Where the body of a message is whose rows are here, if it is a file.

        Where another shard made the id: here, if a backup brought it here; else in that shard's folder.
        """
        home = self.bodies / message_id
        if made_by == self.shard or home.exists():
            return home
        return Layout(self.data_dir, made_by).bodies / message_id

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.folder / "lock"

    @property
    def failed(self) -> Path:
        """Is there when the shard has failed; says why."""
        return self.folder / "failed"

    @property
    def replaces(self) -> Path:
        """Is there when this shard takes the place of failed ones; their numbers, one a line."""
        return self.folder / "replaces"

    @property
    def taken_over(self) -> Path:
        """Is there when a failed shard has a successor; says which."""
        return self.folder / "taken-over"

    @property
    def ballast(self) -> Path:
        """The preallocated file."""
        return self.folder / "ballast"

    def make(self) -> None:
        """Make what is missing, synced, for our user alone, and check what is there.

        Raises:
            OperatorError: others could write there, or it belongs to someone else.
        """
        for folder in (spool_folder(self.data_dir), self.folder, self.bodies):
            make_folder(folder)
        if not self.database.exists():
            os.close(os.open(self.database, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))
            sync_folder(self.folder)
        for path in (self.data_dir, spool_folder(self.data_dir), self.folder, self.bodies, self.database):
            check_private(path)


def spool_folder(data_dir: Path) -> Path:
    """The folder that holds the shards."""
    return data_dir / "spool"


def discover(data_dir: Path) -> tuple[int, ...]:
    """The numbers of the shards that are on disk and can be opened, rising; not those that have failed."""
    gone = replaced(data_dir)
    return tuple(
        shard
        for shard in _numbers(data_dir)
        if shard not in gone and not Layout(data_dir, shard).failed.exists()
    )


def replaced(data_dir: Path) -> frozenset[int]:
    """The numbers of the shards that have failed by the word of their successors."""
    return frozenset(each for shard in _numbers(data_dir) for each in replaced_by(Layout(data_dir, shard)))


def replaced_by(layout: Layout) -> frozenset[int]:
    """The numbers of the failed shards that this one takes the place of."""
    try:
        lines = layout.replaces.read_text(errors="replace").split()
    except OSError:
        return frozenset()
    return frozenset(int(line) for line in lines if line.isascii() and line.isdigit())


def _numbers(data_dir: Path) -> tuple[int, ...]:
    folder = spool_folder(data_dir)
    if not folder.is_dir():
        return ()
    found = (_SHARD.match(entry.name) for entry in folder.iterdir() if entry.is_dir())
    return tuple(sorted(number for match in found if match and (number := int(match[1])) <= MAX_SHARD))


def make_new_shard(data_dir: Path) -> Layout:
    """Make the folder of a shard that nobody has yet: making a folder is atomic, so two never get one.

    Raises:
        OperatorError: all numbers are taken.
    """
    make_folder(spool_folder(data_dir))
    last = max(_numbers(data_dir), default=-1)
    for shard in (*range(last + 1, MAX_SHARD + 1), *range(last)):  # those that were removed come last
        layout = Layout(data_dir, shard)
        try:
            layout.folder.mkdir(_FOLDER_MODE)
        except FileExistsError:
            continue
        sync_folder(spool_folder(data_dir))
        return layout
    raise OperatorError(f"{spool_folder(data_dir)} has no number left for another shard")


def discard_new_shard(layout: Layout) -> None:
    """Remove what was made of a shard that could not be opened, and that nobody ever used."""
    shutil.rmtree(layout.folder, ignore_errors=True)


def strays(data_dir: Path) -> tuple[int, ...]:
    """The numbers of shards that failed, but whose queue no other shard has begun to take over."""
    gone = replaced(data_dir)
    layouts = (Layout(data_dir, shard) for shard in _numbers(data_dir) if shard not in gone)
    return tuple(one.shard for one in layouts if one.failed.exists() and not one.taken_over.exists())


def note_replaced(layout: Layout, failed: int) -> None:
    """Put on disk that a shard takes the place of a failed one, which is never written again.

    Raises:
        OSError: it could not be; nothing may be taken over.
    """
    numbers = sorted({*replaced_by(layout), failed})
    _write_mark(layout.replaces, "".join(f"{number}\n" for number in numbers))


def mark_taken_over(layout: Layout, by: int) -> None:
    """Note beside a failed shard that its queue goes on in another; that one knows it in any case."""
    with contextlib.suppress(OSError):
        _write_mark(layout.taken_over, f"shard {by}\n")


def mark_failed(layout: Layout, detail: str) -> None:
    """Note beside a failed shard that it is only read from now on. On a disk that fails, that may fail too."""
    text = f"{detail}\n"
    try:
        _write_mark(layout.failed, text)
    except OSError:
        with contextlib.suppress(OSError):  # what cannot be synced may be seen all the same
            layout.failed.write_text(text)


def _write_mark(path: Path, text: str) -> None:
    """Replace a mark, whole and on disk."""
    waiting = path.with_name(path.name + ".new")
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        rest = memoryview(text.encode())
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    waiting.replace(path)
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder for our user alone, unless it is there, and sync the entry that names it in any case.

    Who made it may have been killed before the sync.
    """
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(_FOLDER_MODE)
    except FileNotFoundError:
        raise OperatorError(f"{folder.parent} does not exist: make it, or correct data_dir") from None
    sync_folder(folder.parent)


def make_with_parents(folder: Path) -> None:
    """Make a folder for our user alone, and those above it that are missing; sync the entries that name them."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def check_private(path: Path) -> None:
    """Refuse mail that others could change.

    Raises:
        OperatorError: the group or everybody may write, or it is another user's.
    """
    status = path.stat()
    if status.st_mode & _OTHERS_WRITE:
        raise OperatorError(f"{path} can be written by other users: run `chmod go-w {path}`")
    if status.st_uid not in {0, os.geteuid()}:
        raise OperatorError(
            f"{path} belongs to user {status.st_uid}, not to us ({os.geteuid()}): run `chown`"
        )
