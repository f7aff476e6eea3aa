"""A database as a source of accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from sams.config.key import Key
from sams.config.kinds import Choice, SecretFile, Text
from sams.config.sources.section import SECRET, DirectorySection


class SqlSource(DirectorySection, frozen=True, kw_only=True, tag_field="kind", tag="sql"):
    """A table of the organisation's own, in PostgreSQL or SQLite, asked by a query.

    The query gives at most one row. Its columns are named: `password` (a hash in one of the forms that
    `sams account import` knows), and if there are `login`, `addresses` and `may_send_as` (a text with commas, an
    array, or in SQLite a JSON array), `suspended` (a reason, or NULL for who may sign in; or a truth value),
    `recipients_per_hour`, `recipients_per_day`.
    """

    type: Annotated[Literal["sql"], Key(Choice(("sql",)), "A query on a database.")] = "sql"
    database: Annotated[
        str,
        Key(
            Text(longest=1_000),
            "`postgresql://user@host/name?sslmode=verify-full&sslrootcert=/path/ca.pem`, without a password, several "
            "hosts with commas; or `sqlite:///path`, which is only read.",
            example='"postgresql://sams@db.example.ac.uk/members?sslmode=verify-full&sslrootcert=/etc/sams/ca.pem"',
        ),
    ]
    password_file: Annotated[
        Path | None,
        Key(
            SecretFile(),
            f"The password for the database. {SECRET}",
            unset="none",
            example='"db-password"',
        ),
    ] = None
    query: Annotated[
        str,
        Key(
            Text("a query, on several lines if need be", longest=10_000, lines=True),
            "The query, with `%(user)s`, `%(domain)s`, `%(address)s`, `%(login)s` as parameters, without quotes, and "
            "`%%` for a percent sign. `login` is the login without a device and without a domain of `[accounts]`.",
            example='"SELECT hash AS password, mail AS addresses FROM people WHERE uid = %(user)s"',
        ),
    ]
