"""Delivery keeps up: accepted is delivered under full load, and where the hop is slow, accepting slows with it."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass

from benchmarks.scale.hop import Hop, hop
from benchmarks.scale.lab import Peak, Table, main_pid, make_service, milliseconds, percentile, scratch
from benchmarks.scale.member import Member, content
from tests.support.service import Service, free_ports

_OCTETS = 4_096
_MEMBERS = 32
_CONNECTIONS = 20


@dataclass(frozen=True, slots=True)
class Size:
    """seconds: of full load. delay: seconds that the slow hop takes for each message."""

    seconds: float
    delay: float


SIZES = {"small": Size(8.0, 0.2), "full": Size(60.0, 0.2)}


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load. waiting: the longest queue; wait: p99 of the final dot's reply, seconds."""

    accepted: int
    seconds: float
    waiting: int
    delivered: int
    wait: float
    peak: int


def run(size: str) -> Table:
    """Measure."""
    wanted, table = SIZES[size], Table("Delivery keeps up")
    fast = _load(wanted.seconds, 0.0)
    _tell(table, "a fast hop", fast)
    share = fast.waiting / fast.accepted
    table.add(
        "a fast hop: longest queue", f"{fast.waiting} of {fast.accepted}", "<= 5 %", holds=share <= 0.05
    )
    slow = _load(wanted.seconds, wanted.delay)
    pace = _CONNECTIONS / wanted.delay
    _tell(table, f"a hop that takes {pace:.0f}/s", slow)
    rate = slow.accepted / slow.seconds
    table.add(
        "a slow hop: accepted to what it takes",
        f"{rate / pace:.1f} x",
        "it slows",
        holds=rate < fast.accepted / fast.seconds / 2,
    )
    return table


def _tell(table: Table, name: str, load: Load) -> None:
    table.add(f"{name}: accepted", f"{load.accepted / load.seconds:.0f}/s, p99 {milliseconds(load.wait)}")
    table.add(f"{name}: delivered meanwhile", f"{load.delivered / load.seconds:.0f}/s")
    table.add(f"{name}: memory", f"{load.peak / 1024:.0f} MiB")


def _load(seconds: float, delay: float) -> Load:
    (port,) = free_ports(1)
    with scratch("keeps-up") as folder, hop(port, delay) as next_hop:
        service = make_service(folder / "service", port, connections=_CONNECTIONS)
        with service.running():
            return asyncio.run(_run(service, next_hop, seconds))


async def _run(service: Service, next_hop: Hop, seconds: float) -> Load:
    context, numbers, peak = service.trust(), itertools.count(), Peak(main_pid(service))
    members = await asyncio.gather(*[Member.connect(service.implicit, context) for _ in range(_MEMBERS)])
    for member in members:
        await member.sign_in()
    waits: list[float] = []
    until = time.monotonic() + seconds

    async def send(member: Member) -> None:
        while time.monotonic() < until:
            waits.append((await member.send(content(next(numbers), _OCTETS))).dot)

    sending = asyncio.gather(*[send(member) for member in members])
    longest, began = 0, time.monotonic()
    while not sending.done():
        await asyncio.sleep(0.25)
        came = await asyncio.to_thread(next_hop.counts)
        longest = max(longest, len(waits) - came.messages)
        await asyncio.to_thread(peak.look)
    await sending
    took = time.monotonic() - began
    delivered = next_hop.counts().messages
    return Load(len(waits), took, longest, delivered, percentile(waits, 0.99), peak.kib)
