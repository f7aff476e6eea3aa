"""Many recipients in one transaction: what each costs must not depend on how many there are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks.scale.hop import Hop, hop
from benchmarks.scale.lab import Table, Watch, main_pid, make_service, milliseconds, scratch
from benchmarks.scale.member import Member, content
from tests.support.service import Service, free_ports

_OCTETS = 4_096


@dataclass(frozen=True, slots=True)
class Size:
    """counts: recipients of a message. total: recipients that are timed for each count."""

    counts: tuple[int, ...]
    total: int


SIZES = {"small": Size((10, 100, 1_000), 3_000), "full": Size((1, 10, 100, 1_000), 20_000)}


def run(size: str) -> Table:
    """Measure."""
    wanted, table = SIZES[size], Table("Recipients in one transaction")
    (port,) = free_ports(1)
    with scratch("recipients") as folder, hop(port) as next_hop:
        service = make_service(folder / "service", port)
        with service.running():
            asyncio.run(_measure(service, next_hop, wanted, table))
    return table


async def _measure(service: Service, next_hop: Hop, size: Size, table: Table) -> None:
    member = await Member.connect(service.implicit, service.trust())
    await member.sign_in()
    number, costs = 0, {}
    for count in size.counts:
        recipients = [f"friend-{place}@example.net" for place in range(count)]
        before, messages = next_hop.counts(), size.total // count
        await member.send(content(number, _OCTETS), recipients)
        watch = Watch(main_pid(service))
        for each in range(number + 1, number + 1 + messages):
            await member.send(content(each, _OCTETS), recipients)
        number += 1 + messages
        after = await asyncio.to_thread(next_hop.wait_for, before.messages + messages + 1)
        costs[count] = watch.cpu / messages / count
        lost = (messages + 1) * count - (after.recipients - before.recipients)
        table.add(
            f"{count} recipients",
            f"{milliseconds(costs[count])} CPU each, {milliseconds(watch.wall / messages)} a message",
            "none lost",
            holds=not lost,
        )
    ratio = costs[1_000] / costs[100]
    table.add("one of 1,000 to one of 100", f"{ratio:.2f} x", "<= 1.2", holds=ratio <= 1.2)
