"""What decides sign-ins in one worker: sources of accounts, app passwords, the guard, the authenticator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import apsw
from structlog.typing import FilteringBoundLogger

from sams.activity.events import Alarmed, ServiceChanged
from sams.app.directories import Tools, make_directory
from sams.app.inherited import Inherited
from sams.app.parts import accounts_path, guard_settings, hash_pool, password_rules
from sams.config.model import Config
from sams.config.sources import (
    AccountSource,
    BuiltinSource,
    DirectorySection,
    KerberosSource,
    OauthSource,
    SqlSource,
)
from sams.control.messages import SourceDown
from sams.identity.accounts import Accounts
from sams.identity.app_password_uses import FILE as USES_FILE
from sams.identity.app_password_uses import AppPasswordUses
from sams.identity.app_password_uses import Row as UseRow
from sams.identity.app_passwords import AppPasswords
from sams.identity.authenticator import ChainAuthenticator, SignInSettings
from sams.identity.builtin import BuiltinAccounts
from sams.identity.guard import LockBegun
from sams.identity.interface import Audience, ScramSource, Source
from sams.identity.logins import LoginForms
from sams.identity.passwords import HashCost, Hashes
from sams.identity.shared_guard import SharedGuard
from sams.identity.sources.known import KnownMembers
from sams.identity.sources.proofs import PrincipalDirectorySource, TokenDirectorySource
from sams.identity.sources.serves import Serves
from sams.identity.sources.source import DirectorySource, SourceSettings
from sams.service.material import Material

MEMBERS_FILE = "members.db"
FORGET_EVERY = 3_600
"""Seconds between two looks for what directories said too long ago."""
_LAST_QUESTIONS = 60.0
"""Seconds that a directory is kept after a reload has replaced it: sessions of before may still ask it."""
Sources = dict[AccountSource, BuiltinAccounts | DirectorySource]
_KINDS: Mapping[type, type[DirectorySource]] = {
    OauthSource: TokenDirectorySource,
    KerberosSource: PrincipalDirectorySource,
}


class SignIns:
    """All of it; closed as a whole.

    on_lock: told when the guard locks something. tell: takes events of the service.
    """

    def __init__(
        self,
        inherited: Inherited,
        number: int,
        on_lock: Callable[[LockBegun], None],
        tell: Callable[[ServiceChanged | Alarmed], None],
    ) -> None:
        config, clock = inherited.material.config, inherited.clock
        self._inherited = inherited
        self._on_lock = on_lock
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._hashes = Hashes(HashCost())
        self.accounts = Accounts(accounts_path(config), clock, self._hashes, password_rules(config))
        self.accounts.prepare()
        self._pool = hash_pool(config, inherited.memory, number)
        self.app_passwords = AppPasswords(accounts_path(config), clock)
        self._known = KnownMembers(config.server.data_dir / MEMBERS_FILE)
        self.uses = AppPasswordUses(config.server.data_dir / USES_FILE, clock)
        self._writing: asyncio.Future[None] | None = None
        self._next_forgetting = 0.0
        self._sources: Sources = {}
        self._retired: set[asyncio.Task[None]] = set()
        forms, memory = login_forms(config), inherited.memory
        self._sources = self._make_sources(inherited.material, inherited.material)
        self.authenticator = ChainAuthenticator(
            self.sources,
            memory.remembered,
            self._guard(config),
            app_passwords=self.app_passwords,
            graced=memory.graced,
            forms=forms,
            clock=clock,
            chance=random.random,
            report=_reporter(inherited.log),
            settings=sign_in_settings(config),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Those of the configuration, in its order."""
        return tuple(self._sources.values())

    def sources_for(self, audience: Audience) -> tuple[Source, ...]:
        """Those that know who may sign in at a listener."""
        return tuple(
            source
            for source in self._sources.values()
            if (not audience.sources or source.name in audience.sources)
            and (not audience.devices_only or isinstance(source, BuiltinAccounts))
        )

    def prepare(self, material: Material) -> Sources:
        """The sources of other settings; nothing has changed yet.

        Raises:
            OperatorError: a source cannot be made.
        """
        return self._make_sources(material, self._inherited.material)

    def renew(self, material: Material, sources: Sources) -> None:
        """Decide by new settings, for sessions of before as well. sources: as they were prepared."""
        config = material.config
        before, self._sources = self._sources, sources
        for section, source in sources.items():
            if isinstance(source, BuiltinAccounts) and isinstance(section, BuiltinSource):
                source.use(section)
        for source in before.values():
            if source not in sources.values():
                self._retire(source)
        guard, times = self._guard(config), sign_in_settings(config)
        self.authenticator.use(self.sources, guard, forms=login_forms(config), settings=times)
        self.accounts.use(password_rules(config))

    @property
    def keyed(self) -> tuple[bool, ...]:
        """Of which sources every member can sign in by SCRAM: what is offered follows from it."""
        return tuple(isinstance(one, ScramSource) and one.has_all_keys for one in self._sources.values())

    def tick(self) -> None:
        """Once a second: what is to be kept goes to its file; now and then old answers of directories go."""
        if self._writing is not None and not self._writing.done():
            return
        rows, uses, now = self._known.take(), self.uses.take(), self._inherited.clock.monotonic()
        if rows or uses or now >= self._next_forgetting:
            self._writing = self._loop.run_in_executor(None, self._write, rows, uses, now)

    def down(self) -> dict[str, SourceDown]:
        """The sources that do not answer, by name."""
        return {
            source.name: SourceDown(source.outage.since, source.outage.why)
            for source in self._sources.values()
            if isinstance(source, DirectorySource) and source.outage.since is not None
        }

    async def close(self) -> None:
        """Let go of files, threads and connections."""
        self._pool.close()
        for task in self._retired:
            task.cancel()
        for source in self._sources.values():
            await _close(source)
        if self._writing is not None:
            await asyncio.wait([self._writing])
        await self._loop.run_in_executor(None, self._write_uses, self.uses.take(is_last=True))
        self.app_passwords.close()
        self._known.close()

    def _make_sources(self, material: Material, before: Material) -> Sources:
        """One whose section is as it was stays as it is; so do the built-in accounts."""
        config = material.config
        is_same = before.secrets == material.secrets and _forms(config) == _forms(before.config)
        kept = self._sources if is_same else {}
        forms = login_forms(config)
        return {
            section: kept.get(section) or self._source(section, material, forms)
            for section in config.accounts.sources
        }

    def _source(
        self, section: AccountSource, material: Material, forms: LoginForms
    ) -> BuiltinAccounts | DirectorySource:
        if isinstance(section, BuiltinSource):
            return self._builtin(section, material.config)
        tools = Tools(
            name=material.config.server.name,
            secrets=material.secrets,
            forms=forms,
            clock=self._inherited.clock,
            hashes=self._hashes,
            pool=self._pool,
        )
        kind: Any = _KINDS.get(type(section), DirectorySource)
        source: DirectorySource = kind(
            make_directory(section, tools),
            source_settings(section),
            serves=Serves(section.domains, section.logins),
            forms=forms,
            known=self._known,
            clock=self._inherited.clock,
            tell=self._teller(section.id),
            report=_reporter(self._inherited.log),
        )
        return source

    def _builtin(self, section: BuiltinSource, config: Config) -> BuiltinAccounts:
        for source in self._sources.values():
            if isinstance(source, BuiltinAccounts):
                return source
        return BuiltinAccounts(
            accounts_path(config),
            clock=self._inherited.clock,
            accounts=self.accounts,
            hashes=self._hashes,
            pool=self._pool,
            section=section,
        )

    def _retire(self, source: BuiltinAccounts | DirectorySource) -> None:
        async def later() -> None:
            await asyncio.sleep(_LAST_QUESTIONS)
            await _close(source)

        task = self._loop.create_task(later())
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    def _teller(self, name: str) -> Callable[[str], None]:
        def tell(why: str) -> None:
            if why:
                text = f"the source of accounts {name} is down: {why}"
                self._tell(Alarmed("source", text))
                self._tell(ServiceChanged("source down", text))
            else:
                self._tell(ServiceChanged("source up", f"the source of accounts {name} answers again"))

        return tell

    def _write(self, rows: list[Any], uses: list[UseRow], now: float) -> None:
        """On a thread."""
        self._write_uses(uses)
        try:
            self._known.write(rows)
            if now >= self._next_forgetting:
                self._next_forgetting = now + FORGET_EVERY
                self._known.forget(
                    self._inherited.clock.now() - longest_kept(self._inherited.material.config)
                )
        except apsw.Error as error:
            self._inherited.log.warning("what directories say of members cannot be kept", why=str(error))

    def _write_uses(self, uses: list[UseRow]) -> None:
        """On a thread."""
        if not uses:
            return
        try:
            self.uses.write(uses)
        except (apsw.Error, OSError) as error:
            self._inherited.log.warning("the last use of app passwords cannot be kept", why=str(error))

    def _guard(self, config: Config) -> SharedGuard:
        memory, clock = self._inherited.memory, self._inherited.clock
        return SharedGuard(memory.guard, clock, guard_settings(config), self._on_lock)


def login_forms(config: Config) -> LoginForms:
    """In which forms logins are typed."""
    return LoginForms(config.accounts.domains, config.accounts.windows_domains)


def sign_in_settings(config: Config) -> SignInSettings:
    """The times of sign-ins."""
    return SignInSettings(failure_delay=config.guard.failure_delay)


def source_settings(section: DirectorySection) -> SourceSettings:
    """What a section says of how a directory is asked."""
    return SourceSettings(
        name=section.id,
        takes_passwords=section.submission == "any",
        cache=section.cache,
        grace=section.grace,
        timeout=None if isinstance(section, SqlSource) else section.timeout,
        connections=section.connections,
        addresses=section.addresses or SourceSettings("").addresses,
    )


def longest_kept(config: Config) -> float:
    """For how many seconds what directories say may be of use."""
    times = [one.cache + one.grace for one in config.accounts.sources if isinstance(one, DirectorySection)]
    return max(times, default=0.0)


async def _close(source: BuiltinAccounts | DirectorySource) -> None:
    if isinstance(source, DirectorySource):
        await source.close()
    else:
        source.close()


def _forms(config: Config) -> tuple[object, ...]:
    """What of the configuration sources are made with, besides their sections and secrets."""
    return config.accounts.domains, config.accounts.windows_domains, config.server.name


def _reporter(log: FilteringBoundLogger) -> Callable[[BaseException], None]:
    return lambda error: log.error("sign-in failed in an unexpected way", exc_info=error)
