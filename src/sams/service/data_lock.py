"""The lock of a data folder: one service, or one restore, at a time.

Each shard has a lock of its own, which decides who delivers from it (`spool/lock.py`). This one is for the whole: a
second service is refused before it opens anything, so that it takes no shard whose owner is just being replaced, and
a restore is not half done when a service begins.

It is flock(2) on an open file, inherited by the workers: it goes with the last process of the service.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sams.core.errors import OperatorError

NAME = "lock"
PATIENCE = 5.0
"""Seconds that a start waits: the service before may be about to end."""
_LOOK = 0.05
_MODE = 0o600


def take(data_dir: Path, patience: float = PATIENCE) -> int:
    """Lock an existing data folder; the descriptor that holds the lock until it is closed here and in all children.

    Raises:
        OperatorError: a service or a restore has it, or the file cannot be used.
    """
    path = data_dir / NAME
    descriptor = _open(path, data_dir.stat())
    until = time.monotonic() + patience
    while not _locked(descriptor):
        if time.monotonic() >= until:
            os.close(descriptor)
            raise OperatorError(
                f"{data_dir} is in use by another service, or a restore: stop it first, or name another data_dir"
            )
        time.sleep(_LOOK)
    return descriptor


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Hold the lock of an existing data folder for a while.

    Raises:
        OperatorError: a service or another restore has it.
    """
    descriptor = take(data_dir, 0.0)
    try:
        yield
    finally:
        os.close(descriptor)


def _open(path: Path, folder: os.stat_result) -> int:
    """Nothing is ever written, and no link is followed: root opens it in a folder of the service's user."""
    try:
        descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, _MODE
        )
    except OSError as error:
        raise OperatorError(f"{path}: cannot be opened: {error.strerror}") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise OperatorError(f"{path} is no file: move it away and start again")
    if found.st_uid != folder.st_uid and found.st_nlink == 1 and os.geteuid() == 0:
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
