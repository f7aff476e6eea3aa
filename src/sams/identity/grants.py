"""What the organisation's own maps (`[[senders.map]]`) let a member send as, besides what the source says.

A file answers from memory. A query answers from memory for as long as its answer holds; else it is asked, and the
sign-in waits. Where it cannot be asked the member signs in all the same, for most never send as anybody else; but
the identity knows that something is missing (`Grant.missing`), so that a sender who may be in the map is told to try
again (451), and nobody's queued mail comes back for an outage. Nobody may ever send as more: what is not known is
not granted.

Whom a file means
-----------------
A login in a file is somebody's who would type it. Where a source tells members apart by domain (`alice@a.example`),
one without a domain is in the first of the accounts'. Where it does not (`alice`), one with a domain is a spelling
that the source must be asked about (`domains`), so that of two sources, each with an alice, each keeps its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Protocol

from msgspec import Struct

from sams.config.sender_maps import CountsAs
from sams.core.address import AddressError, domain_key
from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import Source
from sams.identity.interface import Account, Grant, Identity
from sams.identity.logins import Login, LoginForms
from sams.identity.sender_index import SenderIndex, entries

MAX_MADE = 20_000
"""Identities with what files add, in memory; who signed in first goes first."""
MOST_ASKED = 100
"""Questions that a worker asks at once for sessions that lack an answer."""

Patterns = tuple[tuple[str, ...], tuple[str, ...]]
"""Those that count as the member's own, and those of others."""


class SenderQueries(Protocol):
    """A map that is asked (`sources.directory_source.DirectorySource`)."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as there

    def look_up(self, login: Login) -> Account | None: ...  # noqa: D102 - as there

    def last_known(self, login: Login) -> Account | None: ...  # noqa: D102 - as there

    def still_valid(self, identity: Identity) -> bool: ...  # noqa: D102 - as there

    async def find(self, login: Login) -> Account | None: ...  # noqa: D102 - as there


class FileMap(Struct, frozen=True):
    """A file as it was read."""

    index: SenderIndex
    counts_as: CountsAs = "own"


class _Made(Struct, frozen=True):
    """What files make of an identity."""

    before: Identity
    after: Identity


class Grants:
    """All maps of one worker, in the order of the configuration. Methods are called on the loop."""

    def __init__(
        self, forms: LoginForms, files: Sequence[FileMap] = (), queries: Sequence[SenderQueries] = ()
    ) -> None:
        self._asking: dict[str, asyncio.Task[None]] = {}
        self.use(forms, files, queries)

    def use(self, forms: LoginForms, files: Sequence[FileMap], queries: Sequence[SenderQueries]) -> None:
        """Go by other maps from now on, for sessions of before as well: after a reload."""
        self._forms = forms
        self._files = tuple(file for file in files if file.index)
        self._queries = tuple(queries)
        self._made: dict[tuple[str, str], _Made] = {}
        self._recovered: set[str] = set()
        self.is_empty = not self._files and not self._queries

    def known(self, identity: Identity, login: Login, source: Source) -> Identity | None:
        """The identity with what maps add, as far as is known at once; None: a map has to be asked.

        login: as it was typed. source: whose member it is.

        Raises:
            TemporaryFailure: it cannot be told now whom a login in a file means.
        """
        with_files = self._with_files(identity, source)
        if not self._queries:
            return with_files
        asked = self._asked(identity, login, source)
        told = list[Identity]()
        for query in self._queries:
            account = query.look_up(asked)
            if account is None:
                return None
            told.append(account.identity)
        return _with_told(identity, with_files, asked, told)

    async def ask(self, identity: Identity, login: Login, source: Source) -> Identity:
        """The same, by asking where that is needed. What cannot be told is named in the identity's grant.

        Raises:
            TemporaryFailure: as `known`.
        """
        with_files = self._with_files(identity, source)
        asked, told, missing = self._asked(identity, login, source), list[Identity](), list[str]()
        for query in self._queries:
            try:
                account = await query.find(asked)
            except TemporaryFailure as failure:
                account = query.last_known(asked)
                if account is None:
                    missing.append(f"{query.name}: {failure.detail}")
            if account is not None:
                told.append(account.identity)
        self._recovered.discard(asked.address)
        return _with_told(identity, with_files, asked, told, "; ".join(missing))

    def still_valid(self, identity: Identity, source: Source) -> bool:
        """Whether maps add what they added at the sign-in, as far as is known. Microseconds.

        A session whose maps did not answer is over when they do: its member signs in again, and has all.

        Raises:
            TemporaryFailure: as `known`.
        """
        grant = identity.grant
        if grant is None:
            return True
        if not self._is_of_files(identity, grant, source):
            return False
        queries = {query.name: query for query in self._queries}
        if not all(told.source in queries and queries[told.source].still_valid(told) for told in grant.told):
            return False
        if grant.missing:
            self._ask_beside(grant.asked)
        return not grant.missing or grant.asked.address not in self._recovered

    async def close(self) -> None:
        """Stop asking. The queries are closed by who made them."""
        under_way = tuple(self._asking.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    # --- files

    def _with_files(self, identity: Identity, source: Source) -> Identity:
        if not self._files:
            return identity
        place = (identity.login, identity.source)
        made = self._made.get(place)
        if made is None or made.before is not identity:
            asked = self._forms.parse(identity.login)
            after = _with_patterns(identity, self._of_files(identity.login, source), asked)
            made = self._made[place] = _Made(identity, after)
            if len(self._made) > MAX_MADE:
                del self._made[next(iter(self._made))]
        return made.after

    def _is_of_files(self, identity: Identity, grant: Grant, source: Source) -> bool:
        made = self._made.get((identity.login, identity.source))
        if made is not None and made.after.grant is grant:
            return True
        return (grant.own, grant.others) == self._of_files(identity.login, source)

    def _of_files(self, login: str, source: Source) -> Patterns:
        bare = self._forms.bare(login)
        meant = dict[str, bool]()
        own, others = dict[str, None](), dict[str, None]()
        for file in self._files:
            found = own if file.counts_as == "own" else others
            for pattern, domain in entries(file.index, bare):
                if domain not in meant:
                    meant[domain] = self._means(f"{bare}@{domain}" if domain else bare, login, source)
                if meant[domain]:
                    found[pattern] = None
        return tuple(own), tuple(others)

    def _means(self, written: str, login: str, source: Source) -> bool:
        """Whether a login in a file is this member of the source."""
        parsed = self._forms.parse(written)
        if self._forms.bare(login) != login:  # the source tells members apart by domain
            if parsed.domain != _domain_of(login):
                return False
        elif not source.serves(parsed):
            return False
        if written == login or not source.knows_all:
            return True
        account = source.look_up(parsed)
        return account is None or account.identity.login == login

    # --- queries

    def _asked(self, identity: Identity, login: Login, source: Source) -> Login:
        """As whom to ask: as was typed, where that is what the source calls the member; else as the source does.

        With an app password or a token a domain may be typed that is another source's, who may have an alice, too.
        """
        own = self._forms.parse(identity.login)
        if login.bare == identity.login and source.serves(login):
            return login
        return own if own.bare != own.typed else self._forms.served(own, source.serves)

    def _ask_beside(self, asked: Login) -> None:
        """Find out, for the next time, whether a session that lacks an answer could have it now."""
        if asked.address not in self._asking and len(self._asking) < MOST_ASKED:
            task = asyncio.get_running_loop().create_task(self._ask_anew(asked))
            self._asking[asked.address] = task
            task.add_done_callback(lambda _: self._asking.pop(asked.address, None))

    async def _ask_anew(self, asked: Login) -> None:
        try:
            for query in self._queries:
                await query.find(asked)
        except TemporaryFailure:
            return  # the circuit breaker tells
        if len(self._recovered) < MAX_MADE:
            self._recovered.add(asked.address)


def _domain_of(login: str) -> str:
    try:
        return domain_key(login.rpartition("@")[2])
    except AddressError:
        return ""


def _with_told(
    before: Identity, with_files: Identity, asked: Login, told: Sequence[Identity], missing: str = ""
) -> Identity:
    """An identity with what files and databases add."""
    files = with_files.grant
    own, others = (files.own, files.others) if files is not None else ((), ())
    if not missing and not any(one.addresses or one.may_send_as for one in told):
        return with_files
    return replace(
        before,
        addresses=_merged(before.addresses, own, *(one.addresses for one in told)),
        may_send_as=_merged(before.may_send_as, others, *(one.may_send_as for one in told)),
        grant=Grant(own, others, asked, tuple(told), missing),
    )


def _with_patterns(identity: Identity, patterns: Patterns, asked: Login) -> Identity:
    own, others = patterns
    if not own and not others:
        return identity
    return replace(
        identity,
        addresses=_merged(identity.addresses, own),
        may_send_as=_merged(identity.may_send_as, others),
        grant=Grant(own, others, asked),
    )


def _merged(*patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(patterns)))
