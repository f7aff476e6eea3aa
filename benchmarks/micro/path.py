"""The path of a message: a whole worker in this process, between the load generator and the sink. CPU, not time.

What counts is the CPU of this process: the worker's loop and its threads. Generator and sink are others.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.compare.programs import Generator, Programs, Sink, running_sink
from benchmarks.compare.results import Load
from tests.app.rig import PASSWORD, Rig, worker
from tests.support.next_hop import NextHop
from tests.support.service import free_ports

EACH = 300
"""Messages in one loop."""
_CLIENTS = 16
_ADDRESS = "bench@example.org"
_LIMIT = 'min_free = "1 MiB"'
_LIMITS = f"{_LIMIT}\nrecipients_per_hour = 10_000_000\nrecipients_per_day = 100_000_000"


async def _load(rig: Rig, programs: Programs, sink: Sink, mode: str, count: int) -> None:
    """Send so many messages, and wait until all are delivered."""
    arguments = ["--mode", mode, "-c", str(_CLIENTS), "-n", str(count)]
    before = sink.ask("GET").rcpts
    command = programs.load_command(rig.port, arguments, int(time.time()), programs.users.with_name("ids"))
    load: Load = await asyncio.to_thread(Generator(command).result)
    assert load.accepted == count, load.failures
    while sink.ask("GET").rcpts < before + count:  # noqa: ASYNC110 - another process tells of no event
        await asyncio.sleep(0.01)


async def _timed(
    folder: Path, programs: Programs, sink: Sink, hop: NextHop, *, mode: str, count: int
) -> float:
    async with worker(folder, hop) as rig:
        rig.accounts.add(_ADDRESS, PASSWORD, [_ADDRESS])
        rig.reload((_LIMIT, _LIMITS))
        await _load(rig, programs, sink, mode, 3 * _CLIENTS)
        began = time.process_time()
        await _load(rig, programs, sink, mode, count)
        return time.process_time() - began


def _run(loops: int, *, built: Path, scratch: str | None, mode: str) -> float:
    port, control = free_ports(2)
    with tempfile.TemporaryDirectory(dir=scratch) as name, running_sink(built, port, control) as sink:
        folder = Path(name)
        (folder / "users").write_text(f"{_ADDRESS}:{PASSWORD}\n")
        programs, hop = (
            Programs(built, folder / "users"),
            NextHop(port=port),
        )  # the sink is the hop: only its port
        return uvloop.run(_timed(folder, programs, sink, hop, mode=mode, count=loops * EACH))


def parts(built: Path, scratch: str | None) -> Mapping[str, tuple[Callable[[int], float], int]]:
    """Each with the messages in one loop. built: the folder of loadgen and sink."""
    return {
        f"whole path in one process, {mode}": (partial(_run, built=built, scratch=scratch, mode=mode), EACH)
        for mode in ("fresh", "persist")
    }
