"""How it is with shards that failed, and with what was set aside: for administrators."""

from __future__ import annotations

from dataclasses import dataclass, replace

import apsw

from sams.spool.failed_shard import ASIDE_ELSEWHERE, FAILED_SHARDS
from sams.spool.records import text_of

MANY = 10_000
"""Messages that are counted; more are so many."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A shard that is not written any more.

    since: UNIX seconds. waiting: messages whose octets are only there (at most `MANY` are counted).
    set_aside: the same of messages that were set aside.
    trouble: what stands in the way of its take-over, or of a shard in its place; empty where nothing does.
    """

    shard: int
    reason: str
    since: float
    waiting: int = 0
    is_taken_over: bool = False
    trouble: str = ""
    set_aside: int = 0

    @property
    def is_drained(self) -> bool:
        """Nothing is there that is not elsewhere: its folder may go."""
        return self.is_taken_over and not self.waiting and not self.set_aside


_WAITING = "SELECT count(*) FROM (SELECT 1 FROM message WHERE shard = ? AND id <= ? LIMIT ?)"
"""What was taken over is older than all that came later: the rest of a deep queue is not looked at."""
_ASIDE = f"SELECT count(*) FROM damaged WHERE shard = ? AND {ASIDE_ELSEWHERE}"  # noqa: S608 - constants


def read(connection: apsw.Connection) -> list[Standing]:
    """The shards that this one took over."""
    found = []
    for shard, since, reason, place, complete in connection.execute(FAILED_SHARDS).fetchall():
        [(waiting,)] = connection.execute(_WAITING, (shard, place or 0, MANY))
        [(aside,)] = connection.execute(_ASIDE, (shard,))
        one = Standing(int(shard), text_of(reason), float(since), int(waiting), bool(complete))  # type: ignore[arg-type]
        found.append(replace(one, set_aside=int(aside)))
    return found
