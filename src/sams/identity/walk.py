"""The way of a login along the sources of accounts, told step by step: for people who want to know why it fails.

It asks as a sign-in does and in the same order, but tells what each source said, takes nothing from memory and counts
nothing against anybody.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Checked, Finding, Source
from sams.identity.chain import Chain, found_by
from sams.identity.interface import Account
from sams.identity.logins import Login

NOT_ASKED = "not asked"
FOUND = "found"
UNTELLING = "it tells nothing of a member without the password"
DECIDING = frozenset({Finding.RIGHT, Finding.WRONG})


@runtime_checkable
class Remembering(Protocol):
    """A source that may answer out of its memory: a mistake of its configuration would not show."""

    async def ask_anew(self, login: Login) -> Account | None:
        """Who it is, by asking in any case."""
        ...


@dataclass(frozen=True, slots=True)
class Word:
    """What one source said.

    finding: a `Finding`'s value, FOUND where no password was tried, or NOT_ASKED; detail says why.
    account: whom it knows. seconds: how long it took.
    """

    source: str
    finding: str
    detail: str = ""
    account: Account | None = None
    seconds: float = 0.0


async def walk(chain: Chain, login: Login, password: str | None, address: str) -> AsyncIterator[Word]:
    """Ask each source. password: None: only who the login is. address: where the question comes from."""
    decided = ""
    for source in chain.sources:
        if decided:
            yield Word(source.name, NOT_ASKED, f"{decided} has decided")
            continue
        if not source.serves(login):
            yield Word(source.name, NOT_ASKED, "its `domains` or `logins` leave this login out")
            continue
        word, is_decided = await _asked(source, login, password, address)
        decided = source.name if is_decided else ""
        yield word


async def _asked(source: Source, login: Login, password: str | None, address: str) -> tuple[Word, bool]:
    """A source's word, and whether nobody is asked after it."""
    began = time.monotonic()
    if password is None and not source.can_find:
        return Word(source.name, NOT_ASKED, UNTELLING), False
    if password is None:
        find = source.ask_anew if isinstance(source, Remembering) else source.find
        checked = await found_by(find, login)
        is_decided, finding = checked.finding is Finding.RIGHT, _word_of(checked.finding)
    elif not source.takes_passwords:
        return Word(source.name, NOT_ASKED, "it takes app passwords only"), False
    else:
        checked = await _checked(source, login, password, address)
        is_decided, finding = checked.finding in DECIDING, checked.finding.value
    taken = time.monotonic() - began
    return Word(source.name, finding, checked.detail, checked.account, taken), is_decided


async def _checked(source: Source, login: Login, password: str, address: str) -> Checked:
    try:
        return await source.verify(login, password, address, is_known=True)
    except TemporaryFailure as failure:
        return Checked(Finding.UNAVAILABLE, detail=failure.detail)


def _word_of(finding: Finding) -> str:
    return FOUND if finding is Finding.RIGHT else finding.value
