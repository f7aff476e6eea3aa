"""Questions to a Kerberos realm, by GSS-API (RFC 2743, RFC 4121). Each may block for half a minute: for threads.

A password is right when the realm gives a ticket for it, and then one for this service that our own key opens.
Without the second step whoever answers in the realm's place decides which passwords are right: a reply to a made-up
password is easily made up, too (D. Zanarotti's attack).

Nothing is kept in files or in the process's environment: tickets are in memory, for the length of a question.
"""

from __future__ import annotations

import errno
import secrets
from dataclasses import dataclass
from pathlib import Path

from gssapi import raw
from gssapi.raw import GSSError

from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.sources.interface import Answer, Member, down
from sams.identity.sources.kerberos.codes import NOT_BY_PASSWORD, SHUT, WRONG, Code, code_of, words_of

Store = dict[bytes | str, bytes | str]
"""Where credentials are. In bytes: of text the library keeps a pointer, to what is gone when it looks there."""

KERBEROS = raw.MechType.kerberos
_SERVICE = "smtp"
"""As RFC 4752 section 3.1 and RFC 4954 section 4 name the service."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Our keys in a keytab. It is read anew at each use: who renews the keys need not restart."""

    file: Path

    def accepting(self) -> raw.Creds:
        """To accept tickets for `smtp`, whatever name of this machine members' programs use.

        Raises:
            GSSError: there is no such key.
        """
        anyhow = raw.import_name(_SERVICE.encode(), raw.NameType.hostbased_service)
        store: Store = {b"keytab": self._name}
        return raw.acquire_cred_from(store, name=anyhow, mechs={KERBEROS}, usage="accept").creds

    def asking(self, principal: str) -> raw.Creds:
        """To ask the realm for something as this principal.

        Raises:
            GSSError: there is no such key, or the realm gives no ticket for it.
        """
        cache = f"MEMORY:sams-{secrets.token_hex(16)}"
        store: Store = {b"client_keytab": self._name, b"ccache": cache.encode()}
        return raw.acquire_cred_from(
            store, name=principal_name(principal), mechs={KERBEROS}, usage="initiate"
        ).creds

    @property
    def _name(self) -> bytes:
        return f"FILE:{self.file}".encode()


@dataclass(frozen=True, slots=True)
class Realm:
    """A realm as this service sees it.

    service: the principal whose key is in the keytab. asker: as whom members are looked up.
    """

    name: str
    keys: Keys
    service: str
    asker: str

    def check(self, user: str, password: str) -> Answer:
        """Whether this is the password of `user@REALM`.

        Raises:
            TemporaryFailure: the realm cannot be asked, or is not the one that made our key.
        """
        principal = f"{user}@{self.name}"
        try:
            ticket = raw.acquire_cred_with_password(
                principal_name(principal), password.encode(), mechs={KERBEROS}, usage="initiate"
            ).creds
        except GSSError as error:
            return self._refusal(error)
        if self._proved(ticket) != principal:
            return Answer(Finding.UNAVAILABLE, detail=f"the realm knows {principal} by another name")
        return Answer(Finding.RIGHT, Member(user))

    def find(self, user: str) -> Member | None:
        """Who it is: we ask for a ticket to ourselves in the member's name (S4U2Self).

        The realm gives it for whoever may sign in; that a password has expired does not count.

        Raises:
            TemporaryFailure: the realm cannot be asked.
        """
        try:
            asker = self.keys.asking(self.asker)
        except GSSError as error:
            trouble = f"{self.asker} gets no ticket by the keytab {self.keys.file}, to look members up"
            raise self._down(trouble, error) from None
        try:
            raw.acquire_cred_impersonate_name(
                asker, principal_name(f"{user}@{self.name}"), mechs={KERBEROS}, usage="initiate"
            )
        except GSSError as error:
            return self._absence(user, error)
        return Member(user)

    def _refusal(self, error: GSSError) -> Answer:
        code = code_of(error)
        if code == Code.CLIENT_UNKNOWN:
            return Answer(Finding.UNKNOWN)
        if code in WRONG:
            return Answer(Finding.WRONG)
        if code == Code.PASSWORD_EXPIRED:
            return Answer(Finding.WRONG, detail="the password has expired, and the realm takes it no more")
        if code in SHUT:
            return Answer(Finding.WRONG, detail=SHUT[Code(code)])
        if code in NOT_BY_PASSWORD:
            return Answer(Finding.UNAVAILABLE, detail=NOT_BY_PASSWORD[Code(code)])
        raise self._down("no ticket", error)

    def _absence(self, user: str, error: GSSError) -> Member | None:
        code = code_of(error)
        if code == Code.CLIENT_UNKNOWN:
            return None
        if code in SHUT:
            return Member(user, suspended=SHUT[Code(code)])
        raise self._down(f"{self.asker} may not look members up (see can_find)", error)

    def _proved(self, ticket: raw.Creds) -> str:
        """For whom the realm vouches to our own key.

        Raises:
            TemporaryFailure: it does not.
        """
        try:
            request = raw.init_sec_context(principal_name(self.service), creds=ticket, mech=KERBEROS)
        except GSSError as error:
            raise self._down(f"no ticket for {self.service}", error) from None
        try:
            context = raw.accept_sec_context(request.token or b"", acceptor_creds=self.keys.accepting())
        except GSSError as error:
            trouble = f"the keytab {self.keys.file} does not open a ticket for {self.service}"
            raise self._down(
                f"{trouble}: it is of an older key, or somebody answers as the realm", error
            ) from None
        return shown_name(context.initiator_name)

    def _down(self, trouble: str, error: GSSError) -> TemporaryFailure:
        return down(f"Kerberos realm {self.name}: {trouble}: {words_of(error)}{_advice(error)}")


def principal_name(principal: str) -> raw.Name:
    """A principal as it stands: no DNS, no local rules."""
    return raw.import_name(principal.encode(), raw.NameType.kerberos_principal)


def shown_name(name: raw.Name | None) -> str:
    """A principal as text; empty: none, or one that is no UTF-8."""
    if name is None:
        return ""
    return raw.display_name(name, name_type=False).name.decode("utf-8", "replace")


def _advice(error: GSSError) -> str:
    code = code_of(error)
    if code == Code.UNREACHABLE:
        return " (look at the KDCs in krb5.conf or DNS, and at port 88 on the way there)"
    if code == Code.CLOCKS_DIFFER:
        return " (set the clocks: they may be five minutes apart)"
    if code == Code.SERVICE_UNKNOWN:
        return " (add this principal to the realm and its key to the keytab)"
    if error.min_code in {errno.EACCES, errno.ENOENT}:
        return " (the service's user must be able to read the keytab)"
    return ""
