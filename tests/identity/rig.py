"""What the tests of identity share: a clock that stands still, a forked child, a whole authenticator."""

from __future__ import annotations

import asyncio
import os
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sams.config.sources import BuiltinSource
from sams.identity.account_sources import Source
from sams.identity.accounts.builtin import BuiltinAccounts
from sams.identity.accounts.store import AccountStore
from sams.identity.app_passwords.lookup import AppPasswords
from sams.identity.authentication.authenticator import ChainAuthenticator
from sams.identity.grants import Grants
from sams.identity.guard.interface import GuardSettings
from sams.identity.guard.memory import GuardMemory
from sams.identity.guard.shared_guard import SharedGuard
from sams.identity.interface import SignInVerdict
from sams.identity.logins import Login, LoginForms
from sams.identity.passwords.hashes import Compared, HashCost, Hashes
from sams.identity.passwords.lanes import Lanes
from sams.identity.passwords.pool import HashPool
from sams.identity.passwords.remembered import Remembered
from sams.identity.shared_table import Columns
from sams.protocol.sasl.interface import PasswordClaim

CHEAP = HashCost(memory=8, passes=1, scram_iterations=16)
KEY = bytes(range(32))
PASSWORD = "correct horse 7"
HOME, CAFE = "192.0.2.1", "198.51.100.7"


@dataclass
class FakeClock:
    """Moves when told to; wall clock and monotonic time differ, as they do."""

    seconds: float = 1_000.0
    epoch: float = 1_700_000_000.0

    def now(self) -> float:
        return self.epoch + self.seconds

    def monotonic(self) -> float:
        return self.seconds


def fork(work: Callable[[], object]) -> int:
    """Start `work` in a forked child, which ends with 0 only if it came to its end."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # threads of the parent hold nothing the child needs
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, the parent's test fails and shows it
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def ended_well(*pids: int) -> bool:
    """Wait for children; whether all came to their end."""
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * len(pids)


def in_child(work: Callable[[], object]) -> None:
    """Run `work` in a forked child; its failure is this test's."""
    assert ended_well(fork(work))


class CountingHashes(Hashes):
    """Hashes that count how much work was asked for."""

    def __init__(self, cost: HashCost = CHEAP) -> None:
        super().__init__(cost)
        self.compared: list[bool] = []

    def compare(self, stored: str | None, password: str) -> Compared:
        self.compared.append(stored is not None)
        return super().compare(stored, password)


@dataclass
class Rig:
    """One worker's identity, with its own accounts in a folder."""

    folder: Path
    guard_settings: GuardSettings = field(default_factory=GuardSettings)
    domains: tuple[str, ...] = ("example.org",)
    max_waiting: int = 200
    section: BuiltinSource = field(default_factory=BuiltinSource)
    cost: HashCost = CHEAP

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.hashes = CountingHashes(self.cost)
        self.path = self.folder / "accounts.db"
        self.accounts = AccountStore(self.path, self.clock, self.hashes)
        self.accounts.prepare()
        self.remembered = Remembered(KEY, self.clock)
        self.graced = Remembered(KEY, self.clock)
        self.guard = SharedGuard(GuardMemory(KEY, slots=1024), self.clock, self.guard_settings)
        self.reported: list[BaseException] = []
        self.columns = Columns(1)
        self.pool: HashPool | None = None
        self.sources: list[BuiltinAccounts | AppPasswords] = []

    def source(self) -> BuiltinAccounts:
        """Opened as a worker opens it: after the fork."""
        lanes = Lanes(self.folder / "lanes", 2)
        self.pool = HashPool(lanes, self.columns, 0, at_once=2, max_waiting=self.max_waiting)
        source = BuiltinAccounts(
            self.path,
            accounts=self.accounts,
            hashes=self.hashes,
            pool=self.pool,
            clock=self.clock,
            section=self.section,
        )
        self.sources.append(source)
        return source

    def app_passwords(self) -> AppPasswords:
        """The same of app passwords."""
        app_passwords = AppPasswords(self.path, self.clock)
        self.sources.append(app_passwords)
        return app_passwords

    def authenticator(
        self, sources: Sequence[Source] | None = None, grants: Grants | None = None
    ) -> ChainAuthenticator:
        return ChainAuthenticator(
            (self.source(),) if sources is None else sources,
            self.remembered,
            self.guard,
            app_passwords=self.app_passwords(),
            graced=self.graced,
            forms=LoginForms(self.domains),
            clock=self.clock,
            chance=lambda: 0.5,
            report=self.reported.append,
            grants=grants,
        )

    def close(self) -> None:
        for source in self.sources:
            source.close()
        if self.pool is not None:
            self.pool.close()


@contextmanager
def rig(folder: Path, **settings: object) -> Iterator[Rig]:
    made = Rig(folder, **settings)  # type: ignore[arg-type]  # a test's own keywords
    try:
        yield made
    finally:
        made.close()


def typed(text: str) -> Login:
    """A mapped login as sources are asked about it."""
    return LoginForms(("example.org",)).parse(text)


async def sign_in(
    authenticator: ChainAuthenticator,
    login: str = "alice",
    password: str = PASSWORD,
    *,
    address: str = HOME,
    authzid: str = "",
) -> SignInVerdict:
    verdict = authenticator.verify(PasswordClaim(authzid, login, password), address)
    return verdict if isinstance(verdict, SignInVerdict) else await verdict


def signs_in(
    authenticator: ChainAuthenticator,
    login: str = "alice",
    password: str = PASSWORD,
    *,
    address: str = HOME,
    authzid: str = "",
) -> SignInVerdict:
    """The same, in a loop of its own."""
    return asyncio.run(sign_in(authenticator, login, password, address=address, authzid=authzid))
