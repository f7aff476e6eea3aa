"""The organisation's own maps of who may send as whom, one section for each type: `[[senders.map]]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from sams.config.key import DAY, HOUR, MINUTE, Key, Section
from sams.config.kinds import Choice, File, Name, SecretFile, Text, Whole
from sams.config.quantities import Duration

CountsAs = Literal["own", "on-behalf"]


class MapSection(Section, frozen=True, kw_only=True):
    """What every map has."""

    name: Annotated[
        str,
        Key(Name(), "How the journal and the commands call this map.", unset="its type", example='"offices"'),
    ] = ""
    counts_as: Annotated[
        CountsAs,
        Key(
            Choice(("own", "on-behalf")),
            "What an address from here is to a login: `own` sends as it and nothing is added, as in Postfix; with "
            "`on-behalf` a Sender field with the account's own address tells who it was.",
        ),
    ] = msgspec.field(default="own", name="as")

    @property
    def id(self) -> str:
        """The name as configured, else the type."""
        return self.name or str(getattr(self, "type", ""))


class SenderFile(MapSection, frozen=True, kw_only=True, tag_field="kind", tag="file"):
    """Addresses that logins may send as besides their own, of whatever source of accounts: a file.

    Its lines are those of Postfix's `smtpd_sender_login_maps`: an address or `@domain`, then the logins, with commas
    or spaces between them. Several maps add up. Read at the start and at each reload.
    """

    type: Annotated[Literal["file"], Key(Choice(("file",)), "A file.")] = "file"
    path: Annotated[Path, Key(File(), "The text, not what `postmap` makes of it.", example='"senders"')]


class SenderQuery(MapSection, frozen=True, kw_only=True, tag_field="kind", tag="sql"):
    """The same, asked for by a query on PostgreSQL or SQLite.

    The query gives a row for each address of a login, with a column `address` (`name@domain` or `*@domain`) and if
    there is one `kind`: `own` or `on-behalf`, else `as` says it.
    """

    type: Annotated[Literal["sql"], Key(Choice(("sql",)), "A query on a database.")] = "sql"
    database: Annotated[
        str,
        Key(
            Text(longest=1_000),
            'As of a source of accounts of type "sql".',
            example='"postgresql://sams@db.example.ac.uk/mail?sslmode=verify-full&sslrootcert=/etc/sams/ca.pem"',
        ),
    ]
    password_file: Annotated[
        Path | None,
        Key(
            SecretFile(),
            "The password for the database. Its first line is the secret; no other user may read it.",
            unset="none",
            example='"db-password"',
        ),
    ] = None
    query: Annotated[
        str,
        Key(
            Text(longest=10_000),
            "The query, with parameters as of a source of accounts.",
            example='"SELECT address FROM shared_mailboxes WHERE login = %(login)s"',
        ),
    ]
    cache: Annotated[
        float,
        Key(
            Duration(0, DAY),
            "How long an answer is taken as true without asking again. `0 s` asks each time.",
        ),
    ] = 5 * MINUTE
    grace: Annotated[
        float,
        Key(
            Duration(0, 7 * DAY),
            "How much longer it is, while the database is down. A login of whom nothing is known then sends as its "
            "own addresses, and is told to try again (451) with others.",
        ),
    ] = HOUR
    timeout: Annotated[
        float, Key(Duration(0.1, MINUTE), "How long one question may take; then the database counts as down.")
    ] = 5.0
    connections: Annotated[
        int, Key(Whole(1, 1_000), "How many questions each worker asks at once; others wait.")
    ] = 2


SenderMap = SenderFile | SenderQuery
