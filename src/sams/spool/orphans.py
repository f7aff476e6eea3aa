"""Body files that no message names: a crash left them between their sync and the commit, or after a delete.

Runs in a thread beside the service. Only files older than this run are looked at, by their ids, so that what
arrives meanwhile is never taken for an orphan.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice

import apsw

from sams.spool.keys import row_of
from sams.spool.layout import Layout

_STEP = 1_000


def remove_orphans(layout: Layout, connection: apsw.Connection, before: str) -> int:
    """Remove files of messages older than the id `before` that no row names; the result is their number."""
    names = _older_names(layout, row_of(before)[0])
    removed = 0
    while step := dict(islice(names, _STEP)):
        for row in _unnamed(connection, list(step)):
            (layout.bodies / step[row]).unlink(missing_ok=True)
            removed += 1
    return removed


def _older_names(layout: Layout, limit: int) -> Iterator[tuple[int, str]]:
    with os.scandir(layout.bodies) as entries:
        for entry in entries:
            try:
                row, shard = row_of(entry.name)
            except KeyError:
                continue
            if shard == layout.shard and row < limit:
                yield row, entry.name


def _unnamed(connection: apsw.Connection, rows: list[int]) -> list[int]:
    """Those of `rows` that have no content in a file, and were not set aside."""
    named: set[int] = set()
    for table in ("content", "damaged_content"):
        statement = f"SELECT message FROM {table} WHERE message = ? AND body IS NULL"  # noqa: S608 - names of this file
        for row in rows:
            named.update(key for (key,) in connection.execute(statement, (row,)))
    return [row for row in rows if row not in named]
