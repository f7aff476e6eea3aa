"""The tables of a shard, and their version.

`user_version` is the version of the tables. `readable_from` says which version of SAMS is the oldest that
understands them: a change that only adds (a table, a column with a default) leaves it, so that a release may
go one step back; what an older one would misread raises it.

Tables of an older version are brought up to date when the shard is opened, in one transaction: a power cut leaves
the older ones or the new. So a step is quick on a deep queue (a column with a default is, whatever the depth); what
has to touch every row is done later, beside the service. A failed shard is never written, thus never brought up to
date either: what `failed_shard.py` reads of one has to be in the oldest tables that are still met, or looked for
first. An older SAMS that writes newer tables leaves their version as it is, and what was added at its defaults.

The content is apart from the message, so that lists and claims read small rows only.
Recipients have no row number of their own: those of one message lie together, and go together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import apsw

from sams.core.errors import OperatorError

APPLICATION_ID = 0x53414D53
"""`SAMS`: tells the file from any other SQLite file."""
VERSION = 1
READABLE_FROM = 1

PAGE_SIZE = 4096
"""The block size of the file systems we meet: no page is torn, and a 4 KiB message dirties least (measured)."""

_TABLES = """
CREATE TABLE shard_info(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE message(
    id INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    login TEXT NOT NULL,
    session TEXT NOT NULL,
    sender_local TEXT,
    sender_domain TEXT,
    arrived REAL NOT NULL,
    size INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    longest_line INTEGER NOT NULL,
    declared TEXT NOT NULL,
    ret TEXT,
    envid TEXT,
    held INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE content(
    message INTEGER PRIMARY KEY,
    head_sum INTEGER NOT NULL,
    body_sum INTEGER NOT NULL,
    body_size INTEGER NOT NULL,
    head BLOB NOT NULL,
    body BLOB
) STRICT;
CREATE TABLE recipient(
    message INTEGER NOT NULL,
    number INTEGER NOT NULL,
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    domain_key TEXT NOT NULL,
    notify INTEGER,
    original_kind TEXT,
    original_address TEXT,
    route TEXT NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    last TEXT,
    delay_told INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_due ON recipient(route, due, message) WHERE held = 0;
CREATE INDEX recipient_held ON recipient(route) WHERE held = 1;
CREATE TABLE use_of_login(
    hour INTEGER NOT NULL,
    login TEXT NOT NULL,
    recipients INTEGER NOT NULL,
    PRIMARY KEY (hour, login)
) STRICT, WITHOUT ROWID;
CREATE TABLE damaged(
    message INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    found REAL NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE TABLE damaged_message AS SELECT * FROM message;
CREATE TABLE damaged_content AS SELECT * FROM content;
CREATE TABLE damaged_recipient AS SELECT * FROM recipient;
CREATE TABLE failed_shard(
    shard INTEGER PRIMARY KEY,
    failed REAL NOT NULL,
    reason TEXT NOT NULL,
    taken_over INTEGER,
    complete INTEGER NOT NULL DEFAULT 0
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one version.

    version: of these tables; readable_from: the oldest version that understands them.
    tables: the statements that make them in an empty file.
    steps: for each older version the statements that lead from it to the next.
    """

    version: int
    readable_from: int
    tables: str
    steps: Mapping[int, str] = field(default_factory=dict)


SCHEMA = Schema(VERSION, READABLE_FROM, _TABLES)


def prepare(connection: apsw.Connection, shard: int, path: str, schema: Schema = SCHEMA) -> None:
    """Make the tables of a new shard, or check those that are there and bring them up to date.

    Raises:
        OperatorError: the file is another program's, another shard's, or too new for this version; or its tables
            could not be brought up to date.
    """
    if connection.pragma("user_version") == 0 and connection.pragma("application_id") == 0:
        _create(connection, shard, schema)
        return
    found = check(connection, path, schema)
    if found != shard:
        raise OperatorError(f"{path} is shard {found}, but its folder says {shard}: it was moved or copied")
    _bring_up_to_date(connection, path, schema)


def check(connection: apsw.Connection, path: str, schema: Schema = SCHEMA) -> int:
    """Check that these are tables which this version understands; the result is the number of the shard.

    Raises:
        OperatorError: they are not.
    """
    if connection.pragma("application_id") != APPLICATION_ID:
        raise OperatorError(f"{path} is no queue of SAMS")
    info: dict[Any, Any] = {row[0]: row[1] for row in connection.execute("SELECT key, value FROM shard_info")}
    if info["readable_from"] > schema.version:
        raise OperatorError(
            f"{path} was written by a newer SAMS (its tables have version {connection.pragma('user_version')}, "
            f"this SAMS knows up to {schema.version}): run that version again"
        )
    return int(info["shard"])


def _create(connection: apsw.Connection, shard: int, schema: Schema) -> None:
    with connection:
        connection.execute(schema.tables)
        connection.execute(
            "INSERT INTO shard_info VALUES ('shard', ?), ('readable_from', ?)", (shard, schema.readable_from)
        )
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", schema.version)


def _bring_up_to_date(connection: apsw.Connection, path: str, schema: Schema) -> None:
    found: Any = connection.pragma("user_version")
    if found >= schema.version:
        return
    try:
        with connection:
            for version in range(found, schema.version):
                connection.execute(schema.steps[version])
            connection.execute(
                "UPDATE shard_info SET value = ? WHERE key = 'readable_from'", (schema.readable_from,)
            )
            connection.pragma("user_version", schema.version)
    except (apsw.FullError, apsw.IOError) as error:
        raise OperatorError(
            f"{path}: its tables could not be brought from version {found} to {schema.version}: {error}; "
            "they are as they were"
        ) from error
