"""Who keeps the web process where the service is one process: that one gives up the rights to start it.

A child of it, forked before, stays who started the service, and starts the web process anew where it ends. It hears
one thing: a descriptor with what the next web process is to be told. Who sends it serves the network, so that it is
handed on unread, to a process that has no rights. It ends when nobody can say anything any more.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from sams.app.pages import Pages, pages_helpers
from sams.core.memory_files import memory_file
from sams.service.helpers import Helpers
from sams.service.material import Material

_TICK = 1.0
_WORD = b"site"


class PagesKeeper:
    """The other end: for the one process. pid: the keeper's. pages: as it has them. ends: of the socket to it."""

    def __init__(self, pid: int, pages: Pages, ends: socket.socket, log: FilteringBoundLogger) -> None:
        self._pid = pid
        self._pages = pages
        self._ends = ends
        self._log = log
        self._next: bytes | None = None

    def prepare(self, material: Material) -> None:
        """Make what the web process is to be told by new material, and do not tell it yet.

        Raises:
            OperatorError: the picture cannot be used.
        """
        self._next = self._pages.changed(material)

    def renew(self) -> None:
        """Have it told: a successor takes the place of the process that runs."""
        octets, self._next = self._next, None
        if octets is None:
            return
        self._pages.octets = octets
        site = memory_file(octets)
        try:
            socket.send_fds(self._ends, [_WORD], [site], socket.MSG_DONTWAIT)
        except OSError as error:
            self._log.error("the pages go on as they were: restart the service", why=str(error))
        finally:
            os.close(site)

    def close(self) -> None:
        """Have the web process ended, and wait until the port is free; the keeper waits for it at most 2 s."""
        self._ends.close()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def start_pages_alone(pages: Pages | None, log: FilteringBoundLogger) -> PagesKeeper | None:
    """Start the keeper, and with it the web process. As root before rights are given up, and before any thread."""
    if pages is None:
        return None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            ours.close()
            _keep(pages, theirs, log)
            status = 0
        except BaseException:
            log.exception("the keeper of the pages failed")
        finally:
            os._exit(status)
    theirs.close()
    pages.let_go()
    return PagesKeeper(pid, pages, ours, log)


def _keep(pages: Pages, ends: socket.socket, log: FilteringBoundLogger) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal tells the whole group
        signal.signal(number, signal.SIG_IGN)
    _close_all_but({0, 1, 2, ends.fileno(), pages.listening.fileno(), pages.site})
    helpers = Helpers(pages_helpers(pages), log)
    helpers.start()
    while _hear(pages, ends, helpers):
        _reap(helpers)
        helpers.restart_due(time.monotonic())
    helpers.end()


def _hear(pages: Pages, ends: socket.socket, helpers: Helpers) -> bool:
    """Wait a moment for what the one process says; whether it is still there."""
    if not select.select([ends], [], [], _TICK)[0]:
        return True
    word, descriptors, _, _ = socket.recv_fds(ends, len(_WORD), 1)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
        pages.take(descriptor)
        helpers.renew()
    return bool(word)


def _reap(helpers: Helpers) -> None:
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            helpers.ended(found[0], os.waitstatus_to_exitcode(found[1]), is_over=False)


def _close_all_but(kept: set[int]) -> None:
    """The service's ports and files are nothing for this process: a port that it kept open would stay taken."""
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor not in kept:
            with suppress(OSError):
                os.close(descriptor)
