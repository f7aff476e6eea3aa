"""A directory whose answers are told in advance, for what stands around one; real ones have tests of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sams.identity.account_sources import Finding
from sams.identity.logins import Login, LoginForms
from sams.identity.sources.directory_source import DirectorySource, SourceSettings
from sams.identity.sources.interface import Answer, Member, down
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.serves import Serves
from tests.identity.rig import HOME, FakeClock

ALICE = Member("alice", ("alice@example.ac.uk",))
FORMS = LoginForms(["example.ac.uk", "example.org"], ["CORP"])


def login(text: str) -> Login:
    """A login as it is typed."""
    return FORMS.parse(text)


@dataclass
class ToldDirectory:
    """Knows members with passwords; can be down, slow, or broken."""

    members: dict[str, tuple[str, Member]] = field(default_factory=lambda: {"alice": ("secret", ALICE)})
    can_find: bool = True
    tells_unknown: bool = True
    failure: BaseException | None = None
    seconds: float = 0.0
    asked: list[str] = field(default_factory=list)
    is_closed: bool = False

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        await self._ask(f"verify {login.user} from {address}")
        known = self.members.get(login.user)
        if known is None:
            return Answer(Finding.UNKNOWN if self.tells_unknown else Finding.REFUSED)
        right, member = known
        return Answer(Finding.RIGHT, member) if password == right else Answer(Finding.WRONG)

    async def find(self, login: Login) -> Member | None:
        await self._ask(f"find {login.user}")
        known = self.members.get(login.user)
        return known[1] if known else None

    async def close(self) -> None:
        self.is_closed = True

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure


@dataclass
class Rig:
    """A source over a told directory; `other` is the same in another worker."""

    path: Path
    settings: SourceSettings = field(default_factory=lambda: SourceSettings("staff"))
    serves: Callable[[Login], bool] = field(default_factory=Serves)
    directory: ToldDirectory = field(default_factory=ToldDirectory)
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[str] = field(default_factory=list)
    bugs: list[BaseException] = field(default_factory=list)

    @contextmanager
    def source(self) -> Iterator[DirectorySource]:
        known = KnownMembers(self.path)
        try:
            yield DirectorySource(
                self.directory,
                self.settings,
                serves=self.serves,
                forms=FORMS,
                known=known,
                clock=self.clock,
                tell=self.told.append,
                report=self.bugs.append,
            )
            known.write(known.take())
        finally:
            known.close()


async def checked(source: DirectorySource, name: str, password: str) -> Finding:
    """What a source finds of a password."""
    return (await source.verify(login(name), password, HOME, is_known=False)).finding


BROKEN = down("ldaps://ldap1: the connection was refused")
