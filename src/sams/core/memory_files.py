"""Files in memory alone: for what a library loads only from a path, and what another process is to read once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def memory_file(content: bytes) -> int:
    """A descriptor of a file without a name that holds this; it is not inherited. The caller closes it."""
    descriptor = os.memfd_create("sams", os.MFD_CLOEXEC)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def as_path(content: bytes) -> Iterator[str]:
    """A path under which this process can load it."""
    descriptor = memory_file(content)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    """All of a file, from its begin, wherever others have read to."""
    pieces, at = [], 0
    while piece := os.pread(descriptor, 1_048_576, at):
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces)
