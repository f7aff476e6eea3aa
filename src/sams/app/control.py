"""What a worker answers on its control socket, and the first worker on the service's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw
import msgspec

from sams import __version__
from sams.activity.events import AccountChanged as AccountEvent
from sams.activity.events import GuardReleased
from sams.activity.interface import Activity
from sams.app.exposition import exposition
from sams.app.inherited import Inherited
from sams.app.parts import local_app_passwords
from sams.app.sign_ins import SignIns
from sams.app.storage import Storage
from sams.app.storage_watch import StorageWatch
from sams.control.messages import (
    AccountChanged,
    BackedUp,
    Backup,
    Changed,
    HealthQuery,
    Metrics,
    MetricsQuery,
    Reload,
    Reloaded,
    RouteDown,
    ServiceHealth,
    WorkerHealth,
    WorkerState,
)
from sams.control.peers import Peer
from sams.control.server import Handlers
from sams.core.errors import OperatorError
from sams.core.ids import MAX_SHARD, IdMaker
from sams.identity.accounts.store import AccountStore
from sams.identity.guard.locks import GuardLocks
from sams.identity.logins import LoginForms
from sams.service.account_view import LocalAccounts, account_handlers
from sams.service.app_password_view import FindMember, app_password_handlers
from sams.service.guard_view import LocalGuard, guard_handlers
from sams.service.pages_view import PagesView
from sams.service.queue_view import ShardQueue, queue_handlers
from sams.service.story_view import StoryReader
from sams.submission.reception import Reception

AskForReload = Callable[[], Awaitable[tuple[str, ...]]]
"""Has the configuration read again by who may; notes on what it needs besides.

It raises OperatorError where the old one goes on.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a worker that commands ask about.

    routes_down: by name. problems: in words for people. reload: has somebody's wish for a reload carried out.
    """

    activity: Activity
    queue: ShardQueue
    reception: Reception
    sign_ins: SignIns
    storage: Storage
    storage_watch: StorageWatch
    routes_down: Callable[[], dict[str, RouteDown]]
    problems: Callable[[], tuple[str, ...]]
    reload: AskForReload


def service_handlers(
    inherited: Inherited,
    accounts: AccountStore,
    tell: Callable[[AccountEvent | GuardReleased], None],
    ask_for_reload: AskForReload,
    find: FindMember,
) -> Handlers:
    """For the service's socket: accounts, health, reload, and the part of a backup that is no shard's."""

    async def health(_request: HealthQuery, _peer: Peer) -> ServiceHealth:
        return service_health(inherited)

    async def reload(_request: Reload, _peer: Peer) -> Reloaded:
        return Reloaded(await ask_for_reload())

    async def backup(request: Backup, _peer: Peer) -> BackedUp:
        with backup_folder(request.target) as folder:
            await asyncio.to_thread(accounts.backup, folder / "accounts.db")
        return BackedUp(("accounts.db",))

    async def metrics(_request: MetricsQuery, _peer: Peer) -> Metrics:
        return Metrics(exposition(inherited))

    return {
        **_identity_handlers(inherited, accounts, tell, find),
        HealthQuery: health,
        MetricsQuery: metrics,
        Reload: reload,
        Backup: backup,
    }


def _identity_handlers(
    inherited: Inherited,
    accounts: AccountStore,
    tell: Callable[[AccountEvent | GuardReleased], None],
    find: FindMember,
) -> Handlers:
    config, clock = inherited.material.config, inherited.clock
    local = LocalAccounts(accounts, config.accounts.domains)
    guard = LocalGuard(GuardLocks(inherited.memory.guard, clock), LoginForms(config.accounts.domains))
    return {
        **account_handlers(local, tell),
        **guard_handlers(guard, tell),
        **app_password_handlers(local_app_passwords(config, clock, accounts), find, tell),
    }


def pages_view(inherited: Inherited, asked: Asked) -> PagesView | None:
    """What answers the pages; None: there are none."""
    config, clock = inherited.material.config, inherited.clock
    if config.web is None:
        return None
    return PagesView(
        authenticator=lambda: asked.sign_ins.authenticator,
        activity=asked.activity,
        stories=StoryReader(config.server.data_dir, clock),
        session_ids=IdMaker(clock, MAX_SHARD),
        clock=clock,
        port=config.web.port,
        implicit=config.web.security == "tls",
    )


def worker_handlers(number: int, inherited: Inherited, asked: Asked) -> Handlers:
    """For a worker's socket: its shards, its sessions, its health."""
    queue, storage = asked.queue, asked.storage_watch

    async def health(_request: HealthQuery, _peer: Peer) -> WorkerHealth:
        found = worker_health(number, inherited, queue, (*asked.problems(), *await storage.problems()))
        return msgspec.structs.replace(
            found,
            failed_shards=await storage.failed_shards(),
            set_aside=await storage.set_aside(),
            routes_down=of_interest(asked.routes_down(), queue),
            sources_down=asked.sign_ins.down(),
        )

    async def account_changed(request: AccountChanged, _peer: Peer) -> Changed:
        return Changed(asked.reception.revoke(frozenset({request.login})))

    async def backup(request: Backup, _peer: Peer) -> BackedUp:
        with backup_folder(request.target) as folder:
            target = folder / "spool"
            target.mkdir(mode=0o700, exist_ok=True)
            spools = tuple(asked.storage.spools)
            paths = [f"spool/{spool.shard}" for spool in spools]
            await asyncio.gather(*(spool.backup(str(target / str(spool.shard))) for spool in spools))
        return BackedUp(tuple(paths))

    return {
        **queue_handlers(queue, asked.activity.tell),
        HealthQuery: health,
        AccountChanged: account_changed,
        Backup: backup,
    }


def service_health(inherited: Inherited) -> ServiceHealth:
    """The service as its status board shows it."""
    board = inherited.memory.board
    rows = [board.read(number) for number in range(len(board))]
    states = tuple(WorkerState(number, row.pid, row.ready, row.restarts) for number, row in enumerate(rows))
    return ServiceHealth(
        name=inherited.material.config.server.name,
        version=__version__,
        pid=os.getpid() if len(rows) == 1 and rows[0].pid == os.getpid() else os.getppid(),
        started=inherited.started,
        ready=all(row.ready for row in rows),
        workers=states,
    )


def worker_health(
    number: int, inherited: Inherited, queue: ShardQueue, problems: tuple[str, ...]
) -> WorkerHealth:
    """A worker as it sees itself."""
    row = inherited.memory.board.read(number)
    routes = queue.depth()
    oldest = [route.oldest for route in routes if route.oldest is not None]
    return WorkerHealth(
        number=number,
        pid=os.getpid(),
        ready=True,
        connections=row.connections,
        signed_in=row.signed_in,
        queued=sum(route.recipients for route in routes),
        due=sum(route.due for route in routes),
        oldest=min(oldest) if oldest else None,
        problems=problems,
    )


def of_interest(down: dict[str, RouteDown], queue: ShardQueue) -> dict[str, RouteDown]:
    """Without those that are gone from the configuration and for which nothing waits."""
    if all(each.since is not None for each in down.values()):
        return down
    waiting = {each.route for each in queue.depth()}
    return {name: each for name, each in down.items() if each.since is not None or name in waiting}


@contextmanager
def backup_folder(target: str) -> Iterator[Path]:
    """Where a backup is to be written. That it cannot be is the disk's fault, and no bug.

    Raises:
        OperatorError: it is no existing folder by its whole path, or something cannot be written there.
    """
    path = Path(target)
    if not path.is_absolute() or not path.is_dir():
        raise OperatorError(
            f"{target} is no existing folder, by its whole path, that the service may write to"
        )
    try:
        yield path
    except (apsw.Error, OSError) as error:
        raise OperatorError(
            f"the backup cannot be written: {error}. Is there room on the disk of data_dir (`sams doctor`)?"
        ) from error
