"""Whether a member is in a group, directly or through groups in it.

Active Directory follows nested groups by a matching rule of its own (LDAP_MATCHING_RULE_IN_CHAIN): one question. With
other servers the way is walked upwards from the member: the groups whose `member`, `uniqueMember` or `memberUid` name
the member, then the groups whose `member` or `uniqueMember` name one of these, until the group is met or nothing new
is found. Where the server keeps `memberOf`, it is believed first. No group is visited twice, so that groups which
hold each other end; and there is a bound, so that nobody waits for a maze.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from sams.core.text import visible
from sams.identity.sources.interface import unanswerable
from sams.identity.sources.ldap.connection import LdapConnection, ServerFault
from sams.identity.sources.ldap.members import read_entry
from sams.protocol.ldap import filters, names
from sams.protocol.ldap.messages import BASE, NO_ATTRIBUTES, Entry, Search

MEMBER_OF = "memberOf"
DEEPEST = 10
MOST_GROUPS = 500
_AT_ONCE = 50
"""Groups that one question names."""
_IN_CHAIN = "1.2.840.113556.1.4.1941"
_SIZE_LIMIT = 4
_NOBODY = "sams-probe"
_TOO_MANY = "is in too many groups to tell whether one is in the group: narrow group_base"


class Group(Protocol):
    """The group of those who may send."""

    @property
    def name(self) -> str:
        """Its distinguished name."""
        ...

    async def has(self, entry: Entry, login: str, connection: LdapConnection) -> bool:
        """Whether the entry is in it."""
        ...


async def is_in(
    group: Group, entry: Entry, login: str, connection: LdapConnection, *, as_service: bool
) -> bool:
    """Whether a member is in the group; who is in none that exists has met a mistake of the configuration.

    as_service: the service asks, so that what it cannot read it can read for nobody; not the member itself.

    Raises:
        ServerFault: the server does not tell; as the service, also: the group does not exist.
        TemporaryFailure: the group does not exist, or the member's groups are too many to tell.
    """
    if await group.has(entry, login, connection):
        return True
    if as_service:
        await _check_name(group, connection)
    elif not await _exists(group, connection):
        raise unanswerable(_missing(group))
    return False


async def check(group: Group, connection: LdapConnection) -> None:
    """Whether the group can be asked about, as the service: if not, nobody is in it.

    Raises:
        ServerFault: it cannot.
        TemporaryFailure: who is nobody is in too many groups.
    """
    if isinstance(group, PosixGroup):
        await group.check_base(connection)
    await _check_name(group, connection)


async def _check_name(group: Group, connection: LdapConnection) -> None:
    if not await _exists(group, connection):
        raise ServerFault(f"{connection.server.text}: {_missing(group)}")


async def _exists(group: Group, connection: LdapConnection) -> bool:
    return await read_entry(connection, group.name, (NO_ATTRIBUTES,)) is not None


def _missing(group: Group) -> str:
    return f"the group {visible(group.name, 200)} does not exist, or may not be read"


class WindowsGroup:
    """A group of Active Directory."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    async def has(self, entry: Entry, login: str, connection: LdapConnection) -> bool:
        """Whether the entry is in it.

        Raises:
            ServerFault: the server does not tell.
        """
        del login
        query = Search(
            entry.name,
            filters.matches(MEMBER_OF, _IN_CHAIN, self.name),
            (NO_ATTRIBUTES,),
            scope=BASE,
            size=1,
        )
        found = await connection.search(query)
        if found.result.code:
            raise _untold(connection, found.result.code)
        return bool(found.entries)


class PosixGroup:
    """A group of another server. base: where the groups are through which somebody may be in it."""

    __slots__ = ("_base", "_key", "name")

    def __init__(self, name: str, base: str = "") -> None:
        self.name = name
        self._key = names.key(name)
        self._base = base or names.parent(name) or name

    async def has(self, entry: Entry, login: str, connection: LdapConnection) -> bool:
        """Whether the entry is in it. login: as `memberUid` names the member.

        Raises:
            ServerFault: the server does not tell.
            TemporaryFailure: the groups are too many to tell.
        """
        told = entry.texts(MEMBER_OF)
        seen = {names.key(name) for name in told}
        queries = [filters.equal("memberUid", login), *_naming(entry.name)]
        new = list(told)
        for _ in range(DEEPEST):
            if self._key in seen:
                return True
            new += self._unseen(await self._holding(queries, connection), seen)
            if not new or len(seen) > MOST_GROUPS:
                break
            queries, new = [query for name in new for query in _naming(name)], []
        if new and self._key not in seen:
            raise unanswerable(f"{visible(entry.name, 200)} {_TOO_MANY}")
        return self._key in seen

    async def check_base(self, connection: LdapConnection) -> None:
        """Whether groups can be searched for.

        Raises:
            ServerFault: they cannot.
            TemporaryFailure: nobody is in too many.
        """
        await self._holding([filters.equal("memberUid", _NOBODY)], connection)

    @staticmethod
    def _unseen(found: Iterable[str], seen: set[names.Key]) -> list[str]:
        """Those that were not visited; now they are."""
        new = []
        for name in found:
            key = names.key(name)
            if key not in seen:
                seen.add(key)
                new.append(name)
        return new

    async def _holding(self, queries: list[bytes], connection: LdapConnection) -> list[str]:
        """The names of the groups that one of these queries finds."""
        found: list[str] = []
        for at in range(0, len(queries), _AT_ONCE):
            query = filters.one_of(*queries[at : at + _AT_ONCE])
            answer = await connection.search(Search(self._base, query, (NO_ATTRIBUTES,), size=MOST_GROUPS))
            if answer.result.code == _SIZE_LIMIT:
                raise unanswerable(f"somebody {_TOO_MANY}")
            if answer.result.code:
                raise _untold(connection, answer.result.code)
            found += [entry.name for entry in answer.entries]
        return found


def _naming(name: str) -> list[bytes]:
    return [filters.equal("member", name), filters.equal("uniqueMember", name)]


def _untold(connection: LdapConnection, code: int) -> ServerFault:
    return ServerFault(
        f"{connection.server.text}: it does not tell who is in the group (code {code}): do group and "
        "group_base exist, and may bind_dn read them?"
    )
