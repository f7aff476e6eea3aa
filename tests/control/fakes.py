"""A service with handlers of the test's own, on real sockets, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
import structlog.testing
from structlog.typing import FilteringBoundLogger

from sams.control import sockets
from sams.control.messages import (
    HealthQuery,
    QueueEntry,
    RecipientEntry,
    Request,
    Response,
    ServiceHealth,
    WorkerState,
)
from sams.control.peers import Peer, Roles, service_roles
from sams.control.server import ControlServer, Handler

LOG: FilteringBoundLogger = structlog.wrap_logger(structlog.testing.CapturingLogger(), processors=[])
Answers = Mapping[type[Request], Callable[[Any], Response]]


def entry(message_id: str, login: str = "ann", recipients: int = 1, *, held: bool = False) -> QueueEntry:
    return QueueEntry(
        id=message_id,
        login=login,
        session="0SESSION",
        sender=f"{login}@example.ac.uk",
        arrived=1_000.0,
        size=4_096,
        held=held,
        smtputf8=False,
        envid=None,
        recipient_count=recipients,
        recipients=tuple(
            RecipientEntry(number, f"r{number}@example.net", "hub", 2_000.0, 0, delay_told=False)
            for number in range(recipients)
        ),
    )


def supervisor(workers: int, **more: Any) -> Answers:
    states = tuple(WorkerState(number, 100 + number, ready=True) for number in range(workers))
    health = ServiceHealth(
        "smtp.example.ac.uk", "1.0", os.getpid(), 1_000.0, ready=True, workers=states, **more
    )
    return {HealthQuery: lambda _: health}


@contextmanager
def listening(
    data_dir: Path, service: Answers, *workers: Answers, roles: Roles | None = None, **settings: Any
) -> Iterator[None]:
    """Listen for the supervisor and for each worker until the block ends."""
    tables = {sockets.service_path(data_dir): service}
    tables |= {sockets.worker_path(data_dir, number): answers for number, answers in enumerate(workers)}
    roles = roles or service_roles(os.geteuid())
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        servers = [
            ControlServer(
                path, {kind: _slow(answer) for kind, answer in table.items()}, roles, log=LOG, **settings
            )
            for path, table in tables.items()
        ]
        for server in servers:
            await server.start()
        started.set()
        await asyncio.to_thread(stop.wait)
        for server in servers:
            await server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(10)
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def _slow(answer: Callable[[Any], Response]) -> Handler:
    async def handle(request: Any, peer: Peer) -> Response:
        await asyncio.sleep(0)
        return answer(request)

    return handle
