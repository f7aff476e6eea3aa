"""A file of SHA-1 hashes in rising order, one a line (`HASH` or `HASH:COUNT`), looked into without reading it all.

The form of the lists of breached passwords that are offered "ordered by hash": tens of gigabytes, in which a hash
is found by some forty short reads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LINE = re.compile(rb"([0-9A-Fa-f]{40})(?::[0-9]{1,19})?\r?\n?")
_LONGEST_LINE = 64
_PROBES = 200


class HashListError(Exception):
    """The file is no such list, or cannot be read. The message says what and what to do."""


def contains(path: Path, digest: bytes) -> bool:
    """Whether a SHA-1 is in the list.

    Raises:
        HashListError: it cannot be read, or what was read on the way is no such line.
    """
    wanted = digest.hex().upper().encode()
    with _opened(path) as (file, size):
        low, high = 0, size
        while low < high:
            middle = (low + high) // 2
            start, found, end = _line_at(path, file, middle)
            if found == wanted:
                return True
            low, high = (end, high) if found < wanted else (low, start)
    return False


def check(path: Path) -> None:
    """Look at begin, end and some lines between them: each has the form, and they rise.

    Raises:
        HashListError: they do not, or it cannot be read.
    """
    with _opened(path) as (file, size):
        if not size:
            raise HashListError(f"{path} is empty: it is to hold lines of HASH:COUNT in rising order")
        before = b""
        for start, found, _ in (_line_at(path, file, place) for place in _places(size)):
            if found < before:
                raise HashListError(
                    f"{path} is not in the order of its hashes (at octet {start}): take the list that is ordered by "
                    f"hash, or sort it: LC_ALL=C sort -o {path} {path}"
                )
            before = found


def _places(size: int) -> Iterator[int]:
    yield from (size * number // _PROBES for number in range(_PROBES))
    yield size - 1


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, int]]:
    """The file and its size.

    Raises:
        HashListError: an error of the file itself while it is used, too.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield file, os.fstat(file).st_size
        finally:
            os.close(file)
    except OSError as error:
        raise HashListError(f"{path} cannot be read: {error.strerror}") from None


def _line_at(path: Path, file: int, place: int) -> tuple[int, bytes, int]:
    """Begin, hash and end of the line that holds an octet."""
    base = max(0, place - _LONGEST_LINE)
    octets = os.pread(file, 3 * _LONGEST_LINE, base)
    begin = octets.rfind(b"\n", 0, place - base) + 1
    newline = octets.find(b"\n", place - base)
    end = newline + 1 if newline >= 0 else len(octets)
    line = _LINE.fullmatch(octets[begin:end])
    if line is None:
        raise HashListError(
            f"{path} has something else than HASH:COUNT, with a SHA-1 in hexadecimal, at octet {base + begin}: "
            "take the list of SHA-1 hashes that is ordered by hash, unpacked (not that of NTLM hashes)"
        )
    return base + begin, line[1].upper(), base + end
