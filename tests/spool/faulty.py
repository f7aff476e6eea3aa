"""A layer below SQLite that fails where a test says."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import apsw

BASE = "unix-excl"
"""What a shard is opened with."""
SYNC_FAILED = apsw.SQLITE_IOERR_FSYNC


@dataclass(frozen=True)
class Kind:
    """An error of the system as SQLite gives it on."""

    error: type[apsw.Error]
    result: int
    number: int


SYNC_EIO = Kind(apsw.IOError, apsw.SQLITE_IOERR_FSYNC, errno.EIO)
SYNC_ENOSPC = Kind(apsw.IOError, apsw.SQLITE_IOERR_FSYNC, errno.ENOSPC)
WRITE_EIO = Kind(apsw.IOError, apsw.SQLITE_IOERR_WRITE, errno.EIO)
WRITE_ENOSPC = Kind(apsw.FullError, apsw.SQLITE_FULL, errno.ENOSPC)
WRITE_EDQUOT = Kind(apsw.IOError, apsw.SQLITE_IOERR_WRITE, errno.EDQUOT)
READ_EIO = Kind(apsw.IOError, apsw.SQLITE_IOERR_READ, errno.EIO)
SIZE_EIO = Kind(apsw.IOError, apsw.SQLITE_IOERR_FSTAT, errno.EIO)
TRUNCATE_EIO = Kind(apsw.IOError, apsw.SQLITE_IOERR_TRUNCATE, errno.EIO)


@dataclass
class Fault:
    """The calls of a kind that fail, counted from 0 from when it was set: from `first` on, so many of them."""

    call: str
    ending: str
    kind: Kind
    first: int = 0
    many: int = 1
    seen: int = 0

    def meets(self, call: str, name: str) -> bool:
        """Whether this call fails."""
        if call != self.call or not name.endswith(self.ending):
            return False
        place, self.seen = self.seen, self.seen + 1
        return self.first <= place < self.first + self.many

    @property
    def has_struck(self) -> bool:
        return self.seen > self.first


class Faults:
    """What is to fail, by file name ending (`-wal`, `.db`) and call."""

    def __init__(self) -> None:
        self.sync: Callable[[str], Exception | None] = lambda _: None
        self.write: Callable[[str], Exception | None] = lambda _: None
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.writes: list[str] = []
        self.fault: Fault | None = None
        self.number = 0

    def call(self, call: str, name: str) -> None:
        """Raise what is to fail."""
        fault = self.fault
        if fault is not None and fault.meets(call, name):
            self.number = fault.kind.number
            raise _error(fault.kind.error, fault.kind.result)

    def fail_sync(self, ending: str) -> None:
        """Let each sync of a file fail from now on."""
        self.sync = lambda name: _error(apsw.IOError, SYNC_FAILED) if name.endswith(ending) else None

    def fail_writes(self, ending: str) -> None:
        """Let the disk be full for a file from now on."""
        self.write = lambda name: _error(apsw.FullError, apsw.SQLITE_FULL) if name.endswith(ending) else None

    def heal(self) -> None:
        """Nothing fails any more."""
        self.sync = self.write = lambda _: None
        self.fault = None


class FaultyVFS(apsw.VFS):
    """The system's layer, with faults. Use it as a context: SQLite knows it by name in between."""

    def __init__(self, name: str, faults: Faults) -> None:
        self.name = name
        self.faults = faults
        super().__init__(name, base=BASE)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _FaultyFile(name, flags, self.faults)

    def xGetLastError(self) -> tuple[int, str]:  # noqa: N802 - SQLite's name
        return self.faults.number, "injected"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()


class _FaultyFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], faults: Faults) -> None:
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._faults = faults
        super().__init__(BASE, name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._faults.entered.set()
        self._faults.gate.wait()
        self._faults.call("sync", self._name)
        if error := self._faults.sync(self._name):
            raise error
        super().xSync(flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._faults.call("write", self._name)
        if error := self._faults.write(self._name):
            raise error
        self._faults.writes.append(self._name)
        super().xWrite(data, offset)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's name
        self._faults.call("read", self._name)
        return super().xRead(amount, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802 - SQLite's name
        self._faults.call("truncate", self._name)
        super().xTruncate(size)

    def xFileSize(self) -> int:  # noqa: N802 - SQLite's name
        self._faults.call("size", self._name)
        return super().xFileSize()


def _error(kind: type[apsw.Error], code: int) -> apsw.Error:
    error = kind("injected")
    error.extendedresult = code  # type: ignore[attr-defined]  # apsw looks for it
    return error
