"""What an entry says of a member: the login, the addresses, and for whom else the member may send."""

from __future__ import annotations

from dataclasses import dataclass

from sams.core.text import visible
from sams.identity.logins import Login
from sams.identity.sources.interface import Member, unanswerable
from sams.identity.sources.ldap.connection import LdapConnection, ServerFault
from sams.protocol.ldap import filters, names
from sams.protocol.ldap.messages import BASE, Entry, Search

MOST_MAILBOXES = 50
"""Entries of others that are read for one member; who may send for more is given an address list."""

_PROXY = "proxyaddresses"
_SMTP = "smtp:"
_TOLD = frozenset({0, 32, 34, 50})
"""Codes that tell of an entry, or that there is none, or none that may be read."""


@dataclass(frozen=True, slots=True)
class MemberAttributes:
    """Which attributes say what."""

    login: str
    addresses: tuple[str, ...]
    send_as: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Those to ask for."""
        return (self.login, *self.addresses, *self.send_as)


def login_of(entry: Entry, attribute: str, login: Login) -> str:
    """The member's login: where the entry has several, the one that was typed, else the first.

    Raises:
        TemporaryFailure: the entry has none.
    """
    values = entry.texts(attribute)
    if not values:
        raise unanswerable(f"{visible(entry.name, 200)} has no {attribute}, or it may not be read")
    typed = {login.user.casefold(), login.address.casefold(), login.bare.casefold()}
    return next((value for value in values if value.casefold() in typed), values[0])


def addresses_of(entry: Entry, attributes: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses in these attributes, in their order, each once."""
    found: dict[str, None] = {}
    for attribute in attributes:
        values = entry.texts(attribute)
        found.update(dict.fromkeys(_proxies(values) if attribute.lower() == _PROXY else values))
    return tuple(found)


async def send_as_of(
    entry: Entry, attributes: MemberAttributes, connection: LdapConnection
) -> tuple[str, ...]:
    """The addresses for which the member may send besides; a name stands for the addresses of its entry.

    Raises:
        ServerFault: the server does not answer.
    """
    found: dict[str, None] = {}
    values = addresses_of(entry, attributes.send_as)
    found.update(dict.fromkeys(value for value in values if not names.is_name(value)))
    for name in [value for value in values if names.is_name(value)][:MOST_MAILBOXES]:
        other = await read_entry(connection, name, attributes.addresses)
        if other is not None:
            found.update(dict.fromkeys(addresses_of(other, attributes.addresses)))
    return tuple(found)


async def read_entry(connection: LdapConnection, name: str, attributes: tuple[str, ...]) -> Entry | None:
    """The entry of this name; None: there is none that may be read.

    Raises:
        ServerFault: the server does not tell.
    """
    query = Search(name, filters.present("objectClass"), attributes, scope=BASE, size=1)
    found = await connection.search(query)
    if found.result.code not in _TOLD:
        told = f"{visible(found.result.diagnostic, 200)} (code {found.result.code})"
        raise ServerFault(f"{connection.server.text}: it does not tell of {visible(name, 200)}: {told}")
    return found.entries[0] if found.entries else None


def simple_member(entry: Entry, attributes: MemberAttributes, login: Login, suspended: str | None) -> Member:
    """The member, without what stands in other entries.

    Raises:
        TemporaryFailure: the entry has no login.
    """
    return Member(
        login_of(entry, attributes.login, login),
        addresses=addresses_of(entry, attributes.addresses),
        suspended=suspended,
    )


def _proxies(values: tuple[str, ...]) -> list[str]:
    """Exchange's list: `SMTP:` is the address that others see, `smtp:` are the others; it has no mail besides."""
    of_mail = [value for value in values if value[: len(_SMTP)].lower() == _SMTP]
    of_mail.sort(key=lambda value: not value.startswith(_SMTP.upper()))
    return [value[len(_SMTP) :] for value in of_mail]
