"""Reports that were made for a shard which failed before they were stored: they are accepted by its successor.

They get ids of the successor. A body that was written into a file of the failed shard comes along in memory: a
report is small, and nothing new may depend on a disk that failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from sams.spool.interface import NewMessage, Settlement, StoredBody
from sams.spool.keys import row_of
from sams.spool.stored_body import MemoryBody

ReadAll = Callable[[StoredBody], Awaitable[bytes]]
"""Reads a body, in a thread."""


def has_foreign(settlement: Settlement, shard: int) -> bool:
    """Whether one of its reports was made for another shard."""
    return any(row_of(each.id)[1] != shard for each in settlement.reports)


async def brought_home(settlement: Settlement, next_id: Callable[[], str], read_all: ReadAll) -> Settlement:
    """The same settlement, with reports that this shard can store.

    Raises:
        DamagedEntry, StorageFailed: the body of one cannot be read.
    """
    reports = [await _brought_home(each, next_id, read_all) for each in settlement.reports]
    return replace(settlement, reports=tuple(reports))


async def _brought_home(report: NewMessage, next_id: Callable[[], str], read_all: ReadAll) -> NewMessage:
    body = report.body
    if body.in_memory() is None:
        body = MemoryBody(await read_all(body))
    return replace(report, id=next_id(), body=body)
