"""Two hundred members with passwords of their own, nothing remembered, who sign in at once.

Beside them members that are signed in already send mail all the time: their answers must not wait for hashes. Members
have machines of their own, so those who are measured go first here, and the others have a process that stands back.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable
from dataclasses import dataclass

from benchmarks.scale.hop import hop
from benchmarks.scale.lab import Table, Watch, main_pid, make_service, milliseconds, percentile, scratch
from benchmarks.scale.member import Member, Sent, content
from benchmarks.scale.priority import go_first
from benchmarks.scale.strangers import Strangers
from sams.identity.passwords.hashes import HashCost
from tests.support.service import Service, free_ports

_LONGEST_PAUSE = 0.1
"""Seconds between two messages of an established session, at most: members do not act in step."""
_OCTETS = 4_096


@dataclass(frozen=True, slots=True)
class Size:
    """storm: members who sign in at once. established: sessions that are measured. quiet: seconds before."""

    storm: int
    established: int
    quiet: float


SIZES = {"small": Size(60, 10, 3.0), "full": Size(200, 20, 8.0)}


def run(size: str) -> Table:
    """Measure."""
    wanted, table = SIZES[size], Table("Sign-in storm: distinct passwords, nothing remembered")
    table.add("measured members' priority", go_first())
    (port,) = free_ports(1)
    with scratch("storm") as folder, hop(port):
        service = make_service(folder / "service", port, accounts=wanted.storm + 1, cost=HashCost())
        with service.running():
            asyncio.run(_Storm(service, wanted, table).run())
    return table


class _Storm:
    def __init__(self, service: Service, size: Size, table: Table) -> None:
        self._service = service
        self._size = size
        self._table = table
        self._context = service.trust()
        self._messages = (content(number, _OCTETS) for number in itertools.count())
        self._chance = random.Random(1)  # noqa: S311 - it guards nothing

    async def run(self) -> None:
        members = await asyncio.gather(*[self._connect() for _ in range(self._size.established)])
        for member in members:
            await member.sign_in()
        service = self._service
        strangers = Strangers(service.implicit, service.folder / "ca.pem", self._size.storm)
        quiet = await self._asked(members, asyncio.sleep(self._size.quiet))
        watch = Watch(main_pid(service))
        signing_in = asyncio.create_task(asyncio.to_thread(strangers.sign_in))
        storm = await self._asked(members, signing_in)
        self._tell(quiet, storm, signing_in.result(), watch)

    async def _connect(self) -> Member:
        return await Member.connect(self._service.implicit, self._context)

    async def _asked(self, members: list[Member], meanwhile: Awaitable[object]) -> list[Sent]:
        """The answers' times while something else goes on."""
        over = asyncio.Event()

        asking = [
            asyncio.create_task(member.send_now_and_then(self._messages, self._pause, over.is_set))
            for member in members
        ]
        await meanwhile
        over.set()
        return list(itertools.chain(*await asyncio.gather(*asking)))

    def _pause(self) -> float:
        return self._chance.uniform(0.0, _LONGEST_PAUSE)

    def _tell(self, quiet: list[Sent], storm: list[Sent], signed_in: list[float], watch: Watch) -> None:
        table, count = self._table, self._size.storm
        table.add("signed in", f"{len(signed_in)} of {count}", "all", holds=len(signed_in) == count)
        table.add("the last one's wait", f"{max(signed_in):.1f} s")
        table.add("CPU", f"{milliseconds(watch.cpu / count)} a sign-in")
        for what, place in (("envelope", 0), ("final dot", 1)):
            before, during = [one[place] for one in quiet], [one[place] for one in storm]
            for part in (0.5, 0.99):
                self._compare(what, part, percentile(before, part), percentile(during, part))

    def _compare(self, what: str, part: float, quiet: float, storm: float) -> None:
        wanted, ratio = ("<= 2 x quiet" if part == 0.99 else ""), storm / quiet
        self._table.add(
            f"replies to the {what}, p{part * 100:g}",
            f"{milliseconds(storm)}, quiet {milliseconds(quiet)}: {ratio:.2f} x",
            wanted,
            holds=ratio <= 2 if wanted else None,
        )
