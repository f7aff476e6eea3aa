"""Thousands of members who are signed in and silent: what they take, and what they cost who is not."""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass

import uvloop

from benchmarks.scale.hop import hop
from benchmarks.scale.lab import (
    Table,
    Watch,
    main_pid,
    make_service,
    memory_kib,
    milliseconds,
    percentile,
    scratch,
)
from benchmarks.scale.member import Member, Sent, content
from tests.support.service import Service, free_ports

POSTFIX_KIB = 1_714.64
"""What tuned Postfix takes for each such connection: once, with 2,000 (a process each), not in this run."""
WANTED_KIB = 0.05 * POSTFIX_KIB
_BY_ADDRESS = 10_000
"""Connections from one loopback address: each has its own ephemeral ports."""
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Size:
    """steps: idle connections, rising. sent: messages that are timed beside them."""

    steps: tuple[int, ...]
    sent: int


SIZES = {"small": Size((500, 2_000), 200), "full": Size((5_000, 20_000), 600)}


def run(size: str) -> Table:
    """Measure."""
    wanted, table = SIZES[size], Table("Idle connections, signed in, over TLS")
    raise_file_limit()
    (port,) = free_ports(1)
    with scratch("idle") as folder, hop(port):
        service = make_service(folder / "service", port)
        with service.running():
            _Idle(service, wanted, table).run()
    return table


def raise_file_limit() -> None:
    """As many descriptors as the system gives."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Idle:
    def __init__(self, service: Service, size: Size, table: Table) -> None:
        self._service = service
        self._size = size
        self._table = table
        self._pid = main_pid(service)
        self._numbers = itertools.count()

    def run(self) -> None:
        quiet = asyncio.run(self._mail())
        before = memory_kib(self._pid)
        self._table.add("memory before", f"{before / 1024:.0f} MiB")
        held: list[subprocess.Popen[str]] = []
        try:
            connected = 0
            for step in self._size.steps:
                began = time.monotonic()
                held += self._hold(connected, step)
                connected = step
                self._tell(step, before, quiet, time.monotonic() - began)
        finally:
            for process in held:
                process.kill()
                process.wait()

    def _hold(self, first: int, last: int) -> list[subprocess.Popen[str]]:
        """Processes that hold the connections from `first` on."""
        held = []
        for start in range(first, last, _BY_ADDRESS):
            count = min(_BY_ADDRESS, last - start)
            source = f"127.0.0.{2 + start // _BY_ADDRESS}"
            port, authority = str(self._service.implicit), str(self._service.folder / "ca.pem")
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "benchmarks.scale.idle", port, authority, source, str(count)],
                stdout=subprocess.PIPE,
                text=True,
            )
            held.append(process)
            assert process.stdout is not None
            assert json.loads(process.stdout.readline()) == count
        return held

    def _tell(self, step: int, before: int, quiet: list[Sent], took: float) -> None:
        each = (memory_kib(self._pid) - before) / step
        watch = Watch(self._pid)
        time.sleep(5)
        rest = watch.cpu / watch.wall
        beside = asyncio.run(self._mail())
        table = self._table
        table.add(f"{step}: connected within", f"{took:.1f} s")
        table.add(
            f"{step}: memory each",
            f"{each:.1f} KiB",
            f"<= {WANTED_KIB:.0f} KiB (0.05 of Postfix's once)",
            holds=each <= WANTED_KIB,
        )
        table.add(f"{step}: CPU at rest", f"{100 * rest:.2f} %")
        for part in (0.5, 0.99):
            was, now = (percentile([sum(one) for one in these], part) for these in (quiet, beside))
            table.add(
                f"{step}: new mail beside, p{part * 100:g}",
                f"{milliseconds(now)}, without them {milliseconds(was)}: {now / was:.2f} x",
            )

    async def _mail(self) -> list[Sent]:
        """New members who each send one message."""
        context, sent = self._service.trust(), []
        for _ in range(self._size.sent):
            member = await Member.connect(self._service.implicit, context)
            await member.sign_in()
            sent.append(await member.send(content(next(self._numbers), 4_096)))
            await member.leave()
        return sent


async def _hold_all(port: int, authority: str, source: str, count: int) -> None:
    """In a process of its own: connect, sign in, say that it is done, and be silent."""
    context, gate = ssl.create_default_context(cafile=authority), asyncio.Semaphore(_AT_ONCE)

    async def connect() -> Member:
        async with gate:
            member = await Member.connect(port, context, source)
            await member.sign_in()
            return member

    members = await asyncio.gather(*[connect() for _ in range(count)])
    print(json.dumps(len(members)), flush=True)  # noqa: T201 - the parent reads it
    await asyncio.Event().wait()


if __name__ == "__main__":
    raise_file_limit()
    uvloop.run(_hold_all(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
