"""Workers: how evenly connections spread, quickly and slowly."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from benchmarks.scale.hop import hop
from benchmarks.scale.lab import Table, make_service, scratch
from benchmarks.scale.member import Member
from tests.support.service import Service, free_ports


@dataclass(frozen=True, slots=True)
class Size:
    """connections: of each round. rounds: of each way to arrive. pause: seconds between two slow ones."""

    connections: int
    rounds: int
    pause: float


SIZES = {"small": Size(200, 2, 0.005), "full": Size(200, 5, 0.05)}
_BEAT = 1.5
"""Seconds until every worker has told how many it serves."""


def run(size: str) -> Table:
    """Measure."""
    wanted, table = SIZES[size], Table("Connections over workers")
    (port,) = free_ports(1)
    with scratch("workers") as folder, hop(port):
        service = make_service(folder / "service", port)
        with service.running():
            for how, pause in (("at once", 0.0), ("one after another", wanted.pause)):
                spread = [
                    asyncio.run(_spread(service, wanted.connections, pause)) for _ in range(wanted.rounds)
                ]
                worst = max(max(one) / (sum(one) / len(one)) for one in spread)
                table.add(
                    f"{wanted.connections} connections {how}",
                    ", ".join(" + ".join(map(str, one)) for one in spread),
                    "the fullest within 1.25 x of the mean",
                    holds=worst <= 1.25,
                )
    return table


async def _spread(service: Service, count: int, pause: float) -> list[int]:
    context = service.trust()

    async def connect(place: int) -> Member:
        await asyncio.sleep(place * pause)
        return await Member.connect(service.implicit, context)

    members = await asyncio.gather(*[connect(place) for place in range(count)])
    await asyncio.sleep(_BEAT)
    told = await asyncio.to_thread(service.sams, "health", "--json")
    for member in members:
        member.cut()
    await asyncio.sleep(_BEAT)
    return [worker["connections"] for worker in json.loads(told.stdout)["workers"]]
