"""The guard's locks as commands and pages see them, in wire values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from sams.activity.events import GuardReleased
from sams.control.messages import MAX_PAGE, Changed, GuardEntry, GuardList, GuardPage, GuardRelease
from sams.control.peers import Peer
from sams.control.server import Handlers
from sams.identity.guard.locks import GuardLocks, place_named
from sams.identity.logins import LoginForms, UnpreparableError, map_login

EVERYTHING = "everything"
"""What the journal says was released where all was."""


class LocalGuard:
    """`GuardOperations` on the guard's memory itself.

    forms: turn a login into the form by which the guard counts it.
    """

    def __init__(self, locks: GuardLocks, forms: LoginForms) -> None:
        self._locks = locks
        self._forms = forms

    def list(self) -> Sequence[GuardEntry]:
        """All locks in force, by rising id."""
        return tuple(GuardEntry(**dataclasses.asdict(lock)) for lock in self._locks.list())

    def release(self, target: str | None) -> int:
        """End the locks of a login, an address or a network; None: all. How many there were."""
        if target is None:
            return self._locks.release_all()
        place = place_named(target)
        if place is not None:
            return self._locks.release_place(place)
        return self._locks.release_login(self._bare(target))

    def _bare(self, login: str) -> str:
        """What no account can have as its login is counted as it was typed."""
        try:
            return self._forms.bare(map_login(login))
        except UnpreparableError:
            return login


def guard_handlers(guard: LocalGuard, tell: Callable[[GuardReleased], None]) -> Handlers:
    """The table by which the service answers what concerns the guard; each release is told to the journal."""

    async def page(request: GuardList, _peer: Peer) -> GuardPage:
        limit = min(max(request.limit, 1), MAX_PAGE)
        found = [lock for lock in guard.list() if request.after is None or lock.id > request.after]
        return GuardPage(tuple(found[:limit]), more=len(found) > limit)

    async def release(request: GuardRelease, peer: Peer) -> Changed:
        ended = guard.release(request.target)
        tell(GuardReleased(EVERYTHING if request.target is None else request.target, ended, peer.name))
        return Changed(ended)

    return {GuardList: page, GuardRelease: release}
