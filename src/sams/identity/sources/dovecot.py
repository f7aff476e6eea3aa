"""The users of a Dovecot (2.3, 2.4), asked over the sockets of its authentication service.

Dovecot does not say whether a password was wrong or the login unknown. Where `user_socket` is set it is asked for the
user as well, and there says which.
"""

from __future__ import annotations

from collections.abc import Mapping

from sams.config.sources import DovecotSource
from sams.core.text import visible
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.sources.dovecot_link import DovecotChannel
from sams.identity.sources.interface import Answer, Member, down
from sams.identity.sources.login_forms import NO_LOGIN, is_same_domain, sent_login
from sams.protocol.dovecot import Answer as Told
from sams.protocol.dovecot import Socket, plain_response

_DISABLED = {"user_disabled": "the user is disabled there", "pass_expired": "the password has expired"}
_DOWN = {
    "temp": "it could not ask its own database; its log tells why",
    "temp_fail": "it could not ask its own database; its log tells why",
    "auth_mech_invalid": "it does not take PLAIN: add it to auth_mechanisms",
    "auth_mech_ssl_required": "it demands TLS from members, and was told that there is: see `ssl` there",
}
_ELSEWHERE = Answer(
    Finding.REFUSED, detail="Dovecot sends the user to another Dovecot: ask that one's socket"
)
_ANY_DOMAIN = Answer(
    Finding.REFUSED,
    detail="the password is right, and Dovecot takes the login's domain for another one or none",
)
_NOT_IN_USERDB = Answer(
    Finding.REFUSED, detail="the password is right, and Dovecot's userdb has no such user"
)
_NO_USER_DATA = (
    "it could not look up a user; its log tells why (a socket with mode 0666 answers only about users of the asker's "
    "own uid: give it mode 0660 and the group of this service)"
)


class DovecotDirectory:
    """A Dovecot as a directory: passwords go to `socket`; `user_socket` says who somebody is, where there is one."""

    def __init__(self, section: DovecotSource) -> None:
        self._section = section
        patience = section.timeout / 2
        self._passwords = DovecotChannel(section.socket, Socket.PASSWORDS, patience)
        self._users = (
            DovecotChannel(section.user_socket, Socket.USERS, patience) if section.user_socket else None
        )

    @property
    def can_find(self) -> bool:
        """With `user_socket`."""
        return self._users is not None

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        """One AUTH; with `user_socket` a USER behind it."""
        user = sent_login(login, self._section.login_form)
        if user is None:
            return NO_LOGIN
        told = await self._passwords.ask(
            "AUTH",
            "PLAIN",
            f"service={self._section.service}",
            "secured=tls",  # members give passwords in TLS alone
            "no-penalty",  # the guard here knows who guesses; a wait there would look like an outage
            f"rip={address}",
            plain_response(user, password),
        )
        if told.verb == "OK":
            return await self._accepted(login, user, told.fields)
        if told.verb == "FAIL":
            return await self._refused(user, told.fields)
        raise self._passwords.down(f"it answered {told.verb} to PLAIN")

    async def find(self, login: Login) -> Member | None:
        """One USER.

        Raises:
            TemporaryFailure: also without `user_socket`.
        """
        if self._users is None:
            raise down("Dovecot is asked who somebody is only where `user_socket` is set")
        user = sent_login(login, self._section.login_form)
        member = None if user is None else await self._look_up(user, self._users)
        return member if member is not None and is_same_domain(login, member.login) else None

    async def close(self) -> None:
        """Hang up; questions that wait are down."""
        self._passwords.close()
        if self._users is not None:
            self._users.close()

    async def _accepted(self, login: Login, asked: str, fields: Mapping[str, str]) -> Answer:
        """An OK says that the password is right, and not that the user may come in."""
        if "proxy" in fields or ("nologin" in fields and "host" in fields):
            return _ELSEWHERE
        if master := fields.get("auth_user") or fields.get("master_user"):
            text = f"{visible(master, 100)} is a master user there, and signs in for nobody here"
            return Answer(Finding.WRONG, detail=text)
        user = fields.get("user") or asked
        if not is_same_domain(login, user):
            return _ANY_DOMAIN
        if self._users is None or "nologin" in fields:
            return Answer(Finding.RIGHT, self._member(user, fields))
        member = await self._look_up(user, self._users)
        return _NOT_IN_USERDB if member is None else Answer(Finding.RIGHT, member)

    async def _refused(self, user: str, fields: Mapping[str, str]) -> Answer:
        codes = (fields.get("code", ""), *(name for name, value in fields.items() if not value))
        for code in codes:
            if code in _DOWN:
                raise self._passwords.down(_DOWN[code])
            if code in _DISABLED:  # the password may be wrong all the same: the member is not told
                return Answer(Finding.WRONG, detail=_DISABLED[code])
        if self._users is None:
            return Answer(Finding.REFUSED)
        told = await self._ask_for(fields.get("user") or user, self._users)
        return Answer({"USER": Finding.WRONG, "NOTFOUND": Finding.UNKNOWN}.get(told.verb, Finding.REFUSED))

    async def _look_up(self, user: str, users: DovecotChannel) -> Member | None:
        told = await self._ask_for(user, users)
        if told.verb == "NOTFOUND":
            return None
        if told.verb != "USER":
            raise users.unanswerable(_NO_USER_DATA)
        return self._member(told.user or user, told.fields)

    async def _ask_for(self, user: str, users: DovecotChannel) -> Told:
        return await users.ask("USER", user, f"service={self._section.service}")

    def _member(self, user: str, fields: Mapping[str, str]) -> Member:
        texts = [fields.get(name, "").replace(",", " ") for name in self._section.address_fields]
        addresses = dict.fromkeys(address for text in texts for address in text.split())
        suspended = fields.get("reason", "") if "nologin" in fields else None
        return Member(user, addresses=tuple(addresses), suspended=suspended)
