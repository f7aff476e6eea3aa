"""The sources of accounts for a command, while the service is down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sams.app.parts import lanes_folder, open_accounts
from sams.app.sender_maps import MapMaker
from sams.app.sources import MEMBERS_FILE, SourceMaker, close, login_forms
from sams.control.messages import AccountTested
from sams.core.clock import Clock
from sams.identity.chain import Chain
from sams.identity.grants import Grants
from sams.identity.passwords.hashes import HashCost, Hashes
from sams.identity.passwords.lanes import Lanes
from sams.identity.passwords.pool import HashPool
from sams.identity.questions import Ends
from sams.identity.shared_table import Columns
from sams.identity.sources.known import KnownMembers
from sams.service.material import Material
from sams.service.source_view import tested


class LocalSources:
    """`SourceOperations` with sources of its own.

    material: read before rights were given up. pam: of a helper that was started before that.
    """

    def __init__(self, material: Material, clock: Clock, pam: Ends | None = None) -> None:
        self._material = material
        self._pam = pam
        self._clock = clock

    def test(self, login: str, password: str | None) -> AccountTested:
        """What each says of a login."""
        return asyncio.run(self._test(login, password))

    async def _test(self, login: str, password: str | None) -> AccountTested:
        async with self._chain() as (chain, grants):
            return await tested(chain, login_forms(self._material.config), grants, login, password)

    @asynccontextmanager
    async def _chain(self) -> AsyncIterator[tuple[Chain, Grants]]:
        config = self._material.config
        accounts = open_accounts(config, self._clock)
        accounts.prepare()
        pool = HashPool(Lanes(lanes_folder(config), 1), Columns(1), 0, at_once=1)
        known = KnownMembers(config.server.data_dir / MEMBERS_FILE)
        maker = SourceMaker(
            accounts=accounts,
            hashes=Hashes(HashCost()),
            pool=pool,
            known=known,
            clock=self._clock,
            teller=lambda _name: lambda _why: None,
            report=_ignore,
            pam=self._pam.questions if self._pam is not None else None,
        )
        sources = maker.make(self._material, {})
        maps = MapMaker(known, self._clock, maker.teller, _ignore).make(self._material, {})
        grants = Grants(login_forms(config), maps.files, tuple(maps.queries.values()))
        try:
            yield Chain(sources.values()), grants
        finally:
            for source in (*sources.values(), *maps.queries.values()):
                await close(source)
            pool.close()
            known.close()


def _ignore(_error: BaseException) -> None:
    """The answer says that the source did not work, and why."""
