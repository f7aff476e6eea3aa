"""Reads the password files of other systems, by lines: htpasswd, passwd and shadow, Dovecot's passwd-file, CSV."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sams.cli.failures import Failed

FORMATS = ("auto", "htpasswd", "passwd-file", "dovecot", "csv")
MAX_FILE = 64 * 2**20
"""Octets."""
_MAX_LINE = 8_192
_MAX_DIGITS = 10
_SHADOW_FIELDS = 9
_DOVECOT_FIELDS = 8
_COLUMNS = {
    "login": "login",
    "user": "login",
    "username": "login",
    "hash": "hash",
    "password_hash": "hash",
    "password": "password",
    "address": "addresses",
    "addresses": "addresses",
    "may_send_as": "may_send_as",
    "per_hour": "per_hour",
    "per_day": "per_day",
}


@dataclass(frozen=True, slots=True)
class Line:
    """An account as a line has it. addresses: empty where the file does not say.

    secret: a hash in the file's form, or `{PLAIN}` and the password itself.
    """

    number: int
    login: str
    secret: str = field(repr=False)
    addresses: tuple[str, ...] = ()
    may_send_as: tuple[str, ...] = ()
    per_hour: int | None = None
    per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Unusable:
    """A line that is no account to be taken over, and why."""

    number: int
    login: str
    why: str


def read(content: bytes, form: str) -> Iterator[Line | Unusable]:
    """The accounts of a file in one of `FORMATS`.

    Raises:
        Failed: the file as a whole is none of this form; says why.
    """
    if len(content) > MAX_FILE:
        raise Failed(f"the file has more than {MAX_FILE // 2**20} MiB")
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if form == "csv" or (form == "auto" and _is_csv(lines)):
        yield from _csv_lines(content)
        return
    for number, octets in enumerate(lines, 1):
        line = octets.rstrip(b"\r")
        if line.strip() and not line.startswith(b"#"):
            yield _colon_line(number, line, _READERS[form])


def _colon_line(number: int, line: bytes, read_fields: _FieldReader) -> Line | Unusable:
    if len(line) > _MAX_LINE:
        return Unusable(number, "", f"the line has more than {_MAX_LINE} octets")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return Unusable(number, "", "the line is not UTF-8: convert the file with iconv")
    login, colon, rest = text.partition(":")
    if not colon:
        return Unusable(number, "", "the line has no colon: LOGIN:HASH is expected")
    return read_fields(number, login, rest)


def _htpasswd(number: int, login: str, rest: str) -> Line | Unusable:
    return Line(number, login, rest.strip())


def _passwd(number: int, login: str, rest: str) -> Line | Unusable:
    """passwd(5) and shadow(5)."""
    secret, *fields = rest.split(":")
    if login == "root":
        return Unusable(number, login, "the system's own administrator is not taken over")
    if len(fields) == _SHADOW_FIELDS - 2 and _is_over(fields[5]):
        return Unusable(number, login, "the account has expired there: leave it out, or add it by hand")
    return Line(number, login, secret)


def _dovecot(number: int, login: str, rest: str) -> Line | Unusable:
    """LOGIN:PASSWORD:UID:GID:GECOS:HOME:SHELL:EXTRA; fields may be left out from the end."""
    secret, *fields = rest.split(":", _DOVECOT_FIELDS - 2)
    extra = fields[-1].split() if len(fields) == _DOVECOT_FIELDS - 2 else []
    names = {one.partition("=")[0] for one in extra}
    if "nologin" in names:
        return Unusable(number, login, "it may not log in there (nologin): leave it out, or add it by hand")
    if "allow_nets" in names:
        return Unusable(
            number,
            login,
            "it may sign in from some networks only there (allow_nets), which is not taken over",
        )
    return Line(number, login, secret)


def _by_its_fields(number: int, login: str, rest: str) -> Line | Unusable:
    secret, *fields = rest.split(":")
    if len(fields) == _SHADOW_FIELDS - 2 and all(not one or one.isdigit() for one in fields[:6]):
        return _passwd(number, login, rest)
    if secret == "x" and fields:  # noqa: S105 - says that it stands elsewhere
        return _passwd(number, login, rest)
    return _dovecot(number, login, rest) if fields else _htpasswd(number, login, rest)


_FieldReader = Callable[[int, str, str], Line | Unusable]
_READERS: dict[str, _FieldReader] = {
    "auto": _by_its_fields,
    "htpasswd": _htpasswd,
    "passwd-file": _passwd,
    "dovecot": _dovecot,
}


def _is_over(day: str) -> bool:
    """shadow(5): the account expires on this day since 1970; empty: never."""
    return day.isdigit() and int(day) * 86_400 <= time.time()


def _is_csv(lines: list[bytes]) -> bool:
    first = next((line for line in lines if line.strip()), b"").decode("utf-8", "replace")
    names = {one.strip().strip('"').lower() for one in first.replace(";", ",").split(",")}
    return len(names) > 1 and bool(names & {"login", "user", "username"})


def _csv_lines(content: bytes) -> Iterator[Line | Unusable]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failed("the file is not UTF-8: convert it with iconv") from None
    begin = text.partition("\n")[0]
    delimiter = ";" if begin.count(";") > begin.count(",") else ","
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    try:
        columns = _columns(next(reader, []))
        for row in reader:
            if row:
                yield _csv_line(reader.line_num, columns, row)
    except csv.Error as error:
        raise Failed(f"line {reader.line_num} of the file is not CSV: {error}") from None


def _columns(head: list[str]) -> list[str]:
    names = [one.strip().lower() for one in head]
    unknown = [name for name in names if name not in _COLUMNS]
    columns = [_COLUMNS[name] for name in names if name in _COLUMNS]
    if unknown or "login" not in columns or not {"hash", "password"} & set(columns):
        raise Failed(
            "the first line names the columns: login, and hash or password; and if need be addresses, may_send_as, "
            "per_hour, per_day; no others"
        )
    if len(set(columns)) != len(columns):
        raise Failed("the first line names a column twice")
    return columns


def _csv_line(number: int, columns: list[str], row: list[str]) -> Line | Unusable:
    if len(row) != len(columns):
        return Unusable(number, "", f"the line has {len(row)} columns, the first one {len(columns)}")
    value = dict(zip(columns, (one.strip() for one in row), strict=True))
    login, hashed, password = value["login"], value.get("hash", ""), value.get("password", "")
    if bool(hashed) == bool(password):
        return Unusable(number, login, "it has to have either a hash or a password")
    try:
        limits = _limit(value, "per_hour"), _limit(value, "per_day")
    except ValueError:
        return Unusable(number, login, "a limit of recipients is a number, or empty")
    addresses, others = (_several(value.get(name, "")) for name in ("addresses", "may_send_as"))
    return Line(number, login, hashed or "{PLAIN}" + password, addresses, others, *limits)


def _limit(value: Mapping[str, str], name: str) -> int | None:
    text = value.get(name, "")
    if len(text) > _MAX_DIGITS:
        raise ValueError("no number of recipients")
    return int(text) if text else None


def _several(text: str) -> tuple[str, ...]:
    return tuple(text.replace(";", " ").replace(",", " ").split())
