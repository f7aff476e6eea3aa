"""An LDAP directory (RFC 4511): OpenLDAP, 389 Directory Server, FreeIPA, Active Directory.

A password is tried by a simple bind. Who the member is, whether the account may be used and for whom it may send is
read from the member's entry, which is searched for before (`_Searching`) or read after (`_Binding`). For somebody
who is not found a bind is tried all the same, as somebody whom nobody knows, so that unknown logins take as many
round trips as wrong passwords.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Mapping
from typing import Protocol

from sams.config.kinds import Unfit
from sams.config.ldap_checks import PLACES, LdapServer, ldap_server
from sams.config.sources import LdapSource
from sams.core.clock import Clock, SystemClock
from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.sources.interface import Answer, Member, unanswerable
from sams.identity.sources.ldap.connection import LdapConnection, ServerFault, connect
from sams.identity.sources.ldap.groups import MEMBER_OF, Group, PosixGroup, WindowsGroup, check, is_in
from sams.identity.sources.ldap.members import (
    MemberAttributes,
    login_of,
    read_entry,
    send_as_of,
    simple_member,
)
from sams.identity.sources.ldap.servers import LdapServers, Line, ServiceName
from sams.identity.sources.ldap.states import (
    NOT_IN_GROUP,
    STATE_ATTRIBUTES,
    Judgement,
    Schema,
    judge_bind,
    judge_entry,
)
from sams.protocol.ldap import names
from sams.protocol.ldap.filters import Filter
from sams.protocol.ldap.messages import PASSWORD_POLICY, Entry, Search

FILTERS: dict[Schema, str] = {
    "posix": "(&(|(objectClass=person)(objectClass=posixAccount))(|(uid={user})(mail={address})))",
    "active-directory": (
        "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={user})(userPrincipalName={address})))"
    ),
}
LOGIN_ATTRIBUTES: dict[Schema, str] = {"posix": "uid", "active-directory": "sAMAccountName"}

_SIZE_LIMIT, _NO_SUCH = 4, 32
_OF_THE_QUESTION = frozenset({3, 11, 16, 17, 18, 21})
"""Limits of time and effort, values that an attribute cannot have: whoever knows such a login is no outage."""
_NOT_IN_A_NAME = frozenset('\0"+,;<>=#')
_UNKNOWN = Answer(Finding.UNKNOWN)
_NO_TEXT = Answer(Finding.REFUSED, detail="a login or password that cannot be sent")


class _Reader:
    """Finds entries, and tells who they are of."""

    def __init__(self, section: LdapSource, clock: Clock) -> None:
        self._section = section
        self._clock = clock
        self._filter = Filter(section.filter or FILTERS[section.schema], PLACES)
        self._attributes = MemberAttributes(
            section.login_attribute or LOGIN_ATTRIBUTES[section.schema],
            section.address_attributes,
            section.send_as_attributes,
        )
        self._group = _group(section)
        of_groups = (MEMBER_OF,) if isinstance(self._group, PosixGroup) else ()
        self._asked_for = (*self._attributes.all, *STATE_ATTRIBUTES[section.schema], *of_groups)

    async def search(self, connection: LdapConnection, login: Login) -> Entry | None:
        """The login's entry; None: there is none.

        Raises:
            ServerFault: the server does not tell.
            TemporaryFailure: there are two.
        """
        query = self._filter.filled(values_of(login))
        found = await connection.search(Search(self._section.base, query, self._asked_for, size=2))
        if len(found.entries) > 1 or found.result.code == _SIZE_LIMIT:
            each = " and ".join(visible(entry.name, 200) for entry in found.entries)
            raise unanswerable(
                f"the filter finds more than one entry ({each}): make it find one for each login"
            )
        if found.result.code in _OF_THE_QUESTION:
            raise unanswerable(_no_search(connection, found.result.code, found.result.diagnostic))
        if found.result.code:
            raise ServerFault(_no_search(connection, found.result.code, found.result.diagnostic))
        return found.entries[0] if found.entries else None

    async def read(self, connection: LdapConnection, name: str) -> Entry | None:
        """The entry of this name, if it may be read.

        Raises:
            ServerFault: the server does not answer.
        """
        return await read_entry(connection, name, self._asked_for)

    async def check_group(self, connection: LdapConnection) -> None:
        """Whether the group can be asked about.

        Raises:
            ServerFault: it cannot.
        """
        if self._group is not None:
            await check(self._group, connection)

    async def member(
        self,
        connection: LdapConnection,
        entry: Entry,
        login: Login,
        suspended: str | None = None,
        *,
        as_service: bool = True,
    ) -> Member:
        """Who the entry's member is. suspended: what is known already. as_service: or the member asks for itself.

        Raises:
            ServerFault: the server does not tell.
            TemporaryFailure: the entry says what cannot be understood.
        """
        name = login_of(entry, self._attributes.login, login)
        suspended = suspended or judge_entry(entry, self._section.schema, self._clock.now())
        if (
            not suspended
            and self._group is not None
            and not await is_in(self._group, entry, name, connection, as_service=as_service)
        ):
            suspended = NOT_IN_GROUP
        simple = simple_member(entry, self._attributes, login, suspended)
        send_as = await send_as_of(entry, self._attributes, connection)
        return Member(simple.login, simple.addresses, send_as, suspended)


class _Way(Protocol):
    """How a password is tried."""

    async def verify(self, line: Line, login: Login, password: str) -> Answer: ...


class _Searching:
    """Search for the entry as the service, bind as the entry."""

    def __init__(self, base: str, reader: _Reader, controls: tuple[str, ...]) -> None:
        self._reader = reader
        self._controls = controls
        self._nobody = f"cn=nobody-{secrets.token_hex(8)},{base}"

    async def verify(self, line: Line, login: Login, password: str) -> Answer:
        """Whether the password is right."""
        async with line.as_service() as service:
            entry = await self._reader.search(service, login)
        async with line.as_member() as connection:
            name = self._nobody if entry is None else entry.name
            result = await connection.bind(name, password, self._controls)
        judged = judge_bind(result, entry, connection.server.text)
        if entry is None:
            return _UNKNOWN
        if judged.finding is not Finding.RIGHT:
            return Answer(judged.finding, detail=judged.detail)
        async with line.as_service() as service:
            member = await self._reader.member(service, entry, login, judged.suspended)
        return Answer(Finding.RIGHT, member, judged.detail)


class _Binding:
    """Bind by a name made of the login, read the entry as the member."""

    def __init__(self, section: LdapSource, reader: _Reader, controls: tuple[str, ...]) -> None:
        self._template = section.user_dn
        self._has_base = bool(section.base)
        self._reader = reader
        self._controls = controls

    async def verify(self, line: Line, login: Login, password: str) -> Answer:
        """Whether the password is right."""
        name = bind_name(self._template, login)
        if name is None:
            return _UNKNOWN
        async with line.as_member() as connection:
            result = await connection.bind(name, password, self._controls)
            judged = judge_bind(result, None, connection.server.text)
            if judged.finding is not Finding.RIGHT:
                return Answer(judged.finding, detail=judged.detail)
            return await self._right(connection, name, login, judged)

    async def _right(self, connection: LdapConnection, name: str, login: Login, judged: Judgement) -> Answer:
        if judged.suspended is not None:  # who has to change the password may read nothing before
            return Answer(Finding.RIGHT, Member(login.bare, suspended=judged.suspended), judged.detail)
        if self._has_base:
            entry = await self._reader.search(connection, login)
            if entry is None:
                return Answer(Finding.UNKNOWN, detail="the password is right, and the filter finds no entry")
        elif not names.is_name(name):
            return Answer(Finding.RIGHT, Member(login.bare))
        else:
            entry = await self._reader.read(connection, name)
            if entry is None:
                raise unanswerable(f"{visible(name, 200)} may not read its own entry: allow it, or set base")
        member = await self._reader.member(connection, entry, login, as_service=False)
        return Answer(Finding.RIGHT, member)


class LdapDirectory:
    """One LDAP source (`identity.sources.interface.Directory`).

    bind_password: for `bind_dn`.

    Raises:
        OperatorError: a key has a value that cannot be used, or `ca_file` cannot be read.
    """

    def __init__(self, section: LdapSource, bind_password: str = "", clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        context = _context(section)
        if section.bind_dn and not bind_password:
            raise OperatorError("the password of bind_dn is empty: a server would take that for anonymous")
        self._reader = _Reader(section, clock)
        self._way = _way(section, self._reader)
        self.can_find = bool(section.base) and (not section.user_dn or bool(section.bind_dn))
        self._servers = LdapServers(
            _servers(section),
            lambda server: connect(server, section.security, context),
            ServiceName(section.bind_dn, bind_password),
            clock=clock,
            timeout=section.timeout,
            most_idle=section.connections,
        )

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        """Try the password by a bind. An empty one is never sent.

        Raises:
            TemporaryFailure: no server answers, or what one answers cannot be understood.
        """
        del address
        if not password or not _can_be_sent(password) or not _can_be_sent(login.typed):
            return _NO_TEXT
        return await self._servers.ask(lambda line: self._way.verify(line, login, password))

    async def find(self, login: Login) -> Member | None:
        """Who it is, as the service may read it.

        Raises:
            TemporaryFailure: no server answers, or what one answers cannot be understood.
        """
        if not _can_be_sent(login.typed):
            return None
        return await self._servers.ask(lambda line: self._find(line, login))

    async def close(self) -> None:
        """Close the connections that wait."""
        await self._servers.close()

    async def _find(self, line: Line, login: Login) -> Member | None:
        async with line.as_service() as service:
            entry = await self._reader.search(service, login)
            if entry is None:  # so is who is asked about to find out whether all is well
                await self._reader.check_group(service)
                return None
            return await self._reader.member(service, entry, login)


def values_of(login: Login) -> Mapping[str, str]:
    """What is put into the places of a filter."""
    return {"user": login.user, "domain": login.domain, "address": login.address, "login": login.bare}


def bind_name(template: str, login: Login) -> str | None:
    """The name to bind as; None: this login can make none.

    In a distinguished name values are escaped. In other forms (`{address}`) there is no way to escape: what could
    make a distinguished name of them is nobody's.
    """
    values, is_name = values_of(login), names.is_name(template)
    for place, value in values.items():
        if f"{{{place}}}" in template and not is_name and _NOT_IN_A_NAME & set(value):
            return None
    pieces = template.replace("{", "\0{").replace("}", "}\0").split("\0")
    return "".join(_filled(piece, values, is_name=is_name) for piece in pieces)


def _filled(piece: str, values: Mapping[str, str], *, is_name: bool) -> str:
    value = values.get(piece[1:-1]) if piece.startswith("{") and piece.endswith("}") else None
    if value is None:
        return piece
    return names.escaped(value) if is_name else value


def _can_be_sent(text: str) -> bool:
    """A lone surrogate is in no UTF-8."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _way(section: LdapSource, reader: _Reader) -> _Way:
    controls = (PASSWORD_POLICY,) if section.schema == "posix" else ()
    if section.user_dn:
        return _Binding(section, reader, controls)
    return _Searching(section.base, reader, controls)


def _group(section: LdapSource) -> Group | None:
    if not section.group:
        return None
    if section.schema == "active-directory":
        return WindowsGroup(section.group)
    return PosixGroup(section.group, section.group_base)


def _servers(section: LdapSource) -> tuple[LdapServer, ...]:
    try:
        return tuple(map(ldap_server, section.servers))
    except Unfit as error:
        raise OperatorError(f"servers: {error}") from None


def _context(section: LdapSource) -> ssl.SSLContext:
    """Certificates are checked: by chain, name and dates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if section.ca_file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(section.ca_file)
    except OSError as error:
        told = f"{section.ca_file}: no certificates can be read from it ({error.strerror or error})"
        raise OperatorError(told) from None
    return context


def _no_search(connection: LdapConnection, code: int, diagnostic: str) -> str:
    told = f"{connection.server.text}: it does not search (code {code}) {visible(diagnostic, 200)}".rstrip()
    return f"{told}: does base exist, and may bind_dn read it?" if code == _NO_SUCH else told
