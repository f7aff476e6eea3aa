"""App passwords."""

from __future__ import annotations

import msgspec

from sams.control.messages.base import OneAnswer, OneRequest


class AppPasswordEntry(msgspec.Struct, frozen=True):
    """An app password, without its secret.

    source, login: whose it is. name: of the device or program.
    created, expires: UNIX seconds; expires None: never.
    networks: from where alone it may be used. senders: the addresses alone that it may send from.
    used_at, used_from, used_by: the last use, UNIX seconds, the client's address and the program; None: never used.
    """

    id: str
    source: str
    login: str
    name: str
    created: float
    expires: float | None = None
    networks: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    used_at: float | None = None
    used_from: str = ""
    used_by: str = ""


class AppPasswordAdd(OneRequest, frozen=True, tag="app-password.add", omit_defaults=True):
    """Make an app password. source: empty: the first one that knows the login."""

    login: str
    name: str
    source: str = ""
    expires: float | None = None
    networks: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()


class AppPasswordAdded(OneAnswer, frozen=True, tag="app-password.added"):
    """What was made; its text form does not show the password."""

    entry: AppPasswordEntry
    password: str

    def __repr__(self) -> str:
        return f"AppPasswordAdded(entry={self.entry!r}, password=…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("entry", self.entry)]


class AppPasswordList(OneRequest, frozen=True, tag="app-password.list", omit_defaults=True):
    """Ask for a page by rising login and id, behind `after` (login, id). login: of this one; None: of all."""

    login: str | None = None
    after: tuple[str, str] = ("", "")
    limit: int = 100


class AppPasswordPage(OneAnswer, frozen=True, tag="app-password.page"):
    """A page; `more`: another one may follow."""

    entries: tuple[AppPasswordEntry, ...]
    more: bool


class AppPasswordRevoke(OneRequest, frozen=True, tag="app-password.revoke", omit_defaults=True):
    """End the app password of this name of a login, or all of it; of this source only, or of all sources.

    login None: all of the source, which is named then.
    """

    login: str | None
    name: str | None = None
    source: str = ""
