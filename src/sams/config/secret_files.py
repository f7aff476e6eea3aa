"""Secrets come from files that only their owner may read."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from sams.core.errors import OperatorError

MAX_SECRET = 4_096


def read_secret(path: Path) -> str:
    """The first line of a file, which holds a secret.

    Raises:
        OperatorError: it cannot be read, others may read it too, it is empty, too long or no UTF-8.
    """
    try:
        with path.open("rb") as file:
            refuse_if_shared(path, os.fstat(file.fileno()).st_mode, stat.S_IRWXG | stat.S_IRWXO)
            octets = file.read(MAX_SECRET + 1)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read: {error.strerror}") from None
    return _first_line(path, octets)


def refuse_if_shared(path: Path, mode: int, forbidden: int) -> None:
    """Look at the permissions of a file with a secret.

    Raises:
        OperatorError: one of the `forbidden` bits is set.
    """
    if mode & forbidden:
        advice = f"do: chmod 400 {shlex.quote(str(path))}"
        raise OperatorError(f"{path}: others may read or change it (mode {stat.S_IMODE(mode):04o}); {advice}")


def _first_line(path: Path, octets: bytes) -> str:
    line = octets.partition(b"\n")[0].removesuffix(b"\r")
    if not line or len(line) > MAX_SECRET:
        raise OperatorError(f"{path}: its first line has to hold the secret, of at most {MAX_SECRET} octets")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise OperatorError(f"{path}: its first line is no UTF-8 text") from None
