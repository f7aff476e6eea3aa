"""A deep queue: what a message costs as the queue grows, the restart upon it, and the drain when the hop is back."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.scale.hop import Hop
from benchmarks.scale.lab import (
    ROUTE,
    Peak,
    Table,
    Watch,
    main_pid,
    make_service,
    memory_kib,
    milliseconds,
    percentile,
    scratch,
)
from benchmarks.scale.member import Member, content
from tests.support.service import Service, free_ports

CONNECTIONS = 20
_OCTETS = 4_096
_FIRST = 10_000_000
"""The number of the first message that is filled in."""
_CALM = 0.05
"""CPU seconds in a second: below, the service is at rest."""
_ROUNDS = 3
"""Of which the middle one counts."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done. depths: waiting messages, rising; sent: messages that are timed at each depth."""

    depths: tuple[int, ...]
    sent: int
    drained: int


SIZES = {
    "small": Size((0, 1_000, 10_000, 50_000), 2_000, 5_000),
    "full": Size((0, 10_000, 100_000, 1_000_000), 6_000, 40_000),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one message at a depth, seconds."""

    cpu: float
    wall: float
    p99: float


def run(size: str) -> Table:
    """Measure."""
    table, wanted = Table("Deep queue, next hop down"), SIZES[size]
    (port,) = free_ports(1)
    with scratch("deep") as folder:
        service = make_service(folder / "service", port, connections=CONNECTIONS)
        _Deep(service, Hop(port), table, wanted).run()
    return table


class _Deep:
    def __init__(self, service: Service, hop: Hop, table: Table, size: Size) -> None:
        self._service = service
        self._hop = hop
        self._table = table
        self._size = size
        self._filled = 0
        self._sent = 0
        self._costs: dict[int, Cost] = {}

    def run(self) -> None:
        for depth in self._size.depths:
            self._fill(depth)
            self._at(depth)
        self._judge()
        self._drain()

    def _fill(self, depth: int) -> None:
        """What is missing up to this depth, into all shards at once."""
        workers = self._service.workers
        share = (depth - self._filled) // workers
        if share <= 0:
            return
        began = time.monotonic()
        fillers = [self._filler(shard, share) for shard in range(workers)]
        assert all(filler.wait() == 0 for filler in fillers)
        self._filled += share * workers
        os.sync()
        took = time.monotonic() - began
        self._table.add(f"filled to {depth}", f"{share * workers / took:.0f} messages/s into the spool")

    def _filler(self, shard: int, count: int) -> subprocess.Popen[bytes]:
        first = _FIRST + self._filled + shard * count
        numbers = map(str, (first, count, _OCTETS))
        data = str(self._service.folder / "data")
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "benchmarks.scale.fill", data, str(shard), ROUTE, *numbers]
        )

    def _at(self, depth: int) -> None:
        began = time.monotonic()
        with self._service.running():
            ready = time.monotonic() - began
            pid = main_pid(self._service)
            rest = _rest(pid)
            self._table.add(f"{depth}: `ready` after", f"{ready:.2f} s", "< 5 s", holds=ready < 5)
            self._table.add(f"{depth}: at rest after", f"{rest:.1f} s more")
            asyncio.run(self._submit(200))
            cost = sorted((self._cost(pid) for _ in range(_ROUNDS)), key=lambda one: one.cpu)[_ROUNDS // 2]
            self._costs[depth] = cost
            self._table.add(
                f"{depth}: a message",
                f"{milliseconds(cost.cpu)} CPU, {milliseconds(cost.wall)} wall, p99 {milliseconds(cost.p99)}",
            )
            self._table.add(f"{depth}: memory", f"{memory_kib(pid) / 1024:.0f} MiB")

    def _cost(self, pid: int) -> Cost:
        watch = Watch(pid)
        answers = asyncio.run(self._submit(self._size.sent))
        return Cost(watch.cpu / len(answers), watch.wall / len(answers), percentile(answers, 0.99))

    async def _submit(self, count: int) -> list[float]:
        """So many messages by 16 members at once."""
        members, context = 16, self._service.trust()
        numbers = iter(range(self._sent, self._sent + count))
        self._sent += count

        async def member() -> list[float]:
            mine = await Member.connect(self._service.implicit, context)
            await mine.sign_in()
            seconds = [(await mine.send(content(number, _OCTETS))).dot for number in numbers]
            await mine.leave()
            return seconds

        return list(itertools.chain(*await asyncio.gather(*[member() for _ in range(members)])))

    def _judge(self) -> None:
        empty, deepest = self._costs[self._size.depths[0]], self._costs[self._size.depths[-1]]
        for what, before, after in (
            ("CPU of a message", empty.cpu, deepest.cpu),
            ("wall of a message", empty.wall, deepest.wall),
        ):
            ratio = after / before
            self._table.add(f"{what}, deepest to empty", f"{ratio:.2f}", "<= 1.10", holds=ratio <= 1.1)

    def _drain(self) -> None:
        """The hop comes back."""
        with self._service.running():
            pid = main_pid(self._service)
            _rest(pid)
            self._hop.start()
            try:
                self._watch_drain(pid)
            finally:
                self._hop.stop()

    def _watch_drain(self, pid: int) -> None:
        peak, watch, began = Peak(pid), Watch(pid), time.monotonic()
        rates: list[tuple[float, int]] = []
        while (came := self._hop.counts()).messages < min(self._size.drained, self._filled):
            rates.append((time.monotonic() - began, came.messages))
            peak.look()
            time.sleep(0.5)
            assert time.monotonic() - began < 120, "the drain does not come to its end"
        first = [f"{open_}" for _, open_ in came.opened[:8]]
        after = came.opened[0][0]
        table = self._table
        table.add("drained", f"{came.messages / (came.last - came.first):.0f} messages/s")
        table.add("drained, CPU", f"{milliseconds(watch.cpu / came.messages)} a message")
        table.add(
            "connections, most at once", str(came.most), f"<= {CONNECTIONS}", holds=came.most <= CONNECTIONS
        )
        table.add("connections as they were opened", " ".join(first), "probe first, then a ramp")
        times = " ".join(f"{at - after:.2f}" for at, _ in came.opened[:8])
        table.add("… after seconds", times)
        table.add("memory while draining", f"{peak.kib / 1024:.0f} MiB")
        table.add("twice", str(came.twice), "0", holds=came.twice == 0)


def _rest(pid: int, patience: float = 60.0) -> float:
    """Wait until the service is at rest; the seconds."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        watch = Watch(pid)
        time.sleep(1.0)
        if watch.cpu < _CALM:
            break
    return time.monotonic() - began - 1.0
