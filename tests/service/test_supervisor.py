"""The supervisor with workers that do nothing but live and die."""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger

from sams.core.errors import OperatorError
from sams.service.board import StatusBoard
from sams.service.channel import Channel, Order, ReloadOutcome, Word, parse_order
from sams.service.notify import ServiceManager
from sams.service.reloads import Renewal
from sams.service.supervisor import Supervisor
from tests.support.processes import children

PATIENCE = 20.0
Worker = Callable[["Stage", int, Channel], int]
Reload = Callable[["Stage"], Renewal]


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


def no_reload(_: Stage) -> Renewal:
    raise OperatorError("sams.toml:3: nonsense")


@contextmanager
def supervised(
    worker: Worker,
    workers: int = 2,
    grace: float = 1.0,
    reload: Reload = no_reload,
    manager: ServiceManager | None = None,
) -> Iterator[Stage]:
    reader, writer = os.pipe()
    stage = Stage(0, reader, writer, StatusBoard(workers))
    stage.pid = os.fork()
    if stage.pid == 0:
        _supervise(stage, worker, workers, grace, reload=reload, manager=manager or ServiceManager())
    try:
        yield stage
    finally:
        if stage.pid:
            left = children(stage.pid)
            os.kill(stage.pid, signal.SIGKILL)
            os.waitpid(stage.pid, 0)
            for pid in left:  # one that was stopped would hear of nothing, and stay
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        os.close(reader)
        os.close(writer)


def _supervise(
    stage: Stage, worker: Worker, workers: int, grace: float, *, reload: Reload, manager: ServiceManager
) -> None:
    log: FilteringBoundLogger = CapturingLogger()
    faulthandler.disable()  # a worker that is made to crash has nothing to tell
    try:
        status = Supervisor(
            workers=workers,
            run_worker=lambda number, channel: worker(stage, number, channel),
            reload=lambda: reload(stage),
            grace=grace,
            manager=manager,
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


def beats(stage: Stage, number: int, channel: Channel) -> int:
    """A worker whose loop turns, and that takes whatever it is given."""
    channel.say(Word.READY)
    stage.say(f"up {number}")
    while True:
        channel.beat()
        if not select.select([channel], [], [], 0.02)[0]:
            continue
        messages = channel.receive()
        if messages is None:
            return 0
        for message in messages:
            order, content = parse_order(message)
            stage.say(f"{order.name} {number} {content.decode()}")
            if order is Order.MATERIAL:
                channel.say(Word.RELOADED)
            elif order is Order.HURRY:
                return 0


def asks_and_beats(stage: Stage, number: int, channel: Channel) -> int:
    channel.say(Word.RELOAD)
    return beats(stage, number, channel)


def test_a_reload_that_is_refused_leaves_the_workers_alone_and_who_asked_is_told_why() -> None:
    with supervised(asks_and_beats, workers=1) as stage:
        outcome, up = stage.hear(2)
        assert up == "up 0"
        assert ReloadOutcome.decoded(outcome.removeprefix("OUTCOME 0 ").encode()) == ReloadOutcome(
            "sams.toml:3: nonsense"
        )
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0


def a_bug(_: Stage) -> Renewal:
    raise ZeroDivisionError


def test_a_bug_in_a_reload_harms_nobody() -> None:
    with supervised(asks_and_beats, workers=1, reload=a_bug) as stage:
        outcome, _ = stage.hear(2)
        assert "unexpected" in outcome
        os.kill(stage.pid, signal.SIGHUP)
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0


def test_every_worker_gets_new_material_and_who_asked_hears_when_all_have_it() -> None:
    def asks_when_told(stage: Stage, number: int, channel: Channel) -> int:
        if number == 0:
            signal.signal(signal.SIGUSR1, lambda *_: channel.say(Word.RELOAD))
        return beats(stage, number, channel)

    renewal = Renewal(b"new", ("[log] is in force after a restart only",))
    with supervised(asks_when_told, reload=lambda _: renewal) as stage:
        assert stage.hear(2) == ["up 0", "up 1"]
        os.kill(wait_ready(stage.board, 0), signal.SIGUSR1)
        first, second, outcome = stage.hear(3)
        assert (first, second) == ("MATERIAL 0 new", "MATERIAL 1 new")
        assert ReloadOutcome.decoded(outcome.removeprefix("OUTCOME 0 ").encode()) == ReloadOutcome(
            None, renewal.notes
        )
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0


@pytest.fixture
def quick_to_lose_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sams.service.slots.HANG", 2.0)
    monkeypatch.setattr("sams.service.supervisor._TICK", 0.05)


@pytest.mark.usefixtures("quick_to_lose_patience")
@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_hangs_or_crashes_is_replaced_and_the_other_goes_on(how: signal.Signals) -> None:
    with supervised(beats) as stage:
        stage.hear(2)
        first, other = wait_ready(stage.board, 0), wait_ready(stage.board, 1)
        os.kill(first, how)
        assert stage.hear(2) == ["died 0", "up 0"]
        assert wait_ready(stage.board, 0) != first
        assert wait_ready(stage.board, 1) == other
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0


@pytest.mark.usefixtures("quick_to_lose_patience")
def test_who_did_not_run_itself_takes_no_silence_amiss(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the whole group was frozen, or the machine suspended."""
    monkeypatch.setattr("sams.service.supervisor._FROZEN", 1.0)
    with supervised(beats, workers=1) as stage:
        stage.hear(1)
        worker = wait_ready(stage.board, 0)
        for pid in (stage.pid, worker):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3.0)
        os.kill(stage.pid, signal.SIGCONT)
        time.sleep(0.1)  # the supervisor looks first
        os.kill(worker, signal.SIGCONT)
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0
        assert stage.board.read(0).restarts == 1  # its end


def test_what_no_worker_says_ends_the_worker_and_not_the_service() -> None:
    def talks_nonsense_once(stage: Stage, number: int, channel: Channel) -> int:
        if stage.board.read(number).restarts == 0:
            signal.signal(signal.SIGUSR1, lambda *_: channel.send(b"x" * 100_000))
        return beats(stage, number, channel)

    with supervised(talks_nonsense_once, workers=1) as stage:
        stage.hear(1)
        os.kill(wait_ready(stage.board, 0), signal.SIGUSR1)
        assert stage.hear(2) == ["died 0", "up 0"]
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.wait() == 0


def test_a_second_sigterm_tells_the_workers_to_hurry() -> None:
    def takes_its_time(stage: Stage, number: int, channel: Channel) -> int:
        signal.signal(signal.SIGTERM, lambda *_: stage.say(f"stopping {number}"))
        return beats(stage, number, channel)

    with supervised(takes_its_time, grace=600.0) as stage:
        stage.hear(2)
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.hear(2) == ["stopping 0", "stopping 1"]
        os.kill(stage.pid, signal.SIGTERM)
        assert stage.hear(4) == ["HURRY 0 ", "HURRY 1 ", "died 0", "died 1"]
        assert stage.wait() == 0


def test_a_terminals_interrupt_reaches_workers_through_their_supervisor_alone() -> None:
    def answers(stage: Stage, number: int, channel: Channel) -> int:
        signal.signal(signal.SIGUSR1, lambda *_: stage.say("still here"))
        return beats(stage, number, channel)

    with supervised(answers, workers=1) as stage:
        stage.hear(1)
        worker = wait_ready(stage.board, 0)
        os.kill(worker, signal.SIGINT)
        os.kill(worker, signal.SIGUSR1)
        assert stage.hear(1) == ["still here"]
        os.kill(stage.pid, signal.SIGINT)
        assert stage.wait() == 0
        assert stage.board.read(0).restarts == 1  # its end


def test_the_service_manager_hears_nothing_while_a_worker_cannot_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process in an endless system call survives even SIGKILL: then only the manager can help."""
    monkeypatch.setattr("sams.service.slots.HANG", 2.0)
    monkeypatch.setattr("sams.service.supervisor._TICK", 0.05)
    monkeypatch.setattr("sams.service.supervisor.Supervisor._end_hanging", lambda *_: None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(PATIENCE)
        manager = ServiceManager(str(tmp_path / "notify"), 30.0)
        with supervised(beats, workers=1, manager=manager) as stage:
            stage.hear(1)
            worker = wait_ready(stage.board, 0)
            assert heard_until(heard, b"WATCHDOG=1")
            os.kill(worker, signal.SIGSTOP)
            heard.settimeout(2.0)  # forty times as long as between two
            with pytest.raises(TimeoutError):
                heard_until(heard, b"STOPPING=1")
            os.kill(worker, signal.SIGCONT)
            heard.settimeout(PATIENCE)
            assert heard_until(heard, b"WATCHDOG=1")
            os.kill(stage.pid, signal.SIGTERM)
            assert stage.wait() == 0


def heard_until(heard: socket.socket, wanted: bytes) -> bool:
    while heard.recv(1_000) != wanted:
        pass
    return True


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
