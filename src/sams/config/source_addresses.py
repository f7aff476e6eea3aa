"""What sources of accounts name as a database, a web service or an issuer, and what must hold of it."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sams.config.findings import Findings
from sams.config.positions import KeyPath
from sams.config.sender_maps import SenderQuery
from sams.config.sources import HttpSource, OauthSource, SqlSource
from sams.config.sql_query import Dialect, QueryError, read_query

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448",
)  # fmt: skip
"""By which a token may be signed (RFC 7518 section 3.1, RFC 8037, RFC 9864)."""
_DIALECTS: dict[str, Dialect] = {"postgresql": "postgresql", "postgres": "postgresql", "sqlite": "sqlite"}
_SECRET_PARAMETERS = frozenset({"password", "sslpassword"})
_VERIFYING = frozenset({"verify-ca", "verify-full"})
_IN_BETWEEN = (
    "whoever is between this machine and the database can read and change what it says of members: "
    "add ?sslmode=verify-full&sslrootcert=/path/ca.pem"
)
_NO_EFFECT = "without introspection_url it has no effect; name where to ask, or leave it out"


def is_loopback(host: str) -> bool:
    """Whether what goes to this host stays on this machine. A name other than localhost may be anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def dialect_of(database: str) -> Dialect | None:
    """Which of the two kinds of database a URL names; None: another."""
    return _DIALECTS.get(database.partition("://")[0])


def sqlite_path(database: str) -> str:
    """The path that `sqlite:///path` names; an absolute one."""
    return "/" + unquote(database.removeprefix("sqlite://")).lstrip("/")


def check_sql(source: SqlSource | SenderQuery, path: KeyPath, findings: Findings) -> None:
    """A database that can be asked, and a query for it."""
    dialect = dialect_of(source.database)
    if dialect is None:
        text = 'write "postgresql://user@host/name" or "sqlite:///path"; other databases are not asked'
        findings.problem((*path, "database"), text)
        return
    if dialect == "postgresql":
        _check_postgresql(source.database, (*path, "database"), findings)
    else:
        _check_sqlite(source, path, findings)
    try:
        read_query(source.query, dialect)
    except QueryError as error:
        findings.problem((*path, "query"), str(error))


def check_http(source: HttpSource, path: KeyPath, findings: Findings) -> None:
    """A service to which a password may be sent."""
    _check_url(source.url, (*path, "url"), findings, "passwords of members")
    if source.ca_file is not None and source.url.startswith("http:"):
        findings.problem((*path, "ca_file"), "without https there is no certificate to check")


def check_oauth(source: OauthSource, path: KeyPath, findings: Findings) -> None:
    """An issuer whose keys and answers can be believed."""
    for name in ("issuer", "jwks_url", "introspection_url"):
        if url := getattr(source, name):
            _check_url(url, (*path, name), findings, "keys and tokens")
    if "?" in source.issuer or "#" in source.issuer:
        findings.problem((*path, "issuer"), "an issuer has no `?` and no `#`; write it as tokens have it")
    for algorithm in source.algorithms:
        if algorithm not in ALGORITHMS:
            text = f'"{algorithm}" is not taken; use some of {", ".join(ALGORITHMS)}'
            findings.problem((*path, "algorithms"), text)
    if " " in source.scope:
        findings.problem((*path, "scope"), "name one scope, without spaces")
    _check_introspection(source, path, findings)


def _check_postgresql(database: str, path: KeyPath, findings: Findings) -> None:
    try:
        parts = urlsplit(database)
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        findings.problem(path, 'it is no address: write "postgresql://user@host/name"')
        return
    if ":" in parts.netloc.rpartition("@")[0] or _SECRET_PARAMETERS & parameters.keys():
        findings.problem(
            path, "it has a password in it: put that into a file, and name it with password_file"
        )
    elif parameters.get("sslmode") not in _VERIFYING and any(map(_is_elsewhere, _hosts(parts, parameters))):
        findings.warning(path, _IN_BETWEEN)


def _hosts(parts: SplitResult, parameters: dict[str, str]) -> list[str]:
    named = ",".join((parameters.get("host", ""), parameters.get("hostaddr", "")))
    return [_without_port(one) for one in parts.netloc.rpartition("@")[2].split(",")] + named.split(",")


def _without_port(host: str) -> str:
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _is_elsewhere(host: str) -> bool:
    """A path names a socket on this machine; so does no host at all."""
    return bool(host) and not unquote(host).startswith("/") and not is_loopback(host)


def _check_sqlite(source: SqlSource | SenderQuery, path: KeyPath, findings: Findings) -> None:
    database = source.database
    if not database.startswith("sqlite:///") or not database[10:].strip("/") or set("?#") & set(database):
        text = 'write "sqlite:///path" with the full path, such as "sqlite:///srv/members.db", and nothing behind it'
        findings.problem((*path, "database"), text)
    if source.password_file is not None:
        findings.problem((*path, "password_file"), "an SQLite file has no password; leave the key out")


def _check_url(url: str, path: KeyPath, findings: Findings, what: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        text = f"{what} may not cross a network in clear: write https:// (http:// is for 127.0.0.1 alone)"
        findings.problem(path, text)


def _check_introspection(source: OauthSource, path: KeyPath, findings: Findings) -> None:
    if source.introspection_url:
        for name in ("client_id", "client_secret_file"):
            if not getattr(source, name):
                text = "an issuer tells of tokens only whom it knows: client_id and client_secret_file belong to this"
                findings.problem((*path, name), text)
        return
    for name in ("client_id", "client_secret_file"):
        if getattr(source, name):
            findings.problem((*path, name), _NO_EFFECT)
    if source.introspect == "always":
        findings.problem((*path, "introspect"), _NO_EFFECT)
