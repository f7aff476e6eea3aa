"""What one directory last said of each login, as one worker keeps it before the file that all share (`known`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sams.core.clock import Clock
from sams.identity.interface import Account
from sams.identity.logins import Login, LoginForms
from sams.identity.sources.interface import Member
from sams.identity.sources.known import Known, KnownMembers

MAX_KEPT = 20_000
"""Answers in memory; what was asked first goes first."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer with the account that it makes; None: nobody."""

    known: Known
    account: Account | None


class Answers:
    """Keeps them.

    source: its name. account: makes the account of a member.
    """

    __slots__ = ("_account", "_changed", "_clock", "_kept", "_known", "_places", "_source")

    def __init__(
        self, source: str, account: Callable[[Member], Account | None], known: KnownMembers, clock: Clock
    ) -> None:
        self._source = source
        self._account = account
        self._known = known
        self._clock = clock
        self._kept: dict[str, Kept] = {}
        self._places: dict[str, Login] = {}
        self._changed: set[str] = set()

    def last(self, login: Login, holds: float) -> Kept | None:
        """The newest answer: this worker's, where it is younger than `holds` seconds, or another's."""
        own = self._kept.get(login.address)
        if own is not None and self.age(own) < holds:
            return own
        others = self._known.read(self._source, login.address)
        if others is None:
            return own
        if own is not None and not own.known.asked < others.asked <= self._clock.now():
            return own  # what seems to be from the future was said before the clock was set back
        return self._keep(login, others, own)

    def note(self, login: Login, member: Member | None, before: Kept | None) -> Kept:
        """Keep an answer. before: the last one.

        Of who never was anybody nothing is kept: strangers may name whom they like.
        """
        known = Known(member, self._clock.now())
        if member is None and before is None:
            return Kept(known, None)
        self._known.note(self._source, login.address, known)
        return self._keep(login, known, before)

    def asked_as(self, login: str) -> Login | None:
        """How the member of this login (`Identity.login`) was last asked about; None: it was let go of."""
        return self._places.get(login)

    @property
    def places(self) -> Iterable[tuple[str, Login]]:
        """All members by their logins, and how they were asked about."""
        return self._places.items()

    def take_over(self, before: Answers, forms: LoginForms) -> None:
        """Know how members were asked about who signed in by a source that this one replaces. forms: those of now."""
        self._places = {name: forms.parse(login.typed) for name, login in before._places.items()}

    def age(self, kept: Kept) -> float:
        """Seconds; an answer from the future, after a jump of the clock, is old."""
        age = self._clock.now() - kept.known.asked
        return age if age >= 0 else float("inf")

    def take_changed(self) -> frozenset[str]:
        """Logins of which something new was said since the last call."""
        found, self._changed = frozenset(self._changed), set()
        return found

    def _keep(self, login: Login, known: Known, before: Kept | None) -> Kept:
        account = None if known.member is None else self._account(known.member)
        kept = self._kept[login.address] = Kept(known, account)
        if before is not None and before.account is not None and before.known.member != known.member:
            self._changed.add(before.account.identity.login)
        if account is not None:
            self._places[account.identity.login] = login
        for some in (self._kept, self._places):
            if len(some) > MAX_KEPT:
                some.pop(next(iter(some)))
        return kept
