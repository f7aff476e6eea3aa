"""Runs a program on real files and notes each step that changes them, so that the power can be cut at each.

It stands where a program meets the system: in the place of the functions of `os` that change files, and as layers
below SQLite in the place of those that SAMS names. So what is tried is what runs, and the program knows nothing of
it. All steps of all threads come into one order, with what the program acknowledges in between.

Nothing is synced really: the folder is thrown away. At the end the notes are played back and compared with the
folder, so that a way of writing that they would miss does not stay unseen.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import apsw

from sams.spool import connections
from tests.support.disk_image import (
    Created,
    Disk,
    Everything,
    FolderSynced,
    Image,
    Linked,
    Moved,
    Removed,
    Resized,
    Step,
    Synced,
    Written,
    image_of,
    parent_of,
)

_EXCLUSIVE = "unix-excl"
_PLAIN = "unix"
_HAS_LOG_IN_FOLDER = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_FUNCTIONS = (
    *("open", "close", "write", "pwrite", "ftruncate", "posix_fallocate", "fsync", "fdatasync"),
    *("mkdir", "rmdir", "unlink", "remove", "replace", "rename", "link"),
)
_numbers = itertools.count()


class RecordedDisk:
    """A folder whose changes are noted while `running`.

    steps: what happened; said: what was acknowledged, each with the number of steps before it.
    begin: the first step before which the power is to be cut.
    fails: whether the sync of a file with this name fails now.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.before: Image = image_of(root)
        self.steps: list[Step] = []
        self.begin = 0
        self.said: list[tuple[int, Hashable]] = []
        self.fails: Callable[[str], bool] = lambda _: False
        self.disk = Disk(self.before)
        self.lock = threading.RLock()
        self._open: dict[int, int | str] = {}

    def begin_here(self) -> None:
        """What happened before is of no interest."""
        with self.lock:
            self.begin = len(self.steps)

    def say(self, what: Hashable) -> None:
        """Something is acknowledged: it must outlive a power cut from now on."""
        with self.lock:
            self.said.append((len(self.steps), what))

    def said_before(self, step: int) -> list[Hashable]:
        """What was acknowledged when the step with this number had not happened."""
        return [what for number, what in self.said if number <= step]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Note all that happens; compare it with the folder at the end."""
        number = next(_numbers)
        exclusive, plain = f"recorded-{number}", f"recorded-plain-{number}"
        with ExitStack() as stack:
            stack.enter_context(_registered(_Layer(exclusive, _EXCLUSIVE, self)))
            stack.enter_context(_registered(_Layer(plain, _PLAIN, self, is_default=True)))
            stack.enter_context(patch.object(connections, "ONE_PROCESS", exclusive))
            for name, function in _Functions(self).replacements().items():
                stack.enter_context(patch.object(os, name, function))
            yield
        self._compare()

    def note(self, step: Step) -> None:
        """A step has happened. With the lock held since before it did."""
        self.steps.append(step)
        self.disk.take(step)

    def name(self, path: object, folder: int | None = None) -> str | None:
        """A path's name below the root; None elsewhere."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return None
        text = os.fsdecode(path)
        if folder is not None and not text.startswith("/"):
            parent = self._open.get(folder)
            return f"{parent}/{text}".lstrip("/") if isinstance(parent, str) else None
        full = os.path.abspath(text)  # noqa: PTH100 - links are left as they are
        root = f"{self.root}/"
        return "" if full == str(self.root) else full.removeprefix(root) if full.startswith(root) else None

    def made(self, name: str, *, is_folder: bool = False) -> None:
        """A file or folder that was not there."""
        self.note(Created(self.disk.next_inode, name, is_folder))

    # Descriptors: of files their inode, of folders their name.

    def opened(self, descriptor: int, name: str | None) -> None:
        self._open.pop(descriptor, None)
        if name is not None:
            is_folder = not name or self.disk.now[name] == 0
            self._open[descriptor] = name if is_folder else self.disk.now[name]

    def closed(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)

    def behind(self, descriptor: object) -> int | str | None:
        return self._open.get(descriptor) if isinstance(descriptor, int) else None

    def look_again(self, inode: int, descriptor: int) -> None:
        """Note what was written by other ways than the functions of `os` (a file object)."""
        found = Path(f"/proc/self/fd/{descriptor}").read_bytes()
        if found != self.disk.content(inode):
            self.note(Resized(inode, 0))
            self.note(Written(inode, 0, found))

    def _compare(self) -> None:
        noted = self.disk.survivors(Everything())
        found = {name: content for name, content in image_of(self.root).items() if not name.endswith("-shm")}
        different = {
            name for name in noted.keys() | found.keys() if noted.get(name, b"?") != found.get(name, b"?")
        }
        assert not different, f"changed by a way that is not noted: {sorted(different)}"


class _Functions:
    """What takes the place of functions of `os`."""

    def __init__(self, disk: RecordedDisk) -> None:
        self._disk = disk
        self._real = {name: getattr(os, name) for name in _FUNCTIONS}

    def replacements(self) -> dict[str, Callable[..., Any]]:
        return {name: self._locked(getattr(self, f"_{name}")) for name in _FUNCTIONS}

    def _locked(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._disk.lock:
                return function(*args, **kwargs)

        return run

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        name = self._disk.name(path, dir_fd)
        is_new = name is not None and name not in self._disk.disk.now and name != ""
        descriptor: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        if is_new and name is not None:
            self._disk.made(name)
        self._disk.opened(descriptor, name)
        inode = self._disk.behind(descriptor)
        if flags & os.O_TRUNC and isinstance(inode, int) and not is_new:
            self._disk.note(Resized(inode, 0))
        return descriptor

    def _close(self, descriptor: int) -> None:
        self._disk.closed(descriptor)
        self._real["close"](descriptor)

    def _write(self, descriptor: int, octets: Any) -> int:
        inode = self._disk.behind(descriptor)
        if not isinstance(inode, int):
            return int(self._real["write"](descriptor, octets))
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        return self._wrote(inode, at, octets, self._real["write"](descriptor, octets))

    def _pwrite(self, descriptor: int, octets: Any, offset: int) -> int:
        return self._wrote(
            self._disk.behind(descriptor), offset, octets, self._real["pwrite"](descriptor, octets, offset)
        )

    def _wrote(self, inode: int | str | None, offset: int, octets: Any, count: int) -> int:
        if isinstance(inode, int) and count:
            self._disk.note(Written(inode, offset, bytes(octets[:count])))
        return count

    def _ftruncate(self, descriptor: int, size: int) -> None:
        self._real["ftruncate"](descriptor, size)
        if isinstance(inode := self._disk.behind(descriptor), int):
            self._disk.note(Resized(inode, size))

    def _posix_fallocate(self, descriptor: int, offset: int, length: int) -> None:
        self._real["posix_fallocate"](descriptor, offset, length)
        inode = self._disk.behind(descriptor)
        if isinstance(inode, int) and offset + length > len(self._disk.disk.content(inode)):
            self._disk.note(Resized(inode, offset + length))

    def _fsync(self, descriptor: Any) -> None:
        behind = self._disk.behind(descriptor)
        if isinstance(behind, str):
            self._disk.note(FolderSynced(behind))
        elif isinstance(behind, int):
            self._disk.look_again(behind, descriptor)
            self._disk.note(Synced(behind))
        else:
            self._real["fsync"](descriptor)

    def _fdatasync(self, descriptor: Any) -> None:
        self._fsync(descriptor)

    def _mkdir(self, path: Any, *args: Any, **kwargs: Any) -> None:
        self._real["mkdir"](path, *args, **kwargs)
        if name := self._disk.name(path):
            self._disk.made(name, is_folder=True)

    def _rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        name = self._disk.name(path, dir_fd)
        self._real["rmdir"](path, dir_fd=dir_fd)
        if name:
            self._disk.note(Removed(name))

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        name = self._disk.name(path, dir_fd)
        self._real["unlink"](path, dir_fd=dir_fd)
        if name and not name.endswith("-shm"):
            self._disk.note(Removed(name))

    def _remove(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._unlink(path, dir_fd=dir_fd)

    def _replace(self, source: Any, target: Any) -> None:
        self._real["replace"](source, target)
        moved = self._disk.name(source), self._disk.name(target)
        if moved[0] is not None and moved[1] is not None:
            assert self._disk.disk.now[moved[0]], "folders do not move here"
            self._disk.note(Moved(moved[0], moved[1]))
        else:
            assert moved == (None, None), "what moves in or out is not noted"

    def _rename(self, source: Any, target: Any) -> None:
        self._replace(source, target)

    def _link(self, source: Any, target: Any, **other: Any) -> None:
        self._real["link"](source, target, **other)
        names = self._disk.name(source), self._disk.name(target)
        if names[0] is not None and names[1] is not None:
            self._disk.note(Linked(self._disk.disk.now[names[0]], names[1]))
        else:
            assert names == (None, None), "what is linked from outside is not noted"


class _Layer(apsw.VFS):
    def __init__(self, name: str, base: str, disk: RecordedDisk, *, is_default: bool = False) -> None:
        self._base = base
        self._disk = disk
        super().__init__(name, base=base, makedefault=is_default)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        known = self._disk.name(path)
        with self._disk.lock:
            if known is None:
                return apsw.VFSFile(self._base, name, flags)
            file = _File(self._base, name, flags, self._disk, known)
            if known not in self._disk.disk.now:
                self._disk.made(known)
            file.inode = self._disk.disk.now[known]
            return file

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        with self._disk.lock:
            super().xDelete(name, syncdir)
            if (known := self._disk.name(name)) and not known.endswith("-shm"):
                self._disk.note(Removed(known))
                if syncdir:
                    self._disk.note(FolderSynced(parent_of(known)))


class _File(apsw.VFSFile):
    def __init__(self, base: str, name: Any, flags: list[int], disk: RecordedDisk, known: str) -> None:
        self._disk = disk
        self._name = known
        # With the first sync of a log that it may have made, SQLite syncs the folder as well.
        self._syncs_folder = bool(flags[0] & _HAS_LOG_IN_FOLDER and flags[0] & apsw.SQLITE_OPEN_CREATE)
        self.inode = 0
        super().__init__(base, name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        with self._disk.lock:
            super().xWrite(data, offset)
            self._disk.note(Written(self.inode, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        with self._disk.lock:
            super().xTruncate(newsize)
            self._disk.note(Resized(self.inode, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name and argument
        with self._disk.lock:
            has_failed = self._disk.fails(self._name)
            self._disk.note(Synced(self.inode, has_failed))
            if has_failed:
                error = apsw.IOError("injected")
                error.extendedresult = apsw.SQLITE_IOERR_FSYNC  # type: ignore[attr-defined]  # apsw looks for it
                raise error
            if self._syncs_folder:
                self._syncs_folder = False
                self._disk.note(FolderSynced(parent_of(self._name)))


@contextmanager
def without_syncs() -> Iterator[None]:
    """Run without waiting for the disk: for what is thrown away."""
    number = next(_numbers)
    exclusive, plain = f"hasty-{number}", f"hasty-plain-{number}"
    with (
        _registered(_HastyLayer(exclusive, _EXCLUSIVE)),
        _registered(_HastyLayer(plain, _PLAIN, is_default=True)),
        patch.object(connections, "ONE_PROCESS", exclusive),
        patch.object(os, "fsync", lambda _: None),
    ):
        yield


class _HastyLayer(apsw.VFS):
    def __init__(self, name: str, base: str, *, is_default: bool = False) -> None:
        self._base = base
        super().__init__(name, base=base, makedefault=is_default)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _HastyFile(self._base, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name and argument
        super().xDelete(name, False)


class _HastyFile(apsw.VFSFile):
    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        pass


@contextmanager
def _registered(layer: apsw.VFS) -> Iterator[None]:
    try:
        yield
    finally:
        layer.unregister()
