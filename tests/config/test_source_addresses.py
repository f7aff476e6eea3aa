from __future__ import annotations

import pytest

from sams.config.source_addresses import is_loopback, sqlite_path
from tests.config.samples import MINIMAL, problems, warnings

QUERY = 'query = "SELECT hash AS password FROM people WHERE uid = %(user)s"'
POSTGRESQL = 'database = "postgresql://sams@db.example.org/members?sslmode=verify-full"'
OAUTH = 'issuer = "https://login.example.org"\naudience = ["sams"]'


def source(kind: str, *lines: str) -> str:
    return "\n".join([MINIMAL, "[[accounts.source]]", f'type = "{kind}"', *lines, ""])


@pytest.mark.parametrize(
    "text",
    [
        source("sql", POSTGRESQL, QUERY),
        source("sql", 'database = "postgresql:///members?host=/run/postgresql"', QUERY),
        source("sql", 'database = "postgresql://sams@127.0.0.1/members"', QUERY),
        source("sql", 'database = "postgresql://sams@[::1]:5432,localhost/members"', QUERY),
        source("sql", 'database = "sqlite:///srv/members.db"', QUERY),
        source("http", 'url = "https://id.example.org/sams"'),
        source("http", 'url = "http://127.0.0.1:8080/sams"'),
        source("http", 'url = "http://[::1]:8080/sams"'),
        source("oauth", OAUTH),
        source(
            "oauth",
            OAUTH,
            'introspection_url = "https://login.example.org/i"',
            'client_id = "sams"',
            'client_secret_file = "s"',
            'introspect = "always"',
        ),
    ],
)
def test_what_fits_together_is_taken(text: str) -> None:
    assert problems(text) == []
    assert [warning for warning in warnings(text) if "source" in warning] == []


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        (source("sql", 'database = "mysql://db/x"', QUERY), "database", "other databases are not asked"),
        (source("sql", 'database = "postgresql://sams:secret@db/x"', QUERY), "database", "password_file"),
        (source("sql", 'database = "postgresql://db/x?password=secret"', QUERY), "database", "password_file"),
        (source("sql", 'database = "postgresql://[db/x"', QUERY), "database", "it is no address"),
        (source("sql", 'database = "sqlite://members.db"', QUERY), "database", "full path"),
        (source("sql", 'database = "sqlite:///m.db?mode=rw"', QUERY), "database", "full path"),
        (
            source("sql", 'database = "sqlite:///m.db"', 'password_file = "p"', QUERY),
            "password_file",
            "no password",
        ),
        (source("sql", POSTGRESQL, 'query = "SELECT 1"'), "query", "everybody would get the same row"),
        (source("http", 'url = "http://id.example.org/sams"'), "url", "in clear"),
        (source("http", 'url = "http://127.0.0.1/"', 'ca_file = "c"'), "ca_file", "no certificate to check"),
        (source("oauth", 'issuer = "http://login.example.org"\naudience = ["sams"]'), "issuer", "in clear"),
        (source("oauth", OAUTH, 'jwks_url = "http://login.example.org/k"'), "jwks_url", "in clear"),
        (source("oauth", 'issuer = "https://a.example/?b"\naudience = ["s"]'), "issuer", "no `?`"),
        (source("oauth", OAUTH, 'algorithms = ["RS256", "HS256"]'), "algorithms", '"HS256" is not taken'),
        (source("oauth", OAUTH, 'algorithms = ["none"]'), "algorithms", '"none" is not taken'),
        (source("oauth", OAUTH, 'scope = "a b"'), "scope", "one scope"),
        (source("oauth", OAUTH, 'introspect = "always"'), "introspect", "no effect"),
        (
            source("oauth", OAUTH, 'client_id = "sams"', 'client_secret_file = "s"'),
            "client_id",
            "no effect",
        ),
        (
            source("oauth", OAUTH, 'introspection_url = "https://a.example/i"'),
            "client_id",
            "belong to this",
        ),
        (
            source("oauth", OAUTH, 'introspection_url = "https://a.example/i"', 'client_id = "sams"'),
            "client_secret_file",
            "belong to this",
        ),
    ],
)
def test_what_does_not_is_told_at_its_key(text: str, key: str, told: str) -> None:
    found = problems(text)
    assert any(f"accounts.source[1].{key}" in one and told in one for one in found), found
    assert "secret@" not in str(found)


@pytest.mark.parametrize(
    "database",
    [
        "postgresql://sams@db.example.org/members",
        "postgresql://sams@db.example.org/members?sslmode=require",
        "postgresql:///members?host=db.example.org",
    ],
)
def test_a_database_elsewhere_without_a_checked_certificate_is_warned_of(database: str) -> None:
    found = warnings(source("sql", f'database = "{database}"', QUERY))
    assert any("sslmode=verify-full" in one for one in found)


def test_a_name_may_be_anywhere_unless_it_is_localhost() -> None:
    assert [is_loopback(host) for host in ("127.8.0.1", "::1", "localhost", "db", "192.0.2.1")] == [
        True, True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite:///srv/a%20b.db", "sqlite:////srv/a%20b.db"])
def test_an_sqlite_path_is_absolute_however_many_slashes_there_are(database: str) -> None:
    assert sqlite_path(database) == "/srv/a b.db"


def test_a_query_may_stand_on_several_lines() -> None:
    query = 'query = """SELECT hash AS password\n\tFROM people -- the view\n  WHERE uid = %(user)s\n"""'
    assert problems(source("sql", POSTGRESQL, query)) == []
    assert problems(source("sql", POSTGRESQL, 'query = "SELECT \\u0000 %(user)s"')) != []
