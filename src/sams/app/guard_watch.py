"""Takes what the guard knows over a restart, and tells people of locks that concern many."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from sams.activity.events import GuardLocked
from sams.config.model import Config
from sams.core.clock import Clock
from sams.core.errors import OperatorError
from sams.identity.guard.file import DamagedGuardFile, SavedGuard, guard_path, read_guard, restore, save
from sams.identity.guard.locks import GuardLocks
from sams.identity.guard.memory import GuardMemory
from sams.identity.logins import LoginForms
from sams.service.guard_view import LocalGuard

SAVE_EVERY = 60
"""Looks, one a second, from one time that it is written to the next; where nothing changed it is not written."""


class GuardKeeper:
    """Writes the guard's file now and then, on a thread. For one worker; called on the loop, once a second."""

    def __init__(self, memory: GuardMemory, data_dir: Path, clock: Clock, log: FilteringBoundLogger) -> None:
        self._memory = memory
        self._path = guard_path(data_dir)
        self._clock = clock
        self._log = log
        self._beats = 0
        self._saving: asyncio.Task[None] | None = None
        self._is_failing = False

    def beat(self) -> None:
        """Write what changed, once a minute at most."""
        self._beats += 1
        if self._beats % SAVE_EVERY == 0 and (self._saving is None or self._saving.done()):
            self._saving = asyncio.ensure_future(self._save())

    async def close(self) -> None:
        """Write what changed since the last time."""
        if self._saving is not None:
            await self._saving
        await self._save()

    async def _save(self) -> None:
        if not self._memory.take_change():
            return
        try:
            await asyncio.to_thread(save, self._memory, self._path, self._clock)
            self._is_failing = False
        except OSError as error:
            self._memory.note_change()  # the next time it is tried again
            if not self._is_failing:
                self._log.warning("the guard's known places and locks cannot be written", why=str(error))
            self._is_failing = True


def kept_guard(data_dir: Path, clock: Clock, log: FilteringBoundLogger) -> GuardMemory:
    """The guard's memory with what was kept of it; empty, and said so, where that cannot be used."""
    saved: SavedGuard | None = None
    try:
        saved = read_guard(guard_path(data_dir))
    except DamagedGuardFile as error:
        log.warning("the guard begins without known places and locks", why=str(error))
    memory = GuardMemory(saved.key if saved else None)
    if saved is not None:
        restore(memory, saved, clock)
    return memory


@contextmanager
def opened_guard(config: Config, clock: Clock) -> Iterator[LocalGuard]:
    """The guard of a service that is down, from its file; what is released is written at the end.

    Raises:
        OperatorError: the file cannot be used.
    """
    path = guard_path(config.server.data_dir)
    try:
        saved = read_guard(path)
    except DamagedGuardFile as error:
        raise OperatorError(f"{error}, when the service starts") from None
    memory = GuardMemory(saved.key if saved else None)
    if saved is not None:
        restore(memory, saved, clock)
    yield LocalGuard(GuardLocks(memory, clock), LoginForms(config.accounts.domains))
    if memory.take_change():
        save(memory, path, clock)


def alarm_text(event: GuardLocked) -> str:
    """What people are told of a lock; empty where it concerns one login at one place only."""
    if event.level == "network":
        return (
            f"passwords are guessed from the network {event.address}: it is locked for {event.seconds:.0f} s, "
            "but for members where they are known. See `sams guard list`"
        )
    if event.level == "login" and not event.address:
        return (
            f"passwords of {event.login} are guessed from many places, {event.guesses} by now: places new to it have "
            "one wrong password each. The member is not locked out. See `sams guard list`"
        )
    return ""
