"""The sources of accounts."""

from __future__ import annotations

import msgspec

from sams.control.messages.base import OneAnswer, OneRequest


class SourceDown(msgspec.Struct, frozen=True):
    """A source of accounts that does not answer. since: UNIX seconds. why: what was tried last, and what happened."""

    since: float
    why: str


class AccountTest(OneRequest, frozen=True, tag="account.test"):
    """Walk along the sources of accounts with a login, and tell what each says.

    password: None: only who the login is. Its text form never shows it.
    """

    login: str
    password: str | None = None

    def __repr__(self) -> str:
        return f"AccountTest(login={self.login!r}, password=…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("login", self.login)]


class SourceWord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one source says of a login.

    finding: `right`, `wrong password`, `wrong password or no such login`, `no such login`, `source unavailable`,
    `found` where no password was tried, or `not asked`. detail: more of it, for administrators.
    login: what it calls the member; empty: it knows nobody. suspended: the reason; None: active.
    mapped, mapped_for: what maps of senders add to addresses and may_send_as. unmapped: which do not tell, and why.
    """

    source: str
    finding: str
    detail: str = ""
    seconds: float = 0.0
    login: str = ""
    addresses: tuple[str, ...] = ()
    may_send_as: tuple[str, ...] = ()
    suspended: str | None = None
    is_device: bool = False
    mapped: tuple[str, ...] = ()
    mapped_for: tuple[str, ...] = ()
    unmapped: str = ""


class AccountTested(OneAnswer, frozen=True, tag="account.tested"):
    """The words in the order of the sources, and how the login was understood (`Login.bare`)."""

    login: str
    words: tuple[SourceWord, ...]
