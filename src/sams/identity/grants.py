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
from typing import Protocol

from msgspec import Struct

from sams.config.sender_maps import CountsAs
from sams.core.address import AddressError, domain_key
from sams.core.errors import TemporaryFailure
from sams.identity.interface import Account, Grant, Identity, Source
from sams.identity.logins import Login, LoginForms
from sams.identity.sender_index import SenderIndex, entries

MAX_MADE = 20_000
"""Identities with what files add, in memory; who signed in first goes first."""
MOST_ASKED = 100
"""Questions that a worker asks at once for sessions that lack an answer."""

Patterns = tuple[tuple[str, ...], tuple[str, ...]]
"""Those that count as the member's own, and those of others."""


class SenderQueries(Protocol):
    """A map that is asked (`sources.source.DirectorySource`)."""

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
        self._asking: set[asyncio.Task[None]] = set()
        self.use(forms, files, queries)

    def use(self, forms: LoginForms, files: Sequence[FileMap], queries: Sequence[SenderQueries]) -> None:
        """Go by other maps from now on, for sessions of before as well: after a reload."""
        self._forms = forms
        self._files = tuple(file for file in files if file.index)
        self._queries = tuple(queries)
        self._made: dict[tuple[str, str], _Made] = {}
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
        asked = self._asked(identity, login)
        answers = list[Account]()
        for query in self._queries:
            account = query.look_up(asked)
            if account is None:
                return None
            answers.append(account)
        return _granted(identity, _all((_of(with_files), *map(_told, answers))), asked)

    async def ask(self, identity: Identity, login: Login, source: Source) -> Identity:
        """The same, by asking where that is needed. What cannot be told is named in the identity's grant.

        Raises:
            TemporaryFailure: as `known`.
        """
        patterns, missing = [_of(self._with_files(identity, source))], list[str]()
        asked = self._asked(identity, login)
        for query in self._queries:
            try:
                account = await query.find(asked)
            except TemporaryFailure as failure:
                account = query.last_known(asked)
                if account is None:
                    missing.append(f"{query.name}: {failure.detail}")
            if account is not None:
                patterns.append(_told(account))
        return _granted(identity, _all(patterns), asked, "; ".join(missing))

    def still_valid(self, identity: Identity, source: Source) -> bool:
        """Whether maps add what they added at the sign-in, as far as is known. Microseconds.

        A session whose maps did not answer is over when they do: its member signs in again, and has all.

        Raises:
            TemporaryFailure: as `known`.
        """
        grant = identity.grant
        if grant is None:
            return True
        made = self._made.get((identity.login, identity.source))
        if not self._queries and made is not None and made.after.grant is grant:
            return True
        patterns = [self._of_files(identity.login, source)]
        for query in self._queries:
            account = query.last_known(grant.asked)
            if account is None:
                self._ask_beside(query, grant)
                return True
            query.still_valid(account.identity)  # asks anew where that was long ago
            patterns.append(_told(account))
        return not grant.missing and _all(patterns) == (grant.own, grant.others)

    async def close(self) -> None:
        """Stop asking. The queries are closed by who made them."""
        under_way = tuple(self._asking)
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
            after = _granted(identity, self._of_files(identity.login, source), asked)
            made = self._made[place] = _Made(identity, after)
            if len(self._made) > MAX_MADE:
                del self._made[next(iter(self._made))]
        return made.after

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

    def _asked(self, identity: Identity, login: Login) -> Login:
        """As whom to ask: as was typed, where that is what the source calls the member; else as the source does."""
        return login if login.bare == identity.login else self._forms.parse(identity.login)

    def _ask_beside(self, query: SenderQueries, grant: Grant) -> None:
        if grant.missing and len(self._asking) < MOST_ASKED:
            task = asyncio.get_running_loop().create_task(_ask_anew(query, grant.asked))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)


async def _ask_anew(query: SenderQueries, login: Login) -> None:
    try:
        await query.find(login)
    except TemporaryFailure:
        return  # the circuit breaker tells


def _domain_of(login: str) -> str:
    try:
        return domain_key(login.rpartition("@")[2])
    except AddressError:
        return ""


def _of(identity: Identity) -> Patterns:
    """What files have added."""
    grant = identity.grant
    return (grant.own, grant.others) if grant is not None else ((), ())


def _told(account: Account) -> Patterns:
    return account.identity.addresses, account.identity.may_send_as


def _all(patterns: Iterable[Patterns]) -> Patterns:
    found = tuple(patterns)
    own = dict.fromkeys(one for part in found for one in part[0])
    others = dict.fromkeys(one for part in found for one in part[1])
    return tuple(own), tuple(others)


def _granted(identity: Identity, patterns: Patterns, asked: Login, missing: str = "") -> Identity:
    own, others = patterns
    if not own and not others and not missing:
        return identity
    return replace(
        identity,
        addresses=tuple(dict.fromkeys((*identity.addresses, *own))),
        may_send_as=tuple(dict.fromkeys((*identity.may_send_as, *others))),
        grant=Grant(own, others, asked, missing),
    )
