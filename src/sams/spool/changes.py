"""What is changed on request, in steps of bounded size: hold, release, retry, delete, other routes, damage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from sams.spool.records import CONTENT_COLUMNS, MESSAGE_COLUMNS, RECIPIENT_COLUMNS
from sams.spool.statements import Files, delete_contents, delete_if_done

_TABLES = (
    ("message", "id", MESSAGE_COLUMNS),
    ("content", "message", CONTENT_COLUMNS),
    ("recipient", "message", RECIPIENT_COLUMNS),
)
STEP = 500
"""Messages (or recipients, for routes) that one step changes."""


def hold(connection: apsw.Connection, rows: Sequence[int]) -> tuple[int, Files]:
    """Stop delivery of messages."""
    return _set(connection, rows, "UPDATE recipient SET held = 1 WHERE message = ?", held=1), []


def release(connection: apsw.Connection, rows: Sequence[int], now: float) -> tuple[int, Files]:
    """Let messages go on, due now."""
    statement = "UPDATE recipient SET held = 0, due = min(due, ?2) WHERE message = ?1"
    return _set(connection, rows, statement, now, held=0), []


def retry(connection: apsw.Connection, rows: Sequence[int], now: float) -> tuple[int, Files]:
    """Make messages due now. What is held stays held."""
    bindings = [(row, now) for row in rows]
    connection.executemany("UPDATE recipient SET due = min(due, ?2) WHERE message = ?1", bindings)
    return len(_existing(connection, rows)), []


def delete(connection: apsw.Connection, rows: Sequence[int]) -> tuple[int, Files]:
    """Remove messages with all that belongs to them."""
    keys = [(row,) for row in rows]
    connection.executemany("DELETE FROM recipient WHERE message = ?", keys)
    gone = connection.executemany("DELETE FROM message WHERE id = ? RETURNING id, shard", keys).fetchall()
    return len(gone), delete_contents(connection, gone)


def set_aside(
    connection: apsw.Connection, row: int, shard: int, reason: str, now: float
) -> tuple[int, Files]:
    """Move a message that cannot be read out of the way, as it is. Its body file stays."""
    connection.execute(
        "INSERT OR REPLACE INTO damaged (message, shard, found, reason) VALUES (?,?,?,?)",
        (row, shard, now, reason),
    )
    for table, key, columns in _TABLES:
        connection.execute(
            f"INSERT INTO damaged_{table} ({columns}) SELECT {columns} FROM {table} WHERE {key} = ?",  # noqa: S608 - constants
            (row,),
        )
        connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (row,))  # noqa: S608 - names of this file
    return 1, []


def settle_aside(connection: apsw.Connection, row: int, numbers: Sequence[int]) -> Files:
    """Take recipients out of a message that was set aside, and may have been put back in the same batch."""
    keys = [(row, number) for number in numbers]
    for table in ("damaged_recipient", "recipient"):
        connection.executemany(f"DELETE FROM {table} WHERE message = ? AND number = ?", keys)  # noqa: S608 - names of this file
    return delete_if_done(connection, [row])


def forget_use(connection: apsw.Connection, before_hour: int) -> tuple[int, Files]:
    """Forget what logins used in hours that no limit looks at any more."""
    connection.execute("DELETE FROM use_of_login WHERE hour < ?", (before_hour,))
    return connection.changes(), []


class Reroute:
    """Gives what waits its domain's route, one step at a time. A step that was rolled back is run again."""

    def __init__(self, routes: Mapping[str, str]) -> None:
        self._routes = {domain.encode(): route.encode() for domain, route in routes.items()}
        self._after: tuple[int, int] | None = (-(2**63), -1)
        self._next: tuple[int, int] | None = None

    @property
    def is_done(self) -> bool:
        """Whether all recipients were looked at."""
        return self._after is None

    def advance(self) -> None:
        """The last step is on disk."""
        self._after = self._next

    def run(self, connection: apsw.Connection) -> tuple[int, Files]:
        """One step."""
        rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT message, number, CAST(domain_key AS BLOB), CAST(route AS BLOB) FROM recipient "
            "WHERE (message, number) > (?, ?) ORDER BY message, number LIMIT ?",
            (*(self._after or ()), STEP),
        ).fetchall()
        self._next = (rows[-1][0], rows[-1][1]) if len(rows) == STEP else None
        moved = [
            (self._routes[domain].decode(), message, number)
            for message, number, domain, route in rows
            if self._routes.get(domain, route) != route
        ]
        connection.executemany("UPDATE recipient SET route = ? WHERE message = ? AND number = ?", moved)
        return len(moved), []


def _set(connection: apsw.Connection, rows: Sequence[int], statement: str, *values: float, held: int) -> int:
    existing = _existing(connection, rows)
    connection.executemany("UPDATE message SET held = ? WHERE id = ?", [(held, row) for row in existing])
    connection.executemany(statement, [(row, *values) for row in existing])
    return len(existing)


def _existing(connection: apsw.Connection, rows: Sequence[int]) -> list[int]:
    """Those that are still there: a search saw them a moment ago."""
    found = connection.executemany("SELECT id FROM message WHERE id = ?", [(row,) for row in rows])
    return [row for (row,) in found]
