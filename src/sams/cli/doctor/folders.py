"""The data folder: its owner and rights, and the room on its disk; the Maildirs of routes."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sams.cli.doctor.finding import Finding, fail, ok, warn
from sams.cli.render import size
from sams.config.model import Config

FOLDER = "data folder"
DISK = "disk"
_FEW_INODES = 10_000
_PLENTY = 3
"""Times min_free: below it there is a warning."""


@dataclass(frozen=True, slots=True)
class Space:
    """Free for us on a file system: octets, and inodes (0 of 0 where it does not count them)."""

    octets: int
    inodes: int
    all_inodes: int


def check(config: Config, owner: int) -> Iterator[Finding]:
    """All of this file.

    Args:
        config: the configuration.
        owner: the uid that the service runs as.
    """
    data_dir = config.server.data_dir
    if data_dir.is_dir():
        yield from check_rights(data_dir, owner, config.server.user)
    else:
        yield warn(
            FOLDER, f"{data_dir} is not there", "nothing to do: the service makes it at its first start"
        )
    yield from check_space(space_of(data_dir), config.limits.min_free, config.limits.message_size, data_dir)


def check_rights(folder: Path, owner: int, user: str) -> Iterator[Finding]:
    """Whether it is the service's own, and nobody else's."""
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    name, quoted = user or str(owner), shlex.quote(str(folder))
    if found.st_uid != owner:
        what = (
            f"{folder} belongs to user number {found.st_uid}, the service runs as {name}: it will not start"
        )
        yield fail(FOLDER, what, f"chown -R {name} {quoted}")
    elif mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield fail(
            FOLDER, f"others may write to {folder}: the service will not start", f"chmod go-w {quoted}"
        )
    elif mode & (stat.S_IRGRP | stat.S_IROTH):
        yield warn(FOLDER, f"others may list {folder}, which holds members' mail", f"chmod go-r {quoted}")
    else:
        yield ok(FOLDER, f"{folder} belongs to the service alone")


def check_space(space: Space, min_free: int, message_size: int, where: Path) -> Iterator[Finding]:
    """Whether there is room for mail."""
    free = size(space.octets)
    advice = f"make room on the file system of {where}, or lower [limits] min_free"
    if space.octets < min_free:
        what = f"{free} free, below min_free ({size(min_free)}): new mail is refused with 452"
        yield fail(DISK, what, advice)
    elif space.octets < max(_PLENTY * min_free, min_free + 20 * message_size):
        yield warn(DISK, f"{free} free, close to min_free ({size(min_free)})", advice)
    else:
        yield ok(DISK, f"{free} free")
    if space.all_inodes and space.inodes < _FEW_INODES:
        what = f"only {space.inodes} more files can be made: large messages are files"
        yield warn(DISK, what, "remove files, or make a file system with more inodes")


def space_of(folder: Path) -> Space:
    """What is free where the folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    found = os.statvfs(folder)
    return Space(found.f_bavail * found.f_frsize, found.f_favail, found.f_files)
