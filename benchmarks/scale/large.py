"""Large messages: throughput, memory, and what they do to the small mail beside them.

Members have machines of their own, and the service does not answer for what they wait for there. Here all share the
same cores. So the process with the small members, this one, runs at real-time priority where that is allowed: else
half of what they wait for is a core of their own. The members with large messages stand back (`bulk.py`).
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.scale.bulk import Bulk, Order
from benchmarks.scale.hop import Hop, hop
from benchmarks.scale.lab import Peak, Table, Watch, main_pid, make_service, milliseconds, percentile, scratch
from benchmarks.scale.member import Member, Sent, content
from benchmarks.scale.priority import go_first
from tests.support.service import Service, free_ports

MIB = 1024 * 1024
_SMALL = 4_096
_SMALL_MEMBERS = 4
_LONGEST_PAUSE = 0.04
"""Seconds between two small messages of a member, at most: members do not act in step."""


@dataclass(frozen=True, slots=True)
class Size:
    """at_once: members with large messages. loads: octets of one, and how many each of them sends."""

    at_once: int
    loads: tuple[tuple[int, int], ...]
    quiet: float


SIZES = {
    "small": Size(20, ((MIB, 10), (25 * MIB, 1)), 4.0),
    "full": Size(200, ((MIB, 10), (25 * MIB, 1)), 15.0),
}


def run(size: str) -> Table:
    """Measure."""
    wanted, table = SIZES[size], Table("Large messages")
    table.add("small members' priority", go_first())
    (port,) = free_ports(1)
    with scratch("large") as folder, hop(port) as next_hop:
        service = make_service(folder / "service", port)
        with service.running():
            asyncio.run(_Large(service, next_hop, wanted, table).run())
    return table


class _Large:
    def __init__(self, service: Service, next_hop: Hop, size: Size, table: Table) -> None:
        self._service = service
        self._hop = next_hop
        self._size = size
        self._table = table
        self._pid = main_pid(service)
        self._messages = (content(number, _SMALL) for number in itertools.count())
        self._large = 1_000_000
        self._chance = random.Random(1)  # noqa: S311 - it guards nothing

    async def run(self) -> None:
        members = [
            await Member.connect(self._service.implicit, self._service.trust()) for _ in range(_SMALL_MEMBERS)
        ]
        for member in members:
            await member.sign_in()
        until = time.monotonic() + self._size.quiet
        quiet = await self._small(members, lambda: time.monotonic() > until)
        self._table.add("memory before", f"{self._peak() / 1024:.0f} MiB")
        for octets, each in self._size.loads:
            await self._load(members, quiet, octets, each)

    def _peak(self) -> int:
        peak = Peak(self._pid)
        peak.look()
        return peak.kib

    async def _load(self, members: list[Member], quiet: list[Sent], octets: int, each: int) -> None:
        count, at_once = self._size.at_once * each, self._size.at_once
        authority = self._service.folder / "ca.pem"
        bulk = Bulk(self._service.implicit, authority, Order(at_once, each, octets, self._large))
        self._large += count
        before, peak, watch = self._hop.counts(), Peak(self._pid), Watch(self._pid)
        wall = time.time()
        bulk.begin()
        looking = asyncio.create_task(self._look(peak))
        small = await self._small(members, lambda: bulk.is_over)
        sent = bulk.result()
        after = await asyncio.to_thread(self._hop.wait_for, before.messages + count + len(small))
        looking.cancel()
        delivered = after.last - wall
        mib = count * octets / MIB
        name = f"{octets // MIB} MiB, {at_once} at once"
        table = self._table
        table.add(f"{name}: accepted", f"{mib / sent.seconds:.0f} MiB/s")
        table.add(f"{name}: delivered", f"{mib / delivered:.0f} MiB/s")
        table.add(f"{name}: CPU", f"{milliseconds(watch.cpu / mib)} a MiB, accepted and delivered")
        table.add(f"{name}: memory", f"{peak.kib / 1024:.0f} MiB", "<= 400 MiB", holds=peak.kib <= 400 * 1024)
        lost = before.messages + count + len(small) - after.messages
        table.add(
            f"{name}: lost, twice", f"{lost}, {after.twice}", "0, 0", holds=not lost and not after.twice
        )
        self._compare(name, quiet, small)

    async def _look(self, peak: Peak) -> None:
        while True:
            await asyncio.to_thread(peak.look)
            await asyncio.sleep(1.0)  # to look at a process holds it up

    async def _small(self, members: list[Member], is_over: Callable[[], bool]) -> list[Sent]:
        sending = [member.send_now_and_then(self._messages, self._pause, is_over) for member in members]
        return list(itertools.chain(*await asyncio.gather(*sending)))

    def _pause(self) -> float:
        return self._chance.uniform(0.0, _LONGEST_PAUSE)

    def _compare(self, name: str, quiet: list[Sent], beside: list[Sent]) -> None:
        for part in (0.5, 0.99):
            before = percentile([sum(one) for one in quiet], part)
            during = percentile([sum(one) for one in beside], part)
            ratio, wanted = during / before, "<= 3 x quiet" if part == 0.99 else ""
            self._table.add(
                f"{name}: 4 KiB mail beside, p{part * 100:g} of {len(beside)}",
                f"{milliseconds(during)}, quiet {milliseconds(before)}: {ratio:.2f} x",
                wanted,
                holds=ratio <= 3 if wanted else None,
            )
