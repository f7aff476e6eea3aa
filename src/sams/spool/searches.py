"""What a person looks for: a `Search` as SQL, and pages of entries. Runs in a thread, on a connection of its own."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from sams.core.address import AddressError, domain_key
from sams.spool.interface import Entry, Search
from sams.spool.keys import before_moment, row_of
from sams.spool.records import (
    MESSAGE_COLUMNS,
    RECIPIENTS_OF,
    DecodeError,
    Value,
    message_value,
    recipient_value,
)

_MESSAGE = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id = ?"  # noqa: S608 - constants
_FIRST = -(2**63)


class Condition:
    """The WHERE of a search. Every value is bound."""

    def __init__(self, search: Search) -> None:
        self._terms: list[str] = []
        self._values: list[Value] = []
        if search.ids is not None:
            self._add_ids(search.ids)
        if search.login is not None:
            self._add("m.login = ?", search.login)
        if search.sender is not None:
            self._add_sender(search.sender)
        if search.held is not None:
            self._add("m.held = ?", int(search.held))
        if search.arrived_before is not None:
            self._add("m.arrived < ?", search.arrived_before)
        self._add_recipient(search)

    def rows(self, connection: apsw.Connection, after: int | None, limit: int) -> list[int]:
        """A page of rows, rising."""
        terms = ["m.id > ?", *self._terms]
        found = connection.execute(
            f"SELECT m.id FROM message AS m WHERE {' AND '.join(terms)} ORDER BY m.id LIMIT ?",  # noqa: S608 - the terms are constants of this file
            (_FIRST if after is None else after, *self._values, limit),
        )
        return [int(row) for (row,) in found]

    def _add(self, term: str, *values: Value) -> None:
        self._terms.append(term)
        self._values += values

    def _add_ids(self, ids: Sequence[str]) -> None:
        """A row alone is no id: messages of two shards may have the same one."""
        keys = [key for identifier in ids if (key := _key_or_none(identifier)) is not None]
        self._add(f"m.id IN ({','.join('?' * len(keys))})", *(row for row, _ in keys))
        pairs = ",".join(["(?,?)"] * len(keys)) or "(NULL,NULL)"
        self._add(f"(m.id, m.shard) IN (VALUES {pairs})", *(part for key in keys for part in key))

    def _add_sender(self, sender: str) -> None:
        if sender in {"", "<>"}:
            self._add("m.sender_local IS NULL")
            return
        local, domain = split_pattern(sender)
        if local is not None:
            self._add("m.sender_local = ? COLLATE NOCASE", local)
        self._add("m.sender_domain = ? COLLATE NOCASE", domain)

    def _add_recipient(self, search: Search) -> None:
        terms: list[str] = []
        values: list[Value] = []
        if search.recipient is not None:
            local, domain = split_pattern(search.recipient)
            if local is not None:
                terms.append("r.local = ? COLLATE NOCASE")
                values.append(local)
            terms.append("r.domain_key = ?")
            values.append(domain)
        if search.route is not None:
            terms.append("r.route = ?")
            values.append(search.route)
        if terms:
            term = " AND ".join(["r.message = m.id", *terms])
            self._add(f"EXISTS (SELECT 1 FROM recipient AS r WHERE {term})", *values)  # noqa: S608 - constants of this file


def split_pattern(text: str) -> tuple[str | None, str]:
    """An address or `*@domain` (also `@domain`) as local part, None for any, and domain key."""
    local, _, domain = text.rpartition("@")
    try:
        key = domain_key(domain)
    except AddressError:
        key = domain.lower()
    return (None if local in {"", "*"} else local), key


def page(connection: apsw.Connection, search: Search, after: str | None, limit: int) -> list[Entry]:
    """Entries by rising id behind `after`. What cannot be read is left out: a claim sets it aside."""
    condition = Condition(search)
    after = None if after is None else after.upper()
    place = None if after is None else before_moment(row_of(after)[0])
    entries: list[Entry] = []
    while len(entries) < limit:
        with connection:
            rows = condition.rows(connection, place, limit - len(entries))
            found = (entry for row in rows if (entry := _entry(connection, row)) is not None)
            entries += [entry for entry in found if after is None or entry.message.id > after]
        if not rows:
            break
        place = rows[-1]
    return entries


def matching(connection: apsw.Connection, search: Search, after: int | None, limit: int) -> list[int]:
    """The rows of messages that match, a page at a time."""
    return Condition(search).rows(connection, after, limit)


def _entry(connection: apsw.Connection, row: int) -> Entry | None:
    try:
        [message] = connection.execute(_MESSAGE, (row,)).fetchall()
        recipients = connection.execute(RECIPIENTS_OF, (row,))
        return Entry(message_value(message), tuple(map(recipient_value, recipients)))
    except (DecodeError, UnicodeDecodeError):
        return None


def _key_or_none(identifier: str) -> tuple[int, int] | None:
    try:
        return row_of(identifier)
    except KeyError:
        return None
