"""Helpers of a supervisor: real processes that do nothing but live and die."""

from __future__ import annotations

import os
import signal
import sys
import time

from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger

from sams.service.helpers import LAST_SECONDS, OVERLAP, Helper, Helpers

STUBBORN = "import signal,time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"


class Stage:
    """One helper, and what became of it."""

    def __init__(self, code: str = "import time; time.sleep(60)") -> None:
        self.pids: list[int] = []
        self.let_go = 0
        self.code = code
        self.log = CapturingLogger()
        log: FilteringBoundLogger = self.log
        self.helpers = Helpers((Helper("idle", self._spawn, self._let_go),), log)

    def _spawn(self) -> int:
        reader, writer = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, writer, 1)]
        command = [sys.executable, "-I", "-c", f"print(flush=True); {self.code}"]
        self.pids.append(os.posix_spawn(command[0], command, {}, file_actions=actions))
        lines = 2 if self.code == STUBBORN else 1
        while lines:
            lines -= len(os.read(reader, lines))
        os.close(reader)
        os.close(writer)
        return self.pids[-1]

    def _let_go(self) -> None:
        self.let_go += 1

    def reap(self, *, is_over: bool = False) -> None:
        pid, status = os.waitpid(self.pids[-1], 0)
        self.helpers.ended(pid, os.waitstatus_to_exitcode(status), is_over=is_over)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_helper_that_ends_is_replaced() -> None:
    stage = Stage()
    stage.helpers.start()
    os.kill(stage.pids[0], signal.SIGKILL)
    stage.reap()
    stage.helpers.restart_due(time.monotonic())
    assert len(stage.pids) == 2
    assert is_alive(stage.pids[1])
    assert [call.kwargs["status"] for call in stage.log.calls] == [-9]
    stage.helpers.end()
    assert not is_alive(stage.pids[1])


def test_a_helper_that_keeps_ending_is_restarted_ever_more_slowly() -> None:
    stage = Stage("pass")
    stage.helpers.start()
    for _ in range(4):
        stage.reap()
        stage.helpers.restart_due(float("inf"))
    pauses = [call.kwargs["pause"] for call in stage.log.calls]
    assert pauses == sorted(pauses)
    assert pauses[0] == 0
    assert pauses[-1] > 1
    stage.reap()
    stage.helpers.restart_due(time.monotonic())
    assert len(stage.pids) == 5


def test_a_helper_that_ends_while_the_service_stops_is_not_replaced() -> None:
    stage = Stage()
    stage.helpers.start()
    os.kill(stage.pids[0], signal.SIGTERM)
    stage.reap(is_over=True)
    stage.helpers.restart_due(float("inf"))
    stage.helpers.end()
    assert len(stage.pids) == 1
    assert stage.log.calls == []


def test_a_helper_that_does_not_end_is_killed() -> None:
    stage = Stage(STUBBORN)
    stage.helpers.start()
    stage.helpers.end()
    assert not is_alive(stage.pids[0])


def test_a_helper_that_cannot_be_started_is_tried_again() -> None:
    stage = Stage()
    attempts: list[int] = []

    def spawn() -> int:
        attempts.append(1)
        raise FileNotFoundError(2, "No such file or directory")

    helpers = Helpers((Helper("gone", spawn, lambda: None),), stage.log)
    helpers.start()
    helpers.restart_due(float("inf"))
    assert len(attempts) == 2
    assert "No such file" in stage.log.calls[0].kwargs["why"]
    helpers.end()


def test_a_worker_lets_go_of_what_is_for_helpers() -> None:
    stage = Stage()
    stage.helpers.let_go()
    assert stage.let_go == 1


def test_children_that_are_no_helpers_are_passed_over() -> None:
    stage = Stage()
    stage.helpers.ended(1, 0, is_over=False)
    stage.helpers.end()
    assert stage.log.calls == []


class Renewed(Stage):
    """A helper that is told something, and whether it knows the newest of it."""

    def __init__(self, code: str = "import time; time.sleep(60)") -> None:
        super().__init__(code)
        self.is_stale = False
        helper = Helper("idle", self._begin, self._let_go, lambda: self.is_stale)
        self.helpers = Helpers((helper,), self.log)
        self.helpers.start()

    def _begin(self) -> int:
        self.is_stale = False
        return self._spawn()

    def reap_first(self) -> int:
        """How it ended."""
        pid, status = os.waitpid(self.pids[0], 0)
        self.helpers.ended(pid, os.waitstatus_to_exitcode(status), is_over=False)
        return os.waitstatus_to_exitcode(status)


def test_a_helper_that_knows_what_is_in_force_goes_on_after_a_reload() -> None:
    stage = Renewed()
    stage.helpers.renew()
    stage.helpers.restart_due(time.monotonic() + OVERLAP)
    assert len(stage.pids) == 1
    stage.helpers.end()


def test_a_helper_that_does_not_goes_on_until_its_successor_has_had_time() -> None:
    stage = Renewed()
    stage.is_stale = True
    stage.helpers.renew()
    now = time.monotonic()
    assert len(stage.pids) == 2
    stage.helpers.restart_due(now)
    assert all(map(is_alive, stage.pids))
    stage.helpers.restart_due(now + OVERLAP)
    assert stage.reap_first() == -signal.SIGTERM
    assert [call.kwargs for call in stage.log.calls] == [{"helper": "idle"}]
    stage.helpers.renew()
    stage.helpers.restart_due(now + 2 * OVERLAP)
    assert len(stage.pids) == 2
    assert is_alive(stage.pids[1])
    stage.helpers.end()


def test_a_helper_that_has_a_successor_and_does_not_end_is_killed() -> None:
    stage = Renewed(STUBBORN)
    stage.is_stale = True
    stage.helpers.renew()
    now = time.monotonic()
    stage.helpers.restart_due(now + OVERLAP)
    stage.helpers.restart_due(now + OVERLAP + LAST_SECONDS)
    assert stage.reap_first() == -signal.SIGKILL
    assert is_alive(stage.pids[1])
    stage.helpers.end()


def test_at_the_end_of_the_service_both_end() -> None:
    stage = Renewed()
    stage.is_stale = True
    stage.helpers.renew()
    stage.helpers.end()
    assert not any(map(is_alive, stage.pids))


def test_a_successor_that_ends_is_replaced_while_its_predecessor_leaves() -> None:
    stage = Renewed()
    stage.is_stale = True
    stage.helpers.renew()
    os.kill(stage.pids[1], signal.SIGKILL)
    stage.reap()
    stage.helpers.restart_due(time.monotonic())
    assert len(stage.pids) == 3
    stage.helpers.end()
    assert not any(map(is_alive, stage.pids))


def test_what_is_told_while_a_helper_waits_to_be_restarted_starts_no_second_one() -> None:
    stage = Renewed()
    os.kill(stage.pids[0], signal.SIGKILL)
    stage.reap()
    stage.is_stale = True
    stage.helpers.renew()
    assert len(stage.pids) == 1
    stage.helpers.restart_due(time.monotonic())
    assert len(stage.pids) == 2
    stage.helpers.end()
