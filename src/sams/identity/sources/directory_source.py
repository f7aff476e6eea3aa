"""A directory as a source of accounts: it remembers what was said, asks in turn, and goes on for a while without it.

Theory of operation
-------------------
What a directory says of a login is an answer (`answers`, `known`): a member, or nobody. An answer holds for `cache`
seconds; then `look_up` has none any more, and whoever signs in is asked about anew. It is kept longer for two ends:
`last_known` says whom to let in while the directory is down, and `still_valid` says at each MAIL whether a session
may go on. For a session whose answer is older than `cache` the directory is asked again, beside the session, so that
who was disabled there sends no more within one message. An answer that says something new is another generation of
the account: its number is made of what the account holds, alike in all workers.

Each question has its time (`timeout`), its turn (`turnstile`) and a circuit breaker (`outage`). All failures of a
directory are `TemporaryFailure`; what its library raises besides is one, too, and goes to the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.core.text import visible
from sams.identity.account_sources import Checked, Finding
from sams.identity.interface import Account, Identity, is_unchanged
from sams.identity.logins import Login, LoginForms
from sams.identity.replies import BUSY
from sams.identity.sources.answers import Answers, Kept
from sams.identity.sources.interface import Answer, Directory, Member, down
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.member_accounts import MemberAccounts, prepared
from sams.identity.sources.outage import Outage
from sams.identity.sources.turnstile import Turnstile

PROBE = "sams-probe"
"""A login that is nobody's, for the question whether a directory is up."""
MOST_REFRESHING = 100
"""Sessions of which a worker asks anew at once."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What the configuration says of a source; times in seconds.

    timeout: None: the directory has its own, for a part of its work waits for other things than an answer.
    addresses: templates with `{user}` and `{domain}`, for members of whom the directory tells no address.
    domain: of logins without one; empty: the accounts' first.
    """

    name: str
    takes_passwords: bool = True
    cache: float = 300.0
    grace: float = 3_600.0
    timeout: float | None = 5.0
    connections: int = 4
    addresses: tuple[str, ...] = ("{user}@{domain}",)
    domain: str = ""


class DirectorySource:
    """One directory of the configuration, in one worker (`identity.account_sources.Source`, `GracefulSource`).

    serves: whether it is asked about a login.
    tell: told when it is down, with why, and with an empty text when it is up again.
    report: told of exceptions that no directory should raise.
    """

    knows_all = False

    def __init__(
        self,
        directory: Directory,
        settings: SourceSettings,
        *,
        serves: Callable[[Login], bool],
        forms: LoginForms,
        known: KnownMembers,
        clock: Clock,
        tell: Callable[[str], None],
        report: Callable[[BaseException], None],
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._forms = forms
        self._accounts = MemberAccounts(settings.name, settings.addresses, settings.domain, forms)
        self._answers = Answers(settings.name, self._accounts.account, known, clock)
        self._report = report
        self._turnstile = Turnstile(settings.connections)
        self.outage = Outage(clock, tell)
        self.name = settings.name
        self.takes_passwords = settings.takes_passwords
        self.serves = serves
        self._refreshing: dict[str, asyncio.Task[None]] = {}
        self._left_out = frozenset[str]()

    @property
    def remember(self) -> float:
        """A verified password holds as long as any other answer."""
        return self._settings.cache

    @property
    def grace(self) -> float:
        """For how long after it was last right a password lets in while the directory is down."""
        return self._settings.grace

    @property
    def can_find(self) -> bool:
        """Whether the directory tells of members without their password."""
        return self._directory.can_find

    def look_up(self, login: Login) -> Account | None:
        """What was said of the login within `cache`."""
        kept = self._last(login)
        return kept.account if kept is not None and self._holds(kept) else None

    def last_known(self, login: Login) -> Account | None:
        """What was said within `cache` and `grace`; None: nothing, or that there is nobody."""
        kept = self._last(login)
        longest = self._settings.cache + self._settings.grace
        return kept.account if kept is not None and self._answers.age(kept) < longest else None

    def still_valid(self, identity: Identity) -> bool:
        """Whether nothing else was said since. Asks again, for the next time, where that is long ago."""
        login = self._answers.asked_as(identity.login)
        if login is not None and identity.login in self._left_out and not self.serves(login):
            return False
        kept = self._last(login) if login is not None else None
        if login is None or kept is None:
            return True  # let go of in memory: the session ends by its own time
        if not self._holds(kept):
            self._refresh(login)
        return is_unchanged(kept.account, identity)

    def take_over(self, before: DirectorySource) -> None:
        """Look after the sessions of a source that this one replaces, by the logins of their sign-ins.

        Of whom that one was asked about and this one is not, they are over.
        """
        self._answers.take_over(before._answers, self._forms)
        self._left_out = frozenset(
            name
            for name, login in self._answers.places
            if (before.serves(login) or name in before._left_out) and not self.serves(login)
        )

    async def find(self, login: Login) -> Account | None:
        """Who it is, by an answer that holds or by asking. Where nobody can be asked: whoever it may be.

        Raises:
            TemporaryFailure: the directory is down.
        """
        if not self._directory.can_find:
            return self._accounts.account(Member(login.bare))
        kept = self._last(login)
        if kept is None or not self._holds(kept):
            return await self.ask_anew(login)
        return kept.account

    async def ask_anew(self, login: Login) -> Account | None:
        """The same by asking in any case; for a directory with `can_find`.

        Raises:
            TemporaryFailure: the directory is down.
        """
        async with self._turnstile.enter("", is_known=True):
            member = await self._asked(lambda: self._directory.find(login))
        return self._note(login, member).account

    async def verify(self, login: Login, password: str, address: str, *, is_known: bool) -> Checked:
        """Ask the directory. An outage is a finding, so that the next source can be asked.

        Raises:
            TemporaryFailure: too many wait.
        """
        if "\0" in password:
            return Checked(Finding.REFUSED, detail="a password with NUL")

        def ask() -> Awaitable[Answer]:
            return self._directory.verify(login, password, address)

        async with self._turnstile.enter(address, is_known=is_known):
            return await self._checked(login, ask)

    async def proved(self, ask: Callable[[], Awaitable[Answer]], address: str, *, is_known: bool) -> Checked:
        """Who somebody is by a proof that names the member itself: a token.

        Raises:
            TemporaryFailure: too many wait.
        """
        async with self._turnstile.enter(address, is_known=is_known):
            try:
                answer = await self._asked(ask)
            except TemporaryFailure as failure:
                return Checked(Finding.UNAVAILABLE, detail=failure.detail)
        if answer.finding is not Finding.RIGHT or answer.member is None:
            return Checked(answer.finding, detail=answer.detail)
        return self._proved(answer, answer.member)

    async def vouched(self, answer: Answer) -> Checked:
        """Who somebody is by a proof that was checked here, and that may be older than what the directory says now.

        The member is looked up. While that cannot be done, the newest answer counts, and without one the proof.

        Raises:
            TemporaryFailure: too many wait.
        """
        member = answer.member
        if answer.finding is not Finding.RIGHT or member is None:
            return Checked(answer.finding, detail=answer.detail)
        login = self._login_of(member)
        if login is None:
            return _not_of_ours(member)
        try:
            account = await self.find(login)
        except TemporaryFailure as failure:
            if failure.reply == BUSY:
                raise
            account = self.last_known(login) or self._accounts.account(member)
        if account is None:
            return Checked(Finding.REFUSED, detail=f"{visible(member.login, 100)} is known no more")
        return Checked(Finding.RIGHT, account, answer.detail)

    def _proved(self, answer: Answer, member: Member) -> Checked:
        login = self._login_of(member)
        return _not_of_ours(member) if login is None else self._right(login, answer, member)

    def _login_of(self, member: Member) -> Login | None:
        """None: it is no login of this source."""
        name = prepared(member.login)
        login = self._forms.parse(name) if name else None
        return login if login is not None and self.serves(login) else None

    def look_after(self) -> None:
        """Once a second: find out whether it is up again, so that no member has to."""
        if not self._directory.can_find:
            if self.outage.is_forgotten:
                self.outage.answered()
        elif self.outage.is_due:
            self._refresh(self._forms.parse(PROBE))

    def changed(self) -> frozenset[str]:
        """Logins of which something new was said since the last call."""
        return self._answers.take_changed()

    async def close(self) -> None:
        """Stop asking."""
        under_way = tuple(self._refreshing.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._directory.close()

    async def _checked(self, login: Login, ask: Callable[[], Awaitable[Answer]]) -> Checked:
        try:
            answer = await self._asked(ask)
        except TemporaryFailure as failure:
            return Checked(Finding.UNAVAILABLE, detail=failure.detail)
        if answer.finding is Finding.UNKNOWN:
            self._note(login, None)
        if answer.finding is not Finding.RIGHT or answer.member is None:
            return Checked(answer.finding, detail=answer.detail)
        return self._right(login, answer, answer.member)

    def _right(self, login: Login, answer: Answer, member: Member) -> Checked:
        account = self._note(login, member).account
        if account is None:
            return Checked(
                Finding.REFUSED, detail=f"its login {visible(member.login, 100)} is none (RFC 8265)"
            )
        return Checked(Finding.RIGHT, account, answer.detail)

    async def _asked(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """One question, in its time.

        Raises:
            TemporaryFailure: it is down, or was asked and did not answer.
        """
        if not self.outage.lets_through:
            raise down(f"down: {self.outage.why}")
        try:
            async with asyncio.timeout(self._settings.timeout):
                answer = await ask()
        except TimeoutError:
            why = f"no answer within {self._settings.timeout:g} s"
            self.outage.failed(why)
            raise down(why) from None
        except TemporaryFailure as failure:
            if failure.reply != BUSY:
                self.outage.failed(failure.detail)
            raise
        except Exception as error:
            self._report(error)
            self.outage.failed(f"{type(error).__name__}, see the log")
            raise down(self.outage.why) from error
        self.outage.answered()
        return answer

    def _refresh(self, login: Login) -> None:
        """Ask anew, beside whoever needs it."""
        place = login.address
        if (
            not self._directory.can_find
            or place in self._refreshing
            or len(self._refreshing) >= MOST_REFRESHING
        ):
            return
        task = asyncio.get_running_loop().create_task(self._ask_anew(login))
        self._refreshing[place] = task
        task.add_done_callback(lambda _: self._refreshing.pop(place, None))

    async def _ask_anew(self, login: Login) -> None:
        try:
            await self.ask_anew(login)
        except TemporaryFailure:
            return  # the circuit breaker tells; what is known stands

    def _last(self, login: Login) -> Kept | None:
        return self._answers.last(login, self._settings.cache)

    def _note(self, login: Login, member: Member | None) -> Kept:
        return self._answers.note(login, member, self._last(login))

    def _holds(self, kept: Kept) -> bool:
        return self._answers.age(kept) < self._settings.cache


def _not_of_ours(member: Member) -> Checked:
    return Checked(Finding.REFUSED, detail=f"{visible(member.login, 100)} is no login of this source")
