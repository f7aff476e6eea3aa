"""The query of a source of accounts `sql`: which parameters stand where, understood well enough to bind them.

It is written once for both databases, with `%(user)s` as a parameter and `%%` as a percent sign. What stands in
quotes is text, and what is a comment is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["postgresql", "sqlite"]

PARAMETERS = ("user", "domain", "address", "login")
"""The names that a query may use."""

_STRING = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
_COMMENT = r"--[^\n]*|/\*.*?\*/"
_QUOTED = {
    "postgresql": rf"(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|{_STRING}|\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$",
    "sqlite": rf"{_STRING}|`(?:[^`]|``)*`|\[[^\]]*\]",
}
_FOREIGN = {"postgresql": r"\$[0-9]+", "sqlite": r"\?[0-9]*|[:@#$]\w+"}
_OPEN = {"postgresql": r"['\"]|/\*", "sqlite": r"['\"`\[]|/\*"}
_TOKENS = {
    dialect: re.compile(
        rf"(?P<quoted>{_QUOTED[dialect]})|(?P<comment>{_COMMENT})|%\((?P<name>[^()]*)\)s|(?P<percent>%%)"
        rf"|(?P<foreign>{_FOREIGN[dialect]}|%[^\s]?)|(?P<end>;)|(?P<open>{_OPEN[dialect]})",
        re.DOTALL,
    )
    for dialect in ("postgresql", "sqlite")
}
_KNOWN = ", ".join(f"%({name})s" for name in PARAMETERS)


class QueryError(ValueError):
    """The query cannot be used. The message says why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A place where a value is bound. name: one of `PARAMETERS`."""

    name: str


Part = str | Parameter


def read_query(text: str, dialect: Dialect) -> tuple[Part, ...]:
    """The query in parts: SQL as the database reads it, and parameters.

    Raises:
        QueryError: it has other placeholders, none at all, more than one statement, or a quote that is not closed.
    """
    parts = tuple(_parts(text, _TOKENS[dialect]))
    if not any(isinstance(part, Parameter) for part in parts):
        raise QueryError(f"it has no parameter, so that everybody would get the same row: use {_KNOWN}")
    return parts


def _parts(text: str, tokens: re.Pattern[str]) -> Iterator[Part]:
    at, is_over = 0, False
    for found in tokens.finditer(text):
        if is_over and found.lastgroup != "comment":
            raise _second()
        yield from _between(text[at : found.start()], is_over=is_over)
        at, is_over = found.end(), is_over or found["end"] is not None
        yield from _token(found)
    yield from _between(text[at:], is_over=is_over)


def _between(text: str, *, is_over: bool) -> Iterator[Part]:
    """Plain SQL; after the statement's end only blanks."""
    if is_over and text.strip():
        raise _second()
    if text and not is_over:
        yield text


def _second() -> QueryError:
    return QueryError("it has something behind its `;`: only one statement can be asked")


def _token(found: re.Match[str]) -> Iterator[Part]:
    if (name := found["name"]) is not None:
        if name not in PARAMETERS:
            raise QueryError(f"%({name})s is no parameter: use {_KNOWN}")
        yield Parameter(name)
    elif found["quoted"] is not None:
        yield _unquoted_percents(found["quoted"])
    elif found["comment"] is not None:
        if "/*" in found["comment"][2:]:
            raise QueryError("it has a comment within a comment: leave one of them out")
        yield " "
    elif found["percent"] is not None:
        yield "%"
    elif found["foreign"] is not None:
        raise QueryError(f"{found['foreign']} is no parameter: use {_KNOWN}, and %% for a percent sign")
    elif found["open"] is not None:
        raise QueryError(f"{found['open']} is opened and never closed")


def _unquoted_percents(quoted: str) -> str:
    if "%" in quoted.replace("%%", ""):
        text = (
            f"{quoted[:40]} has a % in its quotes: parameters stand without quotes, and a percent sign is %%"
        )
        raise QueryError(text)
    return quoted.replace("%%", "%")
