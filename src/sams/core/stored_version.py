"""The version of a database's tables, and how far back a program may be to work with them.

SQLite keeps one number for a program in a file, `user_version`. Both are in it: 3002 are tables of version 3 that a
program which knows version 2 can work with. A version that only adds tables, or columns with defaults, leaves the
second number, so that one may go back a release; what an older program would misread raises it. A number below 1000
is a version that only programs of this version and later ones know. (The queue has its own place for this,
`shard_info`.)
"""

from __future__ import annotations

from dataclasses import dataclass

_PLACES = 1_000


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """The tables' version, and the oldest one that a program must know; both from 1 to 999."""

    number: int
    readable_from: int

    @classmethod
    def of(cls, user_version: int) -> StoredVersion:
        """What a file says; an empty one says 0."""
        number, readable_from = divmod(user_version, _PLACES)
        return cls(number, readable_from) if number else cls(readable_from, readable_from)

    @property
    def user_version(self) -> int:
        """What a file is to say."""
        if self.number == self.readable_from:
            return self.number
        return self.number * _PLACES + self.readable_from
