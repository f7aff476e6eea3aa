"""The supervisor with workers that do nothing but live and die."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger

from sams.core.errors import OperatorError
from sams.service.board import StatusBoard
from sams.service.channel import Channel, Word
from sams.service.notify import ServiceManager
from sams.service.reloads import Renewal
from sams.service.supervisor import Supervisor

PATIENCE = 20.0
Worker = Callable[["Stage", int, Channel], int]


@dataclass
class Stage:
    """A supervisor in a process of its own, and what its workers say by a pipe."""

    pid: int
    reader: int
    writer: int
    board: StatusBoard

    def say(self, line: str) -> None:
        os.write(self.writer, line.encode() + b"\n")

    def hear(self, count: int) -> list[str]:
        """So many lines, in any order of the workers."""
        heard = b""
        until = time.monotonic() + PATIENCE
        while heard.count(b"\n") < count:
            assert time.monotonic() < until, f"only heard {heard!r}"
            if select.select([self.reader], [], [], 0.1)[0]:
                heard += os.read(self.reader, 4_096)
        return sorted(heard.decode().split("\n")[:-1])

    def wait(self) -> int:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        raise AssertionError("the supervisor does not end")


def no_reload() -> Renewal:
    raise OperatorError("sams.toml:3: nonsense")


@contextmanager
def supervised(worker: Worker, workers: int = 2, grace: float = 1.0) -> Iterator[Stage]:
    reader, writer = os.pipe()
    stage = Stage(0, reader, writer, StatusBoard(workers))
    stage.pid = os.fork()
    if stage.pid == 0:
        _supervise(stage, worker, workers, grace)
    try:
        yield stage
    finally:
        if stage.pid:
            os.kill(stage.pid, signal.SIGKILL)
            os.waitpid(stage.pid, 0)
        os.close(reader)
        os.close(writer)


def _supervise(stage: Stage, worker: Worker, workers: int, grace: float) -> None:
    log: FilteringBoundLogger = CapturingLogger()
    try:
        status = Supervisor(
            workers=workers,
            run_worker=lambda number, channel: worker(stage, number, channel),
            reload=no_reload,
            grace=grace,
            manager=ServiceManager(),
            board=stage.board,
            died=lambda number: stage.say(f"died {number}"),
            log=log,
        ).run()
        os._exit(status)
    except BaseException:  # noqa: BLE001 - the forked child must not return into the test
        traceback.print_exc(file=sys.stderr)
        os._exit(99)


def ready_and_wait(stage: Stage, number: int, channel: Channel) -> int:
    stage.say(f"up {number}")
    channel.say(Word.READY)
    signal.pause()
    return 0


def test_workers_run_until_sigterm_and_all_of_them_end() -> None:
    with supervised(ready_and_wait) as stage:
        assert stage.hear(2) == ["up 0", "up 1"]
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0


def test_a_worker_that_dies_is_replaced_and_what_it_held_is_cleared() -> None:
    with supervised(ready_and_wait, workers=1) as stage:
        stage.hear(1)
        first = wait_ready(stage.board, 0)
        os.kill(first, signal.SIGKILL)
        assert stage.hear(2) == ["died 0", "up 0"]
        assert wait_ready(stage.board, 0) != first
        assert stage.board.read(0).restarts == 1
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0


def wait_ready(board: StatusBoard, number: int) -> int:
    until = time.monotonic() + PATIENCE
    while not board.read(number).ready:
        assert time.monotonic() < until, "the worker is never ready"
        time.sleep(0.01)
    return board.read(number).pid


def cannot_start(stage: Stage, number: int, channel: Channel) -> int:
    stage.say(f"failed {number}")
    return 1


def test_a_service_that_cannot_start_ends_with_1_and_does_not_try_for_ever() -> None:
    with supervised(cannot_start, workers=1) as stage:
        assert stage.wait() == 1
        assert stage.hear(2) == ["died 0", "failed 0"]


def ignores_sigterm(stage: Stage, number: int, channel: Channel) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return ready_and_wait(stage, number, channel)


def test_a_worker_that_does_not_stop_is_killed_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sams.service.supervisor._PATIENCE", 0.2)
    with supervised(ignores_sigterm, workers=1, grace=0.2) as stage:
        stage.hear(1)
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0


def test_a_reload_that_is_refused_leaves_the_workers_alone() -> None:
    with supervised(ready_and_wait, workers=1) as stage:
        stage.hear(1)
        before = wait_ready(stage.board, 0)
        os.kill(stage.pid, signal.SIGHUP)
        time.sleep(0.3)
        assert stage.board.read(0).pid == before
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0


def ends_with_its_supervisor(stage: Stage, number: int, channel: Channel) -> int:
    channel.say(Word.READY)
    stage.say("up")
    while channel.receive() is not None:
        pass
    stage.say("the supervisor is gone")
    return 0


def test_a_worker_hears_of_its_supervisors_death() -> None:
    with supervised(ends_with_its_supervisor, workers=1) as stage:
        stage.hear(1)
        os.kill(stage.pid, signal.SIGKILL)
        stage.wait()
        assert stage.hear(1) == ["the supervisor is gone"]


def test_no_worker_keeps_what_is_the_supervisors_or_another_workers() -> None:
    def count(stage: Stage, number: int, channel: Channel) -> int:
        sockets = [entry for entry in Path("/proc/self/fd").iterdir() if is_socket(entry)]
        stage.say(f"{number}: {len(sockets)}")
        return ready_and_wait(stage, number, channel)

    with supervised(count, workers=3) as stage:
        lines = [line for line in stage.hear(6) if ": " in line]
        assert len({line.partition(": ")[2] for line in lines}) == 1, (
            "as many sockets in the last as in the first"
        )
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0


def is_socket(entry: Path) -> bool:
    try:
        return str(entry.readlink()).startswith("socket:")
    except OSError:
        return False
