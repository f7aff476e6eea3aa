"""What was set aside because it could not be read: for the person who deals with it.

It stands in tables of its own (`damaged…`), as it was found. It can be looked at, put back into the queue when what
was wrong is right again (a file that came back from a backup, a disk that can be read), or removed for good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import apsw

from sams.core.text import visible
from sams.spool.claims import checked_content
from sams.spool.interface import DamagedMessage
from sams.spool.keys import id_of
from sams.spool.records import (
    CONTENT_COLUMNS,
    MESSAGE_COLUMNS,
    RECIPIENT_COLUMNS,
    DecodeError,
    Row,
    Value,
    as_octets,
    checksum,
    copy_into,
    message_value,
    recipient_value,
    text_of,
)
from sams.spool.statements import Files, array_of

MOST_RECIPIENTS = 100
"""Recipients of one message that are shown."""
CARRIED = 100
"""Messages set aside that go along in one step when a shard's queue is taken over."""
ROWS = "SELECT message FROM damaged WHERE message > ? ORDER BY message LIMIT ?"
_CARRIED_FROM = "carried_from_{}"
_PLACE = "SELECT value FROM shard_info WHERE key = ?"
_NOTE_PLACE = "INSERT OR REPLACE INTO shard_info (key, value) VALUES (?, ?)"
_HERE = (
    "WITH found(row) AS (SELECT value FROM carray(?)) SELECT message FROM damaged WHERE message IN found "
    "UNION ALL SELECT id FROM message WHERE id IN found"
)
_TEXT = 500
_READ = 1024 * 1024
_TABLES = (
    ("message", "id", MESSAGE_COLUMNS),
    ("content", "message", CONTENT_COLUMNS),
    ("recipient", "message", RECIPIENT_COLUMNS),
)
_ALL = (
    ("damaged", "message", "message, shard, found, reason"),
    *((f"damaged_{table}", key, columns) for table, key, columns in _TABLES),
)
_SOME = "SELECT {columns} FROM {table} WHERE {key} IN carray(?)"
_CARRIED = [_SOME.format(columns=as_octets(columns), table=name, key=key) for name, key, columns in _ALL]
_PAGE = (
    "SELECT d.message, d.shard, d.found, CAST(d.reason AS BLOB), CAST(m.login AS BLOB), "
    "CAST(m.sender_local AS BLOB), CAST(m.sender_domain AS BLOB), m.arrived, m.size "
    "FROM damaged AS d LEFT JOIN damaged_message AS m ON m.id = d.message WHERE d.message > ? "
    "ORDER BY d.message LIMIT ?"
)
_RECIPIENTS = (
    "SELECT CAST(local AS BLOB), CAST(domain AS BLOB) FROM damaged_recipient WHERE message = ? LIMIT ?"
)
_IN_FILE = "SELECT 1 FROM damaged_content WHERE message = ? AND body IS NULL"

FileOf = Callable[[str, int], Path]
"""Where the body of a message is, by its id and the shard that made it, if it is in a file."""


def count(connection: apsw.Connection) -> int:
    """How many messages are set aside."""
    return int(connection.execute("SELECT count(*) FROM damaged").get)


def page(connection: apsw.Connection, after: int, limit: int, file_of: FileOf) -> list[DamagedMessage]:
    """Some of them by rising id, behind a row."""
    rows = connection.execute(_PAGE, (after, limit)).fetchall()
    return [_shown(connection, row, file_of) for row in rows]


def still_wrong(connection: apsw.Connection, row: int, shard: int, file_of: FileOf) -> str:
    """Why a message that was set aside cannot be delivered; empty: it can be, as far as is seen here. Blocks."""
    try:
        messages = _rows(connection, "message", row)
        recipients = _rows(connection, "recipient", row)
        if not messages or not recipients:
            return "not all of its rows are there"
        message_value(messages[0])
        for recipient in recipients:
            recipient_value(recipient)
        for _, head_sum, body_sum, body_size, head, body in _rows(connection, "content", row):
            checked_content(row, (head, head_sum, body, body_sum, body_size))
            if body is None:
                _check_file(file_of(id_of(row, shard), shard), body_size, body_sum)
    except (DecodeError, OSError) as error:
        return str(error)
    except UnicodeDecodeError as error:
        return f"a text in its rows is none: {error}"
    return ""


def put_back(connection: apsw.Connection, rows: Sequence[int]) -> tuple[int, Files]:
    """Let them wait in the queue again, as they were."""
    for row in rows:
        for table, key, columns in _TABLES:
            connection.execute(
                f"INSERT OR IGNORE INTO {table} ({columns}) "  # noqa: S608 - constants
                f"SELECT {columns} FROM damaged_{table} WHERE {key} = ?",
                (row,),
            )
    return len(rows), _forget(connection, rows)


def remove(connection: apsw.Connection, rows: Sequence[int]) -> tuple[int, Files]:
    """Remove them for good, with their body files."""
    files: Files = []
    for row in rows:
        found = connection.execute("SELECT shard FROM damaged WHERE message = ?", (row,)).fetchall()
        if connection.execute(_IN_FILE, (row,)).fetchone() is not None:
            files += [(row, int(shard)) for (shard,) in found]  # type: ignore[arg-type]
    _forget(connection, rows)
    return len(rows), files


def carried(read: Callable[[str], list[Row]]) -> list[list[Row]]:
    """The rows of messages that were set aside, one list for each table.

    `read` runs a statement with the messages' rows as one array, and gives what can be read.
    """
    return [read(statement) for statement in _CARRIED]


def carry(connection: apsw.Connection, shard: int, tables: Sequence[Sequence[Row]]) -> tuple[int, Files]:
    """Keep those of a failed shard in the one that takes over, each once.

    A step may be tried again, after a restart too, and a person may have dealt with some of them by then: how far it
    came is noted with them, until the take-over itself is (`forget_place`).
    """
    new = _not_carried(connection, shard, tables[0])
    for (table, _, columns), found in zip(_ALL, tables, strict=True):
        connection.executemany(copy_into(table, columns), [row for row in found if row[0] in new])
    if new:
        connection.execute(_NOTE_PLACE, (_CARRIED_FROM.format(shard), max(new)))
    return len(new), []


def forget_place(connection: apsw.Connection, shard: int) -> None:
    """All that was set aside in a failed shard has gone along, and that is noted elsewhere."""
    connection.execute("DELETE FROM shard_info WHERE key = ?", (_CARRIED_FROM.format(shard),))


def _not_carried(connection: apsw.Connection, shard: int, found: Sequence[Row]) -> set[int]:
    """The rows behind the place that was reached, but for those that are here already by way of another shard."""
    rows = {int(row[0]) for row in found}  # type: ignore[arg-type]
    place = connection.execute(_PLACE, (_CARRIED_FROM.format(shard),)).fetchone()
    here = {row for (row,) in connection.execute(_HERE, (array_of(rows),))}
    return {row for row in rows - here if place is None or row > place[0]}


def _forget(connection: apsw.Connection, rows: Sequence[int]) -> Files:
    for table, key, _ in _ALL:
        connection.executemany(f"DELETE FROM {table} WHERE {key} = ?", [(row,) for row in rows])  # noqa: S608 - constants
    return []


def _rows(connection: apsw.Connection, table: str, row: int) -> list[Row]:
    key, columns = next((key, columns) for name, key, columns in _TABLES if name == table)
    return connection.execute(f"SELECT {columns} FROM damaged_{table} WHERE {key} = ?", (row,)).fetchall()  # noqa: S608 - constants


def _check_file(path: Path, size: Value, body_sum: Value) -> None:
    total, found = 0, 0
    with path.open("rb") as file:
        while octets := file.read(_READ):
            total, found = total + len(octets), checksum(octets, found)
    if (total, found) != (size, body_sum):
        raise DecodeError(f"the body file {path} does not have its size and checksum")


def _shown(connection: apsw.Connection, row: Row, file_of: FileOf) -> DamagedMessage:
    """Nothing of it is trusted to be what it should: it is shown as far as it goes."""
    key, shard, found, reason, login, local, domain, arrived, size = row
    message_id = id_of(int(key), int(shard))  # type: ignore[arg-type]
    recipients = connection.execute(_RECIPIENTS, (key, MOST_RECIPIENTS))
    is_in_file = connection.execute(_IN_FILE, (key,)).fetchone() is not None
    return DamagedMessage(
        id=message_id,
        found=float(found),  # type: ignore[arg-type]
        reason=_text(reason),
        login=_text(login),
        sender=f"{_text(local)}@{_text(domain)}" if local is not None else "",
        recipients=tuple([f"{_text(one)}@{_text(other)}" for one, other in recipients]),
        arrived=float(arrived) if isinstance(arrived, (int, float)) else None,
        size=size if isinstance(size, int) else None,
        body_file=str(file_of(message_id, int(shard))) if is_in_file else "",  # type: ignore[arg-type]
    )


def _text(value: Value) -> str:
    return visible(text_of(value), _TEXT) if value is not None else ""
