"""In which form a login is told to a directory that knows members by one name alone."""

from __future__ import annotations

from sams.config.sources import LoginForm
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.sources.interface import Answer

NO_LOGIN = Answer(Finding.UNKNOWN, detail="no login that could be asked for")
"""The answer where `sent_login` gives none."""


def sent_login(login: Login, form: LoginForm) -> str | None:
    """The login in this form; None: it has none, and cannot be anybody's.

    Without a domain only those can be asked for whose domain is one of the accounts': else whoever signs in as
    `alice@elsewhere.example` would be taken for alice.
    """
    sent = {"typed": login.typed, "user": login.user, "address": login.address}[form]
    is_ours = form != "user" or "@" not in login.bare
    return sent if is_ours and _is_text(sent) else None


def is_same_domain(login: Login, user: str) -> bool:
    """Whether whom a directory found has the domain that was typed, where that is none of the accounts'.

    A directory that takes any domain away would let alice sign in as `alice@elsewhere.example`, and by the rule of
    addresses send as that.
    """
    return "@" not in login.bare or user.rpartition("@")[2].lower() == login.domain


def _is_text(text: str) -> bool:
    """Whether it can be sent at all: a lone surrogate cannot, and who has a NUL in a name?"""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
