"""App passwords end with their members: who left a directory is found also if nobody signs in.

At each use the directory has its say anyhow (`identity.authenticator`), and while it says that there is nobody an app
password is of no use. So the sweep is for what is left over: it ends sessions, tells the journal, and takes app
passwords away for good of who has been gone for `GONE_FOR`. Not at once: a directory that is being moved, or a filter
that is mistyped for an hour, must not cost a whole university its passwords.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import apsw
from structlog.typing import FilteringBoundLogger

from sams.activity.events import AccountChanged
from sams.core.clock import Clock
from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.account_sources import Source
from sams.identity.app_passwords.store import AppPasswordStore
from sams.identity.interface import Account
from sams.identity.logins import LoginForms
from sams.identity.sources.directory_source import DirectorySource
from sams.identity.sources.known import KnownMembers

FIRST = 600.0
EVERY = 6 * 3_600.0
"""Seconds until the first sweep, and between two."""
GONE_FOR = 30 * 86_400.0
MOST_BETWEEN = 86_400.0
"""Seconds that count as passed between two sweeps at most: what is ended for good must not hang on a clock's jump."""
_BETWEEN = 0.1
"""Seconds between two questions: nobody is in a hurry."""
_PAGE = 1_000
_WHO = "the sweep"

Owner = tuple[str, str]
"""Source and login of who has app passwords."""


class AppPasswordSweep:
    """In the first worker.

    sources, forms: as they are now. tell: takes events.
    """

    def __init__(
        self,
        store: AppPasswordStore,
        known: KnownMembers,
        *,
        sources: Callable[[], tuple[Source, ...]],
        forms: Callable[[], LoginForms],
        clock: Clock,
        tell: Callable[[AccountChanged], None],
        log: FilteringBoundLogger,
        between: float = _BETWEEN,
    ) -> None:
        self._store = store
        self._known = known
        self._sources = sources
        self._forms = forms
        self._clock = clock
        self._tell = tell
        self._log = log
        self._between = between
        self._next = clock.monotonic() + FIRST
        self._told: set[Owner] = set()
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def tick(self) -> None:
        """Once a second: begin one where it is time."""
        if self._clock.monotonic() < self._next or (self._task is not None and not self._task.done()):
            return
        self._next = self._clock.monotonic() + EVERY
        self._task = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Break off."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self.sweep()
        except (OperatorError, apsw.Error) as error:
            self._log.warning("app passwords of who is gone were not looked for", why=str(error))

    async def sweep(self) -> None:
        """Ask about each owner once.

        Raises:
            OperatorError, apsw.Error: the files cannot be read or written.
        """
        await asyncio.to_thread(self._known.begin_sweep, self._clock.now(), MOST_BETWEEN)
        directories = {
            one.name: one for one in self._sources() if isinstance(one, DirectorySource) and one.can_find
        }
        for name, login in await asyncio.to_thread(lambda: tuple(self._owners())):
            directory = directories.get(name)
            if directory is None:
                continue
            try:
                forms = self._forms()  # one without a domain is asked about in a domain of the source
                account = await directory.ask_anew(forms.served(forms.parse(login), directory.serves))
            except TemporaryFailure:
                del directories[name]  # down: the rest of it is for the next time
                continue
            await asyncio.to_thread(self._conclude, (name, login), account)
            await asyncio.sleep(self._between)

    def _owners(self) -> Iterator[Owner]:
        """Each once, in pages. Blocks."""
        after, seen = ("", ""), set[Owner]()
        while True:
            page = self._store.list(after=after, limit=_PAGE)
            for one in page:
                if (one.source, one.login) not in seen:
                    seen.add((one.source, one.login))
                    yield one.source, one.login
            if len(page) < _PAGE:
                return
            after = page[-1].login, page[-1].id

    def _conclude(self, owner: Owner, account: Account | None) -> None:
        """On a thread."""
        name, login = owner
        if account is not None and account.identity.login == login:
            self._told.discard(owner)
            self._known.found(name, login)
            return
        now = self._clock.now()
        since = self._known.lost(name, login, now)
        if now - since >= GONE_FOR:
            ended = self._store.revoke_all(login, name)
            self._known.found(name, login)
            self._note(
                owner,
                "app passwords",
                f"{len(ended)} ended for good: {name} does not know the login any more",
            )
        elif owner not in self._told:
            self._told.add(owner)
            self._note(owner, "app passwords", f"without effect: {name} does not know the login any more")

    def _note(self, owner: Owner, what: str, detail: str) -> None:
        self._loop.call_soon_threadsafe(self._tell, AccountChanged(owner[1], what, _WHO, detail))
