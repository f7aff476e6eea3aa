"""How storage fails, and what a peer is told of it."""

from __future__ import annotations

import errno
import os

import apsw

from sams.core.errors import OperatorError, TemporaryFailure
from sams.core.reply import reply

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_SYNCS = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC})
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EEXIST})


UNREADABLE = (apsw.CorruptError, apsw.IOError, apsw.NotADBError)
"""What SQLite raises where a database, or the disk below it, cannot be read."""
ILLEGIBLE = (*UNREADABLE, UnicodeDecodeError)
"""The same, and what is raised where a text is none any more: that is a matter of its row alone."""


class ShardInUse(OperatorError):
    """Another process holds the lock of the shard."""


class ShardDamaged(OperatorError):
    """The files of a shard cannot be read, or are none: it is to be set aside, and mail goes on in another."""


class DiskFull(TemporaryFailure):
    """452 4.3.1: there is no room now; nothing was stored, and what waits still leaves."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            reply(452, "4.3.1", "Not enough disk space here for now, please try again later"), detail
        )


class StorageFailed(TemporaryFailure):
    """451 4.3.0: it could not be stored."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            reply(451, "4.3.0", "The message could not be stored, please try again later"), detail
        )


class SyncFailed(OSError):
    """A sync failed of what others share: what it was to put on disk may be lost, whatever the number says."""


def is_no_room(error: BaseException, system_errno: int = 0) -> bool:
    """Whether an error of SQLite or of the system only says that the disk (or the quota) is full.

    Not where it came of a sync, as it does where room is found for what was written only then: what could not be
    written is lost all the same, and nothing of it may be trusted.
    """
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM and not isinstance(error, SyncFailed)
    if isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) in _SYNCS:
        return False
    return isinstance(error, apsw.FullError) or _number_of(error, system_errno) in _NO_ROOM


def is_passing(error: BaseException) -> bool:
    """Whether an error tells of a want that passes (descriptors, memory, a lock), not of a failing disk."""
    if isinstance(error, OSError):
        return error.errno in _PASSING and not isinstance(error, SyncFailed)
    return isinstance(error, (apsw.BusyError, apsw.LockedError, apsw.NoMemError, MemoryError))


def _number_of(error: BaseException, system_errno: int) -> int:
    """The number that the system gave with this error; SQLite keeps that of an earlier one with all other errors."""
    return system_errno if isinstance(error, (apsw.IOError, apsw.CantOpenError)) else 0


def failure_of(error: BaseException, system_errno: int = 0) -> TemporaryFailure:
    """What is told of an error. The detail names the error, never the data."""
    detail = f"{type(error).__name__}: {error}"
    if number := _number_of(error, system_errno):
        detail += f" ({os.strerror(number)})"
    return DiskFull(detail) if is_no_room(error, system_errno) else StorageFailed(detail)
