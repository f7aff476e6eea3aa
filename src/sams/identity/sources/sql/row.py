"""What the columns of a row mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from sams.identity.logins import Login
from sams.identity.sources.interface import Member
from sams.identity.sources.member_accounts import MAX_ADDRESSES
from sams.identity.sources.sql.columns import check_columns

COLUMNS = (
    "password", "login", "addresses", "may_send_as", "suspended", "recipients_per_hour", "recipients_per_day",
)  # fmt: skip
_LONGEST = 10_000
"""Characters of a text that is no list."""
_MOST_RECIPIENTS = 1_000_000_000
_LOCKED = ("!", "*")
"""What a hash never begins with, and a locked one does (shadow(5))."""
_T = TypeVar("_T")


class UnanswerableError(Exception):
    """About this login nothing can be told, though the database answers. The message says what to look at."""


@dataclass(frozen=True, slots=True)
class SqlMember:
    """A row. password: the hash; None: there is none, or it is locked."""

    member: Member
    password: str | None = field(repr=False)


def read_rows(names: Sequence[str], rows: Sequence[Sequence[object]], login: Login) -> SqlMember | None:
    """The one row; None: there is none.

    Raises:
        TemporaryFailure: the columns are not those of a member.
        UnanswerableError: there are two rows.
    """
    check_columns(names, COLUMNS, "password", "the hash")
    if len(rows) > 1:
        raise UnanswerableError(
            "the query gives more than one row for this login, and which one is meant is not told: "
            "make it tell one (two people with one login or address?)"
        )
    return _member(dict(zip(names, rows[0], strict=True)), login) if rows else None


def _member(row: Mapping[str, object], login: Login) -> SqlMember:
    member = Member(
        login=_column(row, "login", _text) or login.bare,
        addresses=_column(row, "addresses", _list) or (),
        may_send_as=_column(row, "may_send_as", _list) or (),
        suspended=_column(row, "suspended", _reason),
        recipients_per_hour=_column(row, "recipients_per_hour", _number),
        recipients_per_day=_column(row, "recipients_per_day", _number),
    )
    password = _column(row, "password", _text)
    return SqlMember(member, None if not password or password.startswith(_LOCKED) else password)


def _column(row: Mapping[str, object], name: str, read: Callable[[object], _T]) -> _T | None:
    """What stands in a column; None for NULL, and for a column that is not there.

    Raises:
        UnanswerableError: it is not of its kind. It may be so in this row alone.
    """
    value = row.get(name)
    if value is None:
        return None
    try:
        return read(value)
    except ValueError as error:
        raise UnanswerableError(f"the column {name} holds {type(value).__name__}: {error}") from None


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError("it has to be a text")
    return value


def _list(value: object) -> tuple[str, ...]:
    """An array, a JSON array as text, or a text with commas."""
    if isinstance(value, str):
        value = _parsed(value) if value.lstrip().startswith("[") else value.split(",")
    if not isinstance(value, list | tuple) or len(value) > MAX_ADDRESSES:
        raise ValueError(f"it has to be a text with commas or an array, of at most {MAX_ADDRESSES} addresses")
    texts = tuple(_text(one).strip() for one in value if one is not None)
    return tuple(text for text in texts if text)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it begins like a JSON array and is none") from None


def _reason(value: object) -> str | None:
    """A truth value, or why not; SQLite's truth values are numbers."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and value in {0, 1}:
        return "" if value else None
    raise ValueError("it has to be NULL, a truth value or a reason as text")


def _number(value: object) -> int:
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_RECIPIENTS:
        raise ValueError(f"it has to be a whole number from 0 to {_MOST_RECIPIENTS}")
    return value
