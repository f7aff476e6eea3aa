"""What tests of the source `sql` share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sams.config.sources import SqlSource
from sams.identity.logins import Login, LoginForms, map_login
from sams.identity.passwords.lanes import Lanes
from sams.identity.passwords.pool import HashPool
from sams.identity.shared_table import Columns
from sams.identity.sources.sql.directory import SqlDirectory
from tests.identity.rig import CHEAP, CountingHashes

RIGHT, CLIENT = "correct horse 7", "192.0.2.1"
HASH = CountingHashes(CHEAP).make(RIGHT)
SHA_HASH = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
"""Of "Hello world!": what `openssl passwd -5` makes of it."""
_FORMS = LoginForms(["example.org"])


def login(text: str) -> Login:
    return _FORMS.parse(map_login(text))


def section(database: str, query: str, **settings: object) -> SqlSource:
    return SqlSource(database=database, query=query, **settings)  # type: ignore[arg-type]


@contextmanager
def hash_pool(folder: Path) -> Iterator[HashPool]:
    pool = HashPool(Lanes(folder / "lanes", 2), Columns(1), 0, at_once=2)
    try:
        yield pool
    finally:
        pool.close()


@asynccontextmanager
async def directory(
    folder: Path, source: SqlSource, password: str | None = None, hashes: CountingHashes | None = None
) -> AsyncIterator[SqlDirectory]:
    with hash_pool(folder) as pool:
        made = SqlDirectory(source, password, hashes=hashes or CountingHashes(CHEAP), pool=pool)
        try:
            yield made
        finally:
            await made.close()
