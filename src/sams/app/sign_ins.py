"""What decides sign-ins in one worker: sources of accounts, app passwords, the guard, the authenticator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import apsw

from sams.activity.events import Alarmed, ServiceChanged
from sams.app.inherited import Inherited
from sams.app.parts import accounts_path, guard_settings, hash_pool, password_rules
from sams.app.sender_maps import MapMaker, SenderMaps, longest_kept_of_maps
from sams.app.sources import (
    MEMBERS_FILE,
    AnySource,
    SourceMaker,
    Sources,
    close,
    login_forms,
    longest_kept,
    made_alike,
)
from sams.app.trouble import Trouble
from sams.config.model import Config
from sams.config.sources import BuiltinSource
from sams.control.messages import SourceDown
from sams.identity.account_sources import Source
from sams.identity.accounts.builtin import BuiltinAccounts
from sams.identity.accounts.store import AccountStore
from sams.identity.app_passwords.lookup import AppPasswords
from sams.identity.app_passwords.uses import FILE as USES_FILE
from sams.identity.app_passwords.uses import AppPasswordUses
from sams.identity.app_passwords.uses import Row as UseRow
from sams.identity.authentication.authenticator import ChainAuthenticator
from sams.identity.authentication.refusals import SignInSettings
from sams.identity.grants import Grants
from sams.identity.guard.interface import LockBegun
from sams.identity.guard.shared_guard import SharedGuard
from sams.identity.interface import Audience
from sams.identity.offers import has_keys
from sams.identity.passwords.hashes import HashCost, Hashes
from sams.identity.sources.directory_source import DirectorySource
from sams.identity.sources.known import KnownMembers
from sams.service.material import Material

FORGET_EVERY = 3_600
"""Seconds between two looks for what directories said too long ago."""
_LAST_QUESTIONS = 60.0
"""Seconds that a directory is kept after a reload has replaced it: sessions of before may still ask it."""


@dataclass(frozen=True, slots=True)
class Deciding:
    """What decides sign-ins by other settings, made and not yet used."""

    sources: Sources
    maps: SenderMaps


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
        self.accounts = AccountStore(accounts_path(config), clock, self._hashes, password_rules(config))
        self.accounts.prepare()
        self._pool = hash_pool(inherited, number)
        self.app_passwords = AppPasswords(accounts_path(config), clock)
        self.known = KnownMembers(config.server.data_dir / MEMBERS_FILE)
        self.uses = AppPasswordUses(config.server.data_dir / USES_FILE, clock)
        self._writing: asyncio.Future[None] | None = None
        self._next_forgetting = 0.0
        self._retired: set[asyncio.Task[None]] = set()
        self._report = Trouble(inherited.log, clock)
        self._maker = self._source_maker(inherited)
        self._sources: Sources = self._maker.make(inherited.material, {})
        self._map_maker = MapMaker(self.known, clock, self._teller, self._report)
        self._maps = self._map_maker.make(inherited.material, {})
        queries = tuple(self._maps.queries.values())
        self.grants = Grants(login_forms(config), self._maps.files, queries)
        self.authenticator = self._authenticator(inherited)

    def _source_maker(self, inherited: Inherited) -> SourceMaker:
        return SourceMaker(
            accounts=self.accounts,
            hashes=self._hashes,
            pool=self._pool,
            known=self.known,
            clock=inherited.clock,
            teller=self._teller,
            report=self._report,
            pam=inherited.pam.questions if inherited.pam is not None else None,
        )

    def _authenticator(self, inherited: Inherited) -> ChainAuthenticator:
        config, memory = inherited.material.config, inherited.memory
        return ChainAuthenticator(
            self.sources,
            memory.remembered,
            self._guard(config),
            app_passwords=self.app_passwords,
            graced=memory.graced,
            forms=login_forms(config),
            clock=inherited.clock,
            chance=random.random,
            report=self._report,
            settings=sign_in_settings(config),
            since=inherited.material.read_at,
            grants=self.grants,
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

    def prepare(self, material: Material) -> Deciding:
        """The sources and maps of other settings; nothing has changed yet.

        Raises:
            OperatorError: one of them cannot be made.
        """
        alike = made_alike(material, self._inherited.material)
        kept = {
            one: source for one, source in self._sources.items() if alike or isinstance(one, BuiltinSource)
        }
        maps = self._map_maker.make(material, self._maps.queries if alike else {})
        return Deciding(self._maker.make(material, kept), maps)

    def renew(self, material: Material, deciding: Deciding) -> None:
        """Decide by new settings, for sessions of before as well. deciding: as it was prepared."""
        config, sources = material.config, deciding.sources
        before, self._sources = self._sources, sources
        for section, source in sources.items():
            if isinstance(source, BuiltinAccounts) and isinstance(section, BuiltinSource):
                source.use(section)
        _take_over(before.values(), sources.values())
        for source in before.values():
            if source not in sources.values():
                self._retire(source)
        self._renew_maps(config, deciding.maps)
        guard, times = self._guard(config), sign_in_settings(config)
        self.authenticator.use(
            self.sources, guard, forms=login_forms(config), settings=times, since=material.read_at
        )
        self.accounts.use(password_rules(config))

    def _renew_maps(self, config: Config, maps: SenderMaps) -> None:
        before, self._maps = self._maps, maps
        queries = tuple(maps.queries.values())
        _take_over(before.queries.values(), queries)
        for query in before.queries.values():
            if query not in queries:
                self._retire(query)
        self.grants.use(login_forms(config), maps.files, queries)

    @property
    def keyed(self) -> tuple[bool, ...]:
        """Of which sources every member can sign in by SCRAM: what is offered follows from it."""
        return tuple(map(has_keys, self._sources.values()))

    def tick(self) -> None:
        """Once a second: what is to be kept goes to its file, and who is down is asked whether that is over."""
        for source in (*self._sources.values(), *self._maps.queries.values()):
            if isinstance(source, DirectorySource):
                source.look_after()
        if self._writing is not None and not self._writing.done():
            return
        rows, uses, now = self.known.take(), self.uses.take(), self._inherited.clock.monotonic()
        if rows or uses or now >= self._next_forgetting:
            self._writing = self._loop.run_in_executor(None, self._write, rows, uses, now)

    def down(self) -> dict[str, SourceDown]:
        """The sources and maps of senders that do not answer, by name."""
        return {
            source.name: SourceDown(source.outage.since, source.outage.why)
            for source in (*self._sources.values(), *self._maps.queries.values())
            if isinstance(source, DirectorySource) and source.outage.since is not None
        }

    async def close(self) -> None:
        """Let go of files, threads and connections."""
        self._pool.close()
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        await self.grants.close()
        for source in (*self._sources.values(), *self._maps.queries.values()):
            await close(source)
        if self._writing is not None:
            await asyncio.wait([self._writing])
        await self._loop.run_in_executor(None, self._write_uses, self.uses.take(is_last=True))
        self.app_passwords.close()
        self.known.close()

    def _retire(self, source: AnySource) -> None:
        async def later() -> None:
            try:
                await asyncio.sleep(_LAST_QUESTIONS)
            finally:
                await close(source)

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
                self._tell(ServiceChanged("source up", f"the source of accounts {name} counts as up again"))

        return tell

    def _write(self, rows: list[Any], uses: list[UseRow], now: float) -> None:
        """On a thread."""
        self._write_uses(uses)
        try:
            self.known.write(rows)
            if now >= self._next_forgetting:
                self._next_forgetting = now + FORGET_EVERY
                config = self._inherited.material.config
                longest = max(longest_kept(config), longest_kept_of_maps(config))
                self.known.forget(self._inherited.clock.now() - longest)
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


def _take_over(before: Iterable[AnySource], after: Iterable[AnySource]) -> None:
    """Let what is new know whose sessions it has to look after."""
    by_name = {source.name: source for source in before if isinstance(source, DirectorySource)}
    for source in after:
        replaced = by_name.get(source.name)
        if isinstance(source, DirectorySource) and replaced is not None and replaced is not source:
            source.take_over(replaced)


def sign_in_settings(config: Config) -> SignInSettings:
    """The times of sign-ins."""
    return SignInSettings(failure_delay=config.guard.failure_delay)
