"""Whether accounts may have changed, told without asking the database.

Theory of operation. `PRAGMA data_version` is exact, but it takes locks in the file, four system calls, and lets other
threads have the interpreter meanwhile: too much for each sign-in and each MAIL. So writers keep a number in the file
that they lock anyway. It is odd while a change is made and another even one afterwards. Who sees the even number that
stood there before the database was last asked knows that nothing was changed since. A writer that died leaves an odd
number, and everybody asks the database until the next writer has put it right.

The file is mapped: the number is read without a system call. It is of one machine's memory, as the database's own
index is, and means nothing after a restart.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OCTETS = 8
CHANGING = -1
"""What `ChangeMark.read` gives while a change is made."""


@contextmanager
def changing(file: int) -> Iterator[None]:
    """A change is made meanwhile. file: open for writing and locked by the caller."""
    began = int.from_bytes(os.pread(file, _OCTETS, 0), "little") + 1 | 1
    os.pwrite(file, began.to_bytes(_OCTETS, "little"), 0)
    try:
        yield
    finally:
        os.pwrite(file, (began + 1).to_bytes(_OCTETS, "little"), 0)


class ChangeMark:
    """Reads the number. path: of the file, in which a writer was before.

    numbers: it alone, as it stands; what `read` gave is equal to it as long as nothing is changed.
    """

    __slots__ = ("numbers",)

    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.numbers = memoryview(mmap.mmap(file, _OCTETS, prot=mmap.PROT_READ)).cast("Q")
        finally:
            os.close(file)

    def read(self) -> int:
        """The same number as before: nothing was changed between. CHANGING: that cannot be told now."""
        number = self.numbers[0]
        return CHANGING if number & 1 else number
