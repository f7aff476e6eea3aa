"""The web process, started by the supervisor (`starting.py`) and by nobody else.

Theory of operation
-------------------
It has the listening socket as one descriptor, and the site as another: a file in memory. It first becomes `[web]
user`, gives up what can be given up, and only then reads the site and loads what serves pages. It knows nothing of
the service but the site, and reaches nothing of it but the control socket, where it may ask four questions.

It ends when its parent ends. Told to stop (a reload has started its successor on the same socket) it takes no new
connections, cuts streams, which begin anew at the successor, and lets other answers end within a few seconds.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
from pathlib import Path

import msgspec
from structlog.typing import FilteringBoundLogger

from sams.activity.lines import Lines
from sams.activity.logs import StandardLogs, make_logger
from sams.core.clock import SystemClock
from sams.core.memory_files import read_all
from sams.core.rights import confine, die_with_parent, leave_the_terminal
from sams.web.site import Site
from sams.web.starting import LISTENING, SITE, Orders, decode

_STDERR = 2
_FILES = 4_096


def main(arguments: list[str]) -> int:
    """Be the web process; the one argument is its `Orders` as JSON. The exit status."""
    orders = msgspec.json.decode(arguments[0], type=Orders)
    give_up(orders)
    lines = Lines(_STDERR)
    log = make_logger(orders.level, people=orders.people, clock=SystemClock(), lines=lines)
    _take_standard_logs(log)
    with lines.gathered():
        try:
            site = decode(read_all(SITE))
            os.close(SITE)
            asyncio.run(_serve(site, log))
        except Exception:
            log.exception("the pages ended in an unexpected way")
            return 1
    return 0


def give_up(orders: Orders) -> None:
    """Become the user, for good; no new rights, no core dumps, no looks into memory; end with the parent.

    Raises:
        OSError: the system does not allow it.
    """
    leave_the_terminal()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # until there is something to end in order
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    confine(orders.user)
    die_with_parent(signal.SIGTERM)
    if os.getppid() != orders.parent:
        os._exit(0)


def _take_standard_logs(log: FilteringBoundLogger) -> None:
    """What libraries log stands in our log. What strangers can cause as often as they like is left out."""
    logging.getLogger().addHandler(StandardLogs(log))
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.ERROR)


async def _serve(site: Site, log: FilteringBoundLogger) -> None:
    from sams.web.application import make_application  # noqa: PLC0415 - as the user that we are now
    from sams.web.link import ControlLink  # noqa: PLC0415
    from sams.web.serving import serve  # noqa: PLC0415

    application = make_application(site, ControlLink(Path(site.data_dir)), log)
    listening = socket.socket(fileno=LISTENING)
    listening.setblocking(False)
    gc.collect()
    gc.freeze()  # what stays for good is not looked at again each time when connections have ended (`doors.py`)
    log.info("the pages are ready", pid=os.getpid(), uid=os.geteuid())
    await serve(application, site, listening, log)
