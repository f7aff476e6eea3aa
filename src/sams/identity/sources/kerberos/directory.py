"""A Kerberos realm as a directory: members by tickets (GSSAPI), by passwords, and by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sams.config.sources import KerberosSource
from sams.core.errors import OperatorError, TemporaryFailure
from sams.core.text import visible
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.sources.interface import Answer, Member, down
from sams.identity.sources.login_forms import NO_LOGIN, sent_login
from sams.identity.sources.threads import StrayThreads
from sams.protocol.sasl.interface import PrincipalClaim, SecurityContext

if TYPE_CHECKING:  # they need the extra
    from sams.identity.sources.kerberos.realm import Realm

_MISSING = (
    "the source {name} needs the library gssapi, which is not installed. On Debian: apt install gcc python3-dev "
    "libkrb5-dev, then make env again (elsewhere: pip install 'sams[kerberos]')"
)
_SPARE = 3
"""Threads for each question that may be asked at once: a realm that is silent holds each for half a minute."""
_PARTS = frozenset("/@\\")
"""What parts a principal into an instance (`alice/admin`), a realm, and what is escaped."""
_LONGEST = 254


class KerberosDirectory:
    """The source `kerberos` (`Directory`, `proofs.PrincipalDirectory`).

    name: the service's; the principal of our key is `smtp/name@REALM` where the section says none.

    Raises:
        OperatorError: the library is missing.
    """

    def __init__(self, section: KerberosSource, name: str) -> None:
        self._section = section
        self._realm = _realm(section, name)
        self._threads = StrayThreads(_SPARE * section.connections, "kerberos", self._busy)

    @property
    def can_find(self) -> bool:
        """Where the realm lets this service ask for members (S4U2Self)."""
        return self._section.can_find

    async def verify(
        self,
        login: Login,
        password: str,
        address: str,  # noqa: ARG002 - a realm hears of its clients alone
    ) -> Answer:
        """Ask the realm for a ticket by the password, and for one more that our key opens."""
        if not self._section.passwords:
            return Answer(Finding.REFUSED, detail="passwords of the realm are not taken (passwords = false)")
        user = self._user(login)
        if user is None:
            return NO_LOGIN
        return await self._threads.run(lambda: self._realm.check(user, password))

    async def find(self, login: Login) -> Member | None:
        """Ask the realm for the member; None: no principal of the realm."""
        user = self._user(login)
        return None if user is None else await self._threads.run(lambda: self._realm.find(user))

    async def find_principal(self, claim: PrincipalClaim) -> Answer:
        """Who a principal is here, by its name alone: its ticket was accepted.

        Only `name@REALM` of this realm is a member: a name with an instance (`alice/admin`, `host/…`) is another
        person's right or a machine.
        """
        user, _, realm = claim.principal.rpartition("@")
        if realm != self._section.realm or not _is_member(user):
            return Answer(Finding.UNKNOWN, detail=f"no member's principal: {visible(claim.principal, 200)}")
        return Answer(Finding.RIGHT, Member(user))

    def accept_context(self) -> SecurityContext:
        """The acceptor of one ticket."""
        from sams.identity.sources.kerberos.context import KerberosContext  # noqa: PLC0415 - needs the extra

        return KerberosContext(self._realm.keys)

    async def close(self) -> None:
        """Nothing is open between questions; threads that still wait end by themselves."""

    def _user(self, login: Login) -> str | None:
        user = sent_login(login, "user")
        return user if user is not None and _is_member(user) else None

    def _busy(self) -> TemporaryFailure:
        return down(
            f"Kerberos realm {self._section.realm}: its KDCs are silent, and all threads wait for them "
            "(look at the KDCs in krb5.conf or DNS, and at port 88 on the way there)"
        )


def _realm(section: KerberosSource, name: str) -> Realm:
    try:
        from sams.identity.sources.kerberos.realm import Keys, Realm  # noqa: PLC0415 - needs the extra
    except ImportError:
        raise OperatorError(_MISSING.format(name=section.id)) from None
    service = section.principal or f"smtp/{name}@{section.realm}"
    return Realm(section.realm, Keys(section.keytab), service, section.look_up_as or service)


def _is_member(user: str) -> bool:
    return 0 < len(user) <= _LONGEST and user.isprintable() and _PARTS.isdisjoint(user)
