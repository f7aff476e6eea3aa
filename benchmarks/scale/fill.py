"""Fill the queue through the spool's own `accept`, so that its rows are true ones.

fill.py DATA SHARD ROUTE FIRST COUNT OCTETS: so many messages, numbered from FIRST on. The service
must not run: the shard is locked.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from benchmarks.scale.member import RECIPIENT, SENDER, content
from sams.core.address import parse_mailbox
from sams.core.clock import SystemClock
from sams.core.envelope import Recipient
from sams.spool.interface import NewMessage, NewRecipient
from sams.spool.settings import Settings
from sams.spool.shelf import Shelf, open_shelf
from sams.spool.stored_body import MemoryBody

_AT_ONCE = 512


async def fill(data_dir: Path, shard: int, route: str, numbers: range, octets: int) -> None:
    """Accept messages with these numbers into a shard."""
    shelf = open_shelf(data_dir, shard, SystemClock(), Settings(min_free=1 << 20))
    recipient = NewRecipient(Recipient(parse_mailbox(RECIPIENT)), route)
    for start in range(0, len(numbers), _AT_ONCE):
        some = numbers[start : start + _AT_ONCE]
        await asyncio.gather(*[shelf.accept(_message(shelf, one, octets, recipient)) for one in some])
    await shelf.close()


def _message(shelf: Shelf, number: int, octets: int, recipient: NewRecipient) -> NewMessage:
    head, _, body = content(number, octets).removesuffix(b".\r\n").partition(b"\r\n\r\n")
    return NewMessage(
        id=shelf.next_id(),
        login=f"member{number % 1_000}@example.org",
        session="",
        reverse_path=parse_mailbox(SENDER),
        recipients=(recipient,),
        head=head + b"\r\n\r\n",
        body=MemoryBody(body),
        arrived=time.time(),
    )


def main() -> None:
    """See the file's own words."""
    data_dir, shard, route, first, count, octets = sys.argv[1:]
    numbers = range(int(first), int(first) + int(count))
    asyncio.run(fill(Path(data_dir), int(shard), route, numbers, int(octets)))


if __name__ == "__main__":
    main()
