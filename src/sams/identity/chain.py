"""The sources of accounts in their order: who is asked about a login, and what follows from several answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator

from sams.core.errors import TemporaryFailure
from sams.identity.account_sources import (
    Checked,
    Finding,
    GracefulSource,
    PrincipalSource,
    ScramSource,
    Source,
    TokenSource,
)
from sams.identity.interface import Account, Identity, is_unchanged
from sams.identity.logins import Login
from sams.protocol.sasl.interface import PrincipalClaim, ScramKey, TokenClaim

NO_ACCOUNT = 0
"""Stands for the generation of an account that is not there."""
UNTOLD = -1
"""Stands for the generation where it could not be told: nothing is found to be wrong in it."""
WRONG_FOR = 60
"""Seconds for which a directory's "wrong" holds: it tells nobody of a changed password."""
PASSING = 1 << 62
"""From here on stands for what a directory said within a minute, by one configuration."""
_MARKS = 1 << 30

Ask = Callable[[Source], Awaitable[Checked]]


class Chain:
    """Sources, asked in this order; the first that knows the login decides.

    since: when they were configured, UNIX seconds: what others found to be wrong does not hold.
    """

    __slots__ = ("_by_name", "_graceful", "_mark", "_principals", "_scram", "_tokens", "sources")

    def __init__(self, sources: Iterable[Source], since: float = 0.0) -> None:
        self.sources = tuple(sources)
        self._mark = int(since * 1_000) % _MARKS
        self._by_name = {source.name: source for source in self.sources}
        self._graceful = {one.name: one for one in self.sources if isinstance(one, GracefulSource)}
        self._scram = {one.name: one for one in self.sources if isinstance(one, ScramSource)}
        self._tokens = tuple(one for one in self.sources if isinstance(one, TokenSource))
        self._principals = tuple(one for one in self.sources if isinstance(one, PrincipalSource))

    def named(self, name: str) -> Source | None:
        """The source of this name, if it is one of these."""
        return self._by_name.get(name)

    def serving(self, login: Login) -> Iterator[Source]:
        """Those that may be asked about a login."""
        return (source for source in self.sources if source.serves(login))

    def look_up(self, login: Login) -> Account | None:
        """What is known of a login without waiting.

        Raises:
            TemporaryFailure: a source cannot tell now.
        """
        for source in self.sources:
            if source.serves(login):
                account = source.look_up(login)
                if account is not None:
                    return account
        return None

    def generation(self, login: Login, account: Account | None, now: float) -> int:
        """Under which a password is found to be wrong. now: UNIX seconds.

        Where a directory decides, what it found wrong holds for a minute: another password may be right by then.
        """
        if account is not None and self._is_of_one_that_knows_all(account):
            return account.identity.generation
        if all(source.knows_all for source in self.serving(login)):
            return NO_ACCOUNT
        return PASSING + int(now // WRONG_FOR) * _MARKS + self._mark

    def still_valid(self, identity: Identity) -> bool:
        """Whether the account is as it was.

        Raises:
            TemporaryFailure: its source cannot tell now.
        """
        graceful = self._graceful.get(identity.source)
        if graceful is not None:
            return graceful.still_valid(identity)
        source = self._by_name.get(identity.source)
        if source is None:
            return False
        return is_unchanged(source.look_up(Login(identity.login, identity.login, "")), identity)

    def remember_for(self, identity: Identity) -> tuple[float | None, float]:
        """For how many seconds a password of this account is remembered (None: as the service does), and graced."""
        graceful = self._graceful.get(identity.source)
        return self._by_name[identity.source].remember, graceful.grace if graceful is not None else 0.0

    def scram_keys(self, login: Login, hash_name: str) -> tuple[ScramKey, ...]:
        """The keys of the login's own password, of the first source that has them.

        Raises:
            TemporaryFailure: a source cannot tell now.
        """
        for source in self.serving(login):
            keeper = self._scram.get(source.name) if source.takes_passwords else None
            keys = keeper.scram_keys(login, hash_name) if keeper is not None else None
            if keys is not None:
                return keys.keys
        return ()

    async def check_password(self, login: Login, password: str, address: str, *, is_known: bool) -> Checked:
        """Of the first source that takes it.

        A source that is known to have no such login is asked last, and only about a password that nobody took: it
        hashes for nobody, so that who fails learns nothing by the time, and members of a directory need not wait
        for that.

        Raises:
            TemporaryFailure: too many wait for a check.
        """

        def ask(source: Source) -> Awaitable[Checked]:
            return source.verify(login, password, address, is_known=is_known)

        serving = tuple(self.serving(login))
        asked = [source for source in serving if source.takes_passwords]
        if serving and not asked:
            return Checked(Finding.REFUSED, detail="it is no app password, and no other is taken")
        strange = [source for source in asked if _is_stranger_to(source, login)]
        others = [source for source in asked if source not in strange]
        checked = await _first(others, ask)
        if checked.finding in {Finding.RIGHT, Finding.UNAVAILABLE} or any(one.knows_all for one in others):
            return checked
        for source in strange:
            spent = await ask(source)
            if spent.finding is not Finding.UNKNOWN:
                return spent  # somebody was added meanwhile
        return checked

    async def check_token(self, claim: TokenClaim, address: str, *, is_known: bool) -> Checked:
        """Of the first source whose issuer made it. While one is down, it may be of another all the same.

        Raises:
            TemporaryFailure: too many wait for a check.
        """
        found, outage = Checked(Finding.UNKNOWN), None
        for source in self._tokens:
            found = await source.verify_token(claim, address, is_known=is_known)
            if found.finding is Finding.RIGHT:
                return found
            if found.finding is Finding.UNAVAILABLE:
                outage = outage or found
        return outage or found

    async def check_principal(self, claim: PrincipalClaim) -> Checked:
        """Of the first source whose realm it is.

        Raises:
            TemporaryFailure: too many wait.
        """
        found = Checked(Finding.UNKNOWN)
        for source in self._principals:
            found = await source.find_principal(claim)
            if found.finding is not Finding.UNKNOWN:
                return found
        return found

    async def find(self, login: Login) -> Checked:
        """Who a login is that was proved in another way than to its source.

        Sources that take a login on trust are asked last: they know nobody, and nobody is a stranger to them.
        """

        def ask(source: Source) -> Awaitable[Checked]:
            return found_by(source.find, login)

        serving = tuple(self.serving(login))
        known = await _first([one for one in serving if one.can_find], ask)
        if known.finding is not Finding.UNKNOWN:
            return known
        return await _first([one for one in serving if not one.can_find], ask)

    def last_known(self, login: Login) -> Iterator[Account]:
        """Who the login was, by sources that may be down."""
        for source in self.serving(login):
            graceful = self._graceful.get(source.name) if source.takes_passwords else None
            account = graceful.last_known(login) if graceful is not None else None
            if account is not None:
                yield account

    def last_known_by(self, name: str, login: Login) -> Account | None:
        """Who the login was, by the source of this name."""
        graceful = self._graceful.get(name)
        return graceful.last_known(login) if graceful is not None else None

    def changed(self, report: Callable[[BaseException], None]) -> frozenset[str]:
        """Logins changed in any source since the last call. report: told of a source that cannot tell."""
        changed: frozenset[str] = frozenset()
        for source in self.sources:
            try:
                changed |= source.changed()
            except TemporaryFailure as error:
                report(error)
        return changed

    def _is_of_one_that_knows_all(self, account: Account) -> bool:
        source = self._by_name.get(account.identity.source)
        return source is not None and source.knows_all


async def found_by(find: Callable[[Login], Awaitable[Account | None]], login: Login) -> Checked:
    """Who a login is by one way to find out, as a finding: an outage is one, too."""
    try:
        account = await find(login)
    except TemporaryFailure as failure:
        return Checked(Finding.UNAVAILABLE, detail=failure.detail)
    return Checked(Finding.UNKNOWN) if account is None else Checked(Finding.RIGHT, account)


def _is_stranger_to(source: Source, login: Login) -> bool:
    """Whether the source knows all its accounts, and has none of this login."""
    try:
        return source.knows_all and source.look_up(login) is None
    except TemporaryFailure:
        return False  # it says itself that it cannot tell


async def _first(sources: Iterable[Source], ask: Ask) -> Checked:
    """The answer of the first source that knows; behind an outage only a right proof counts."""
    checked, outages = Checked(Finding.UNKNOWN), list[str]()
    refused: Checked | None = None
    for source in sources:
        checked = await ask(source)
        if checked.finding in {Finding.RIGHT, Finding.WRONG}:
            break
        if checked.finding is Finding.REFUSED:
            refused = checked
        elif checked.finding is Finding.UNAVAILABLE:
            outages.append(f"{source.name}: {checked.detail}")
    if outages and checked.finding is not Finding.RIGHT:
        return Checked(Finding.UNAVAILABLE, detail="; ".join(outages))
    return refused if refused is not None and checked.finding is Finding.UNKNOWN else checked
