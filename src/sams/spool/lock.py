"""The lock that makes one process the owner of a shard.

It is flock(2) on an open file, so it goes with the process however that ends, and no stale file can keep a
shard closed. The file is never removed: who waits on a removed file would lock nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sams.spool.failures import ShardInUse
from sams.spool.layout import FILE_MODE, Layout, discover


class ShardLock:
    """A lock that is held until `release`."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of it. May be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def acquire(layout: Layout) -> ShardLock:
    """Lock a shard whose folder is there.

    Raises:
        ShardInUse: another process owns it; the message says which.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(descriptor)
        os.close(descriptor)
        raise ShardInUse(f"{layout.folder} is in use by {holder}: stop it first, or let it do this") from None
    _sign(descriptor)
    return ShardLock(descriptor)


def lock_orphans(data_dir: Path, mine: Iterable[int]) -> Iterator[tuple[int, ShardLock]]:
    """Lock each shard that is on disk and that nobody owns, but for `mine`. Hand the locks to `open_shard`."""
    owned = frozenset(mine)
    for shard in discover(data_dir):
        if shard in owned:
            continue
        try:
            lock = acquire(Layout(data_dir, shard))
        except ShardInUse:
            continue
        yield shard, lock


def _sign(descriptor: int) -> None:
    """For whom the lock keeps out. A full disk may not take the name: that keeps nobody from serving."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, 32, 0).strip()
    return f"process {text.decode()}" if text.isdigit() else "another process"
