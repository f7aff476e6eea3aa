"""`sams serve`: everything before the fork, then the supervisor, or the one process that does it all."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from sams.activity.lines import Lines
from sams.activity.logs import FactLog, StandardLogs, is_for_people, make_logger
from sams.app.guard_watch import kept_guard
from sams.app.hasher import hashers, open_hasher
from sams.app.hops import Hops
from sams.app.inherited import (
    Inherited,
    check_changeable,
    make_memory,
    open_listeners,
    waits_for_restart,
)
from sams.app.pages import Pages, open_pages, pages_helpers
from sams.app.pages_alone import PagesKeeper, start_pages_alone
from sams.app.pam import open_pam, pam_helpers, start_pam_alone
from sams.app.settings import worker_count
from sams.app.worker import WorkerGraph
from sams.config.model import Config
from sams.control.peers import pages_user_of, service_roles
from sams.core.clock import SystemClock
from sams.core.rights import ServiceUser, become, keep_secrets_in
from sams.service import data_lock
from sams.service.channel import Channel
from sams.service.material import Material, encode, read_material
from sams.service.notify import ServiceManager
from sams.service.privileges import (
    check_contents,
    may_run_program,
    prepare_data_dir,
    service_user,
)
from sams.service.reloads import Renewal
from sams.service.sockets import activated_sockets
from sams.service.supervisor import Supervisor
from sams.service.worker import WorkerProcess

STDERR = 2


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `serve` holds when everything is open and nothing runs yet.

    user: whom the workers become; None: they stay who we are.
    lines: of the log.
    pages: None: there are none.
    """

    inherited: Inherited
    user: ServiceUser | None
    manager: ServiceManager
    lines: Lines
    pages: Pages | None = None

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.inherited.material.config


def run(config_path: Path, environment: Mapping[str, str] = os.environ) -> int:
    """Run the service in the foreground until SIGTERM or SIGINT; its exit status.

    Raises:
        OperatorError: it cannot start; the message says what to do.
    """
    keep_secrets_in()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
    prepared = prepare(config_path, dict(environment))
    logging.getLogger().addHandler(StandardLogs(prepared.inherited.log))
    if worker_count(prepared.config) == 0:
        return _serve_alone(prepared)
    return _supervise(prepared)


def prepare(config_path: Path, environment: dict[str, str]) -> Prepared:
    """Read everything, open everything, and make what workers share."""
    material = read_material(config_path)
    config = material.config
    clock = SystemClock()
    lines = Lines(STDERR)
    log, facts = _logs(config, lines)
    for warning in material.warnings:
        log.warning("configuration", note=warning)
    user = service_user(config.server.user)
    _warn_of_root(user, log)
    _warn_of_user(user, log, "[server] user")
    prepare_data_dir(config.server.data_dir, user, passable=_others_may_ask(config))
    for warning in check_contents(config.server.data_dir):
        log.warning("data folder", note=warning)
    data_lock.take(config.server.data_dir)
    _raise_file_limit(config, log)
    workers = max(1, worker_count(config))
    activated = activated_sockets(environment)
    listeners = open_listeners(material, workers, activated)
    pages = open_pages(config, material, activated)
    _warn_of_user(pages.user if pages is not None else None, log, "[web] user")
    inherited = Inherited(
        material=material,
        config_path=config_path,
        clock=clock,
        log=log,
        listeners=listeners,
        memory=make_memory(config, clock, kept_guard(config.server.data_dir, clock, log)),
        workers=workers,
        started=clock.now(),
        facts=facts,
        pam=open_pam(config),
        hasher=open_hasher(config),
    )
    return Prepared(inherited, user, ServiceManager.from_environment(environment), lines, pages)


def _others_may_ask(config: Config) -> bool:
    """Whether others than the service's own user may reach the control sockets."""
    control = config.control
    own = {"", config.server.user}
    return bool(control.read or control.queue or control.accounts or control.admin) or (
        pages_user_of(config) not in own
    )


def _warn_of_root(user: ServiceUser | None, log: FilteringBoundLogger) -> None:
    if user is None and os.geteuid() == 0:
        log.warning("everything runs as root: make a user for the service and name it as [server] user")


def _warn_of_user(user: ServiceUser | None, log: FilteringBoundLogger, key: str) -> None:
    if user is not None and not may_run_program(user):
        log.warning(
            "a user may not read this program: install it where it may, such as /opt/sams",
            key=key,
            user=user.name,
            program=sys.prefix,
        )


def _supervise(prepared: Prepared) -> int:
    inherited = prepared.inherited
    supervisor = Supervisor(
        workers=inherited.workers,
        run_worker=lambda number, channel: _run_worker(prepared, number, channel),
        reload=lambda: _reread(inherited, prepared.pages),
        grace=prepared.config.server.grace,
        manager=prepared.manager,
        board=inherited.memory.board,
        died=lambda number: _forget(inherited, number),
        log=inherited.log,
        helpers=(
            *hashers(prepared.config, inherited.hasher, prepared.user),
            *pam_helpers(prepared.config, inherited.pam, inherited.workers),
            *pages_helpers(prepared.pages),
        ),
    )
    gc.collect()
    gc.freeze()
    return supervisor.run()


def _run_worker(prepared: Prepared, number: int, channel: Channel) -> int:
    if prepared.user is not None:
        become(prepared.user)
    inherited = prepared.inherited
    process = WorkerProcess(
        build=lambda: WorkerGraph(inherited, number, process.ask_for_reload),
        grace=prepared.config.server.grace,
        log=inherited.log,
        channel=channel,
    )
    with prepared.lines.gathered():
        return process.run()


def _serve_alone(prepared: Prepared) -> int:
    inherited = prepared.inherited
    start_pam_alone(prepared.config, inherited.pam)
    keeper = start_pages_alone(prepared.pages, inherited.log)
    if prepared.user is not None:
        become(prepared.user)
    inherited.memory.board.note_worker(0, pid=os.getpid(), ready=True, restarts=0)
    process = WorkerProcess(
        build=lambda: WorkerGraph(inherited, 0, process.ask_for_reload),
        grace=prepared.config.server.grace,
        log=inherited.log,
        reload_here=lambda: _checked_alone(inherited, keeper),
        reloaded=keeper.renew if keeper is not None else None,
        manager=prepared.manager,
    )
    try:
        with prepared.lines.gathered():
            return process.run()
    finally:
        if keeper is not None:
            keeper.close()


def _reread(inherited: Inherited, pages: Pages | None) -> Renewal:
    """For the supervisor: everything new, checked, and used by workers that are forked from now on.

    What only a worker uses is made here once, to be thrown away: where it could not use it, nothing is to change.
    """
    material, notes = _checked(inherited)
    config = material.config
    service_roles(os.geteuid(), config.control, pages_user_of(config))
    Hops(inherited.clock).prepare(material)
    octets = encode(material)
    site = pages.changed(material) if pages is not None else None
    inherited.renew(material)
    if pages is not None and site is not None:
        pages.renew(site)
    return Renewal(octets, notes)


def _checked_alone(inherited: Inherited, keeper: PagesKeeper | None) -> tuple[Material, tuple[str, ...]]:
    """As `_checked`, where this process has no supervisor."""
    material, notes = _checked(inherited)
    if keeper is not None:
        keeper.prepare(material)
    return material, notes


def _checked(inherited: Inherited) -> tuple[Material, tuple[str, ...]]:
    """The material as it is on disk now, where it can be used; notes on what it needs besides, also in the log."""
    material = read_material(inherited.config_path)
    check_changeable(inherited.material.config, material.config)
    for warning in material.warnings:
        inherited.log.warning("configuration", note=warning)
    waiting = waits_for_restart(inherited.began_with, material.config)
    for key in waiting:
        inherited.log.warning("a change that needs a restart to be in force", key=key)
    return material, (*material.warnings, *(f"{key} is in force after a restart only" for key in waiting))


def _forget(inherited: Inherited, number: int) -> None:
    """What a dead worker held in shared memory."""
    inherited.memory.admission.forget(number)
    inherited.memory.metrics.clear_gauges(number)
    inherited.memory.routes.forget(number)
    inherited.memory.sources.forget(number)
    inherited.memory.hashing.numbers[number] = 0


def _logs(config: Config, lines: Lines) -> tuple[FilteringBoundLogger, FactLog]:
    level, people = config.log.level, is_for_people(config.log.format, STDERR)
    colours = people and sys.stderr.isatty()
    log = make_logger(level, people=people, clock=SystemClock(), lines=lines, colours=colours)
    return log, FactLog(log, level, people=people, lines=lines)


def _raise_file_limit(config: Config, log: FilteringBoundLogger) -> None:
    """Every connection is a descriptor, and so is each connection to a next hop."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.limits.connections + sum(route.connections for route in config.routes) + 1_024
    if soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if hard != resource.RLIM_INFINITY and hard < wanted:
        log.warning(
            "this system allows too few open files: raise LimitNOFILE in the unit, or lower [limits] connections",
            allowed=hard,
            wanted=wanted,
        )
