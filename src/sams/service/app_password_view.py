"""App passwords as commands and pages see them, in wire values.

The running service asks the sources who a login is, and so makes app passwords for the members of each; a command
with the service down knows the built-in accounts alone. The password itself is in the answer to who made it, and
nowhere else: not in the journal, and not in what is stored.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sams.activity.events import AccountChanged as AccountEvent
from sams.control.messages import (
    MAX_PAGE,
    AppPasswordAdd,
    AppPasswordAdded,
    AppPasswordEntry,
    AppPasswordList,
    AppPasswordPage,
    AppPasswordRevoke,
    Changed,
)
from sams.control.peers import Peer
from sams.control.server import Handlers
from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.accounts.records import checked_patterns
from sams.identity.accounts.store import AccountStore
from sams.identity.app_passwords.lookup import AppPassword
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.app_passwords.uses import Use, forget_uses, read_uses
from sams.identity.patterns import narrowed, pattern_key

MAX_SENDERS = 100
"""Addresses that one app password may be narrowed to."""
_OCTETS_IN_PAGE = 500_000
"""Of a page, about: a line of the control socket holds a mebibyte, and some characters are written as two."""
_OCTETS_BESIDE = 1_000
"""Of an entry, besides its senders."""


@dataclass(frozen=True, slots=True)
class FoundMember:
    """Who an app password is made for.

    source: the name of the source that knows the member. login: as it is there.
    addresses: patterns of all that the member may send from, or for.
    is_builtin: the built-in source knows it. is_device: it is no person.
    """

    source: str
    login: str
    addresses: tuple[str, ...]
    is_builtin: bool = False
    is_device: bool = False


FindMember = Callable[[str, str], Awaitable[FoundMember]]
"""Finds the member of a login, in the source of this name, or with an empty one in the first that knows it.

It raises OperatorError where there is nobody, or a source cannot tell.
"""


class LocalAppPasswords:
    """`AppPasswordOperations` on the files themselves. Blocks: for commands, and for threads of the service.

    builtin: the name of the built-in source; None: there is none.
    uses: the file of last uses.
    """

    def __init__(
        self, accounts: AccountStore, store: AppPasswordStore, builtin: str | None, uses: Path
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._builtin = builtin
        self._uses = uses

    def list(self, login: str | None, after: tuple[str, str], limit: int) -> Sequence[AppPasswordEntry]:
        """By rising login and id, with the last use of each."""
        found = self._store.list(login, after=after, limit=limit)
        uses = read_uses(self._uses, [one.id for one in found])
        return tuple(_entry(one, uses.get(one.id)) for one in found)

    def add(self, wanted: AppPasswordAdd) -> AppPasswordAdded:
        """Make one for a built-in account."""
        if self._builtin is None or wanted.source not in {"", self._builtin}:
            name = visible(wanted.source, 100) or "the configured source"
            raise OperatorError(
                f"whether {name} knows this member, only the running service can ask: start it"
            )
        record = self._accounts.get(wanted.login)
        addresses = tuple(map(pattern_key, (*record.addresses, *record.may_send_as)))
        member = FoundMember(
            self._builtin, record.login, addresses, is_builtin=True, is_device=record.device is not None
        )
        return self.add_for(member, wanted)

    def add_for(self, member: FoundMember, wanted: AppPasswordAdd) -> AppPasswordAdded:
        """Make one for a member who was found."""
        if member.is_device:
            login = visible(member.login)
            raise OperatorError(
                f"{login} is a device, with a password of its own: `sams device passwd {login}`"
            )
        _check_senders(member, wanted.senders)
        made, password = self._store.add(
            member.source,
            member.login,
            wanted.name,
            expires=wanted.expires,
            networks=wanted.networks,
            senders=wanted.senders,
            is_builtin=member.is_builtin,
        )
        return AppPasswordAdded(_entry(made, None), password)

    def revoke(self, login: str | None, name: str | None, source: str) -> int:
        """End them."""
        return len(self.revoked(AppPasswordRevoke(login, name, source)))

    def revoked(self, wanted: AppPasswordRevoke) -> Sequence[AppPassword]:
        """End them; which they were."""
        source = wanted.source or None
        if wanted.login is None:
            if source is None or wanted.name is not None:
                raise OperatorError(
                    "Name the login whose app passwords end, or the source for all of its members."
                )
            found = self._store.revoke_source(source)
        elif wanted.name is None:
            found = self._store.revoke_all(wanted.login, source)
        else:
            found = self._store.revoke(wanted.login, wanted.name, source)
        forget_uses(self._uses, [one.id for one in found])
        return found


def app_password_handlers(
    app_passwords: LocalAppPasswords, find: FindMember, tell: Callable[[AccountEvent], None]
) -> Handlers:
    """The table by which the service answers what concerns app passwords; each change is told to the journal."""

    async def page(request: AppPasswordList, _peer: Peer) -> AppPasswordPage:
        limit = min(max(request.limit, 1), MAX_PAGE)
        found = await asyncio.to_thread(app_passwords.list, request.login, request.after, limit + 1)
        return _page(found, limit)

    async def add(request: AppPasswordAdd, peer: Peer) -> AppPasswordAdded:
        member = await find(request.login, request.source)
        added = await asyncio.to_thread(app_passwords.add_for, member, request)
        entry = added.entry
        tell(AccountEvent(entry.login, "app password added", peer.name, f"{entry.name} ({entry.source})"))
        return added

    async def revoke(request: AppPasswordRevoke, peer: Peer) -> Changed:
        found = await asyncio.to_thread(app_passwords.revoked, request)
        for one in found:
            tell(AccountEvent(one.login, "app password revoked", peer.name, f"{one.name} ({one.source})"))
        return Changed(len(found))

    return {AppPasswordList: page, AppPasswordAdd: add, AppPasswordRevoke: revoke}


def _check_senders(member: FoundMember, senders: Sequence[str]) -> None:
    """An app password that could send from nowhere would puzzle its owner.

    Raises:
        OperatorError: none of these is the member's, or they are too many.
    """
    if len(senders) > MAX_SENDERS:
        raise OperatorError(
            f"At most {MAX_SENDERS} senders can be named: *@domain stands for all of a domain."
        )
    allowed = [pattern_key(text) for text in json.loads(checked_patterns(senders, at_least=0))]
    if allowed and not narrowed(member.addresses, allowed):
        theirs = visible(", ".join(member.addresses), 300)
        raise OperatorError(f"{visible(member.login)} may send from {theirs}: --sender names some of these")


def _entry(one: AppPassword, use: Use | None) -> AppPasswordEntry:
    return AppPasswordEntry(
        id=one.id,
        source=one.source,
        login=one.login,
        name=one.name,
        created=one.created,
        expires=one.expires,
        networks=tuple(map(str, one.networks)),
        senders=one.senders,
        used_at=use.at if use is not None else None,
        used_from=use.address if use is not None else "",
        used_by=use.program if use is not None else "",
    )


def _page(found: Sequence[AppPasswordEntry], limit: int) -> AppPasswordPage:
    """As many as fit into a line, at least one."""
    taken: list[AppPasswordEntry] = []
    room = _OCTETS_IN_PAGE
    for one in found[:limit]:
        room -= _OCTETS_BESIDE + sum(len(text.encode()) + 3 for text in (*one.networks, *one.senders))
        if taken and room < 0:
            break
        taken.append(one)
    return AppPasswordPage(tuple(taken), more=len(taken) < len(found))
