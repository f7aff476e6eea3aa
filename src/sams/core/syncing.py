"""Putting on disk what was written: a file with its content, a folder with the names in it. It blocks."""

from __future__ import annotations

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Put what a file holds on disk, whoever wrote it.

    Raises:
        OSError: it cannot be; what of it is on disk is not known any more.
    """
    _sync(path, os.O_RDONLY | os.O_CLOEXEC)


def sync_folder(folder: Path) -> None:
    """Put the entries of a folder on disk: new names, and those that are gone.

    Raises:
        OSError: as above.
    """
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
