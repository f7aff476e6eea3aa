"""One scenario against one started target."""

from __future__ import annotations

import time
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from benchmarks.compare.accounting import Machine, Usage, memory
from benchmarks.compare.programs import Counts, Generator, Programs, Sink
from benchmarks.compare.results import About, Delivery, Load, Result, Use
from benchmarks.compare.scenarios import MIB, WARM_UP, Scenario
from benchmarks.compare.targets import Target

_DRAIN = 10.0
"""Seconds without a message after which nothing more is awaited."""
_SETTLE = 0.4
"""Seconds for the server's own work after the last delivery: the queue entry goes, a line is logged."""
_LARGEST_IDLE = {"postfix": 300}
"""Idle connections of a server that has a process for each and a limit for them."""


@dataclass(frozen=True, slots=True)
class _Before:
    """How things stood when the load began."""

    used: Usage
    machine: Machine
    sink: Counts
    at: float


class Measuring:
    """Measures one target. scratch: a folder for the ids of messages."""

    def __init__(self, target: Target, programs: Programs, sink: Sink, scratch: Path) -> None:
        self._target = target
        self._programs = programs
        self._sink = sink
        self._id_log, self._dump = scratch / "accepted", scratch / "delivered"
        self._run_id = int(time.time()) & 0x7FFFFFFF
        self._version = target.version()

    def warm_up(self) -> None:
        """Let it start its processes and fill its caches, and wait until its queue is empty."""
        for scenario in WARM_UP:
            wanted = self._fit(scenario)
            if wanted is not None:
                self._generate(wanted, self._about(wanted, 0).command)
        time.sleep(1.0)
        until = time.monotonic() + _DRAIN
        while not self._target.is_floor and self._target.queue() and time.monotonic() < until:
            time.sleep(0.2)

    def run(self, scenario: Scenario, round_: int) -> Result | None:
        """Measure; None: the scenario says nothing about this target."""
        wanted = self._fit(scenario)
        if wanted is None:
            return None
        about = self._about(wanted, round_)
        return self._idle(wanted, about) if wanted.mode == "idle" else self._messages(wanted, about)

    def _about(self, scenario: Scenario, round_: int) -> About:
        self._run_id += 1
        port = self._target.port(scenario.security)
        command = self._programs.load_command(port, scenario.arguments(), self._run_id, self._id_log)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        target = self._target
        return About(target.label, scenario.name, round_, when, self._version, target.account.kind, command)

    def _fit(self, scenario: Scenario) -> Scenario | None:
        if self._target.is_floor:
            return scenario.for_floor(smtp=self._target.speaks_smtp)
        largest = _LARGEST_IDLE.get(self._target.label.partition(":")[0])
        if scenario.mode == "idle" and largest is not None:
            return replaced(scenario, clients=min(scenario.clients, largest))
        return scenario

    def _generate(self, scenario: Scenario, command: list[str]) -> tuple[Load, int, int]:
        """The load, and in the middle of it the memory (KiB) and the number of the target's processes."""
        generator = Generator(command)
        try:
            if scenario.mode == "idle":
                generator.wait_for_idle()
                time.sleep(_SETTLE)
            else:
                time.sleep(scenario.seconds * 0.6)
            processes = self._target.account.processes()
            size = memory(processes)
            return generator.result(), size, len(processes)
        finally:
            generator.end()

    def _before(self) -> _Before:
        sink = self._sink.ask("RESET")
        return _Before(self._target.account.usage(), Machine.now(), sink, time.monotonic())

    def _messages(self, scenario: Scenario, about: About) -> Result:
        before = self._before()
        load, size, processes = self._generate(scenario, about.command)
        steal, other = self._others(before, load)
        delivery = (
            self._relayed(scenario, load, before) if not self._target.is_floor else _echoed(scenario, load)
        )
        time.sleep(_SETTLE)
        used = self._target.account.usage().since(before.used)
        use = _use(used, delivery.delivered, size, processes)
        return Result(about, load, delivery, replace(use, steal=steal, other=other))

    def _others(self, before: _Before, load: Load) -> tuple[float, float]:
        """Cores that the hypervisor, and other work than ours, took during the load."""
        seconds, machine = time.monotonic() - before.at, Machine.now()
        ours = self._target.account.usage().since(before.used).total + load.client_cpu
        ours += self._sink.ask("GET").cpu - before.sink.cpu
        other = machine.busy - before.machine.busy - ours
        return (machine.steal - before.machine.steal) / seconds, max(0.0, other / seconds)

    def _relayed(self, scenario: Scenario, load: Load, before: _Before) -> Delivery:
        self._drain(load.accepted, load.accepted * scenario.recipients)
        came = self._sink.ask(f"DUMP {self._dump}")
        accepted, delivered = (set(path.read_text().split()) for path in (self._id_log, self._dump))
        missing = load.accepted * scenario.recipients - came.rcpts
        rate = came.unique / max(came.last - before.at, 1e-9)
        return Delivery(
            came.unique,
            max(len(accepted - delivered), missing),
            max(0, -missing),
            rate,
            rate * scenario.size / MIB,
        )

    def _drain(self, messages: int, recipients: int) -> None:
        """Until so much has come to the sink, or nothing more comes."""
        moved, seen = time.monotonic(), -1
        while time.monotonic() - moved < _DRAIN:
            came = self._sink.ask("GET")
            if came.unique >= messages and came.rcpts >= recipients:
                return
            if came.rcpts != seen:
                moved, seen = time.monotonic(), came.rcpts
            time.sleep(0.02)

    def _idle(self, scenario: Scenario, about: About) -> Result:
        before = memory(self._target.account.processes())
        used = self._target.account.usage()
        load, size, processes = self._generate(scenario, about.command)
        count = load.idle_alive_at_end
        use = _use(self._target.account.usage().since(used), count, size, processes)
        return Result(about, load, Delivery(), replace(use, idle_kib=(size - before) / max(count, 1)))


def _echoed(scenario: Scenario, load: Load) -> Delivery:
    rate = load.msg_per_s
    return Delivery(load.accepted, 0, 0, rate, rate * scenario.size / MIB)


def _use(used: Usage, count: int, size: int, processes: int) -> Use:
    each = 1e3 / max(count, 1)
    return Use(used.total * each, used.user * each, used.system * each, size, processes)
