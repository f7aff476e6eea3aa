"""A layer below SQLite that fails where a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Self

import apsw

BASE = "unix-excl"
"""What a shard is opened with."""
SYNC_FAILED = apsw.SQLITE_IOERR_FSYNC


class Faults:
    """What is to fail, by file name ending (`-wal`, `.db`) and call."""

    def __init__(self) -> None:
        self.sync: Callable[[str], Exception | None] = lambda _: None
        self.write: Callable[[str], Exception | None] = lambda _: None
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.writes: list[str] = []

    def fail_sync(self, ending: str) -> None:
        """Let each sync of a file fail from now on."""
        self.sync = lambda name: _error(apsw.IOError, SYNC_FAILED) if name.endswith(ending) else None

    def fail_writes(self, ending: str) -> None:
        """Let the disk be full for a file from now on."""
        self.write = lambda name: _error(apsw.FullError, apsw.SQLITE_FULL) if name.endswith(ending) else None

    def heal(self) -> None:
        """Nothing fails any more."""
        self.sync = self.write = lambda _: None


class FaultyVFS(apsw.VFS):
    """The system's layer, with faults. Use it as a context: SQLite knows it by name in between."""

    def __init__(self, name: str, faults: Faults) -> None:
        self.name = name
        self.faults = faults
        super().__init__(name, base=BASE)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _FaultyFile(name, flags, self.faults)

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
        if error := self._faults.sync(self._name):
            raise error
        super().xSync(flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        if error := self._faults.write(self._name):
            raise error
        self._faults.writes.append(self._name)
        super().xWrite(data, offset)


def _error(kind: type[apsw.Error], code: int) -> apsw.Error:
    error = kind("injected")
    error.extendedresult = code  # type: ignore[attr-defined]  # apsw looks for it
    return error
