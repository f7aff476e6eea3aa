# ruff: noqa: T201 - a script of its own, which prints
"""What the spool costs: CPU per message, the commit beside a busy loop, and what a deep queue changes.

Run it as `python benchmarks/micro_spool.py [FOLDER]`: the folder should be on the disk that is meant. Prints numbers.
The CPU is that of the whole process, so it includes the client coroutines of this script (printed apart).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sams.core.address import Mailbox
from sams.core.clock import SystemClock
from sams.core.envelope import Recipient
from sams.core.outcome import Outcome, Result
from sams.core.reply import reply
from sams.spool.hooks import Hooks
from sams.spool.interface import NewMessage, NewRecipient, Settled, Settlement
from sams.spool.memory import MemorySpool
from sams.spool.settings import Settings
from sams.spool.sqlite import SqliteSpool, open_shard
from sams.spool.storedbody import MemoryBody

HEAD = b"h" * 700
BODY = b"x" * (4096 - len(HEAD))
MAILBOX = Mailbox("someone", "example.org")
RECIPIENTS = (NewRecipient(Recipient(MAILBOX), "hub"),)
DELIVERED = Outcome(Result.DELIVERED, reply(250, "2.0.0", "taken"), "hub:25", time.time())
ROUNDS = 200
DEEP = 1_000_000
BUSY_SLICE = 0.002


@dataclass
class Batches:
    """What the commits were like."""

    sizes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, members: int, seconds: float) -> None:
        """One commit."""
        self.sizes.append(members)
        self.seconds.append(seconds)

    def clear(self) -> None:
        """Begin anew."""
        self.sizes.clear()
        self.seconds.clear()


def message(spool: SqliteSpool | MemorySpool) -> NewMessage:
    """A message of 4 KiB to one recipient."""
    identifier = spool.next_id()
    writer = spool.new_body(identifier)
    writer.write(BODY)
    body = writer.finish()
    assert isinstance(body, MemoryBody)
    return NewMessage(identifier, "login", "S" * 15, MAILBOX, RECIPIENTS, HEAD, body, time.time())


async def client(spool: SqliteSpool | MemorySpool, rounds: int) -> None:
    """Accept and settle, one after the other, as a session and a delivery do."""
    for _ in range(rounds):
        [work] = await spool.accept(message(spool))
        await spool.settle(Settlement(work.message.id, (Settled(0, DELIVERED),)))


async def busy(is_over: Callable[[], bool]) -> None:
    """Keep the loop at work, in slices as long as a handshake and some."""
    while not is_over():
        until = time.perf_counter() + BUSY_SLICE
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def cost(spool: SqliteSpool | MemorySpool, clients: int, rounds: int) -> tuple[float, float]:
    """Seconds of CPU and of the clock for each message."""
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client(spool, rounds) for _ in range(clients)))
    count = clients * rounds
    return (time.process_time() - cpu) / count, (time.perf_counter() - wall) / count


def quantile(values: Sequence[float], part: float) -> float:
    """The value that this part of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


async def rates(spool: SqliteSpool, batches: Batches) -> None:
    """CPU per message, by how many wait."""
    base, _ = await cost(MemorySpool(SystemClock()), 16, ROUNDS)
    print(f"script and asyncio alone (spool in memory): {base * 1e6:.0f} us CPU a message")
    for clients in (1, 16, 64):
        batches.clear()
        cpu, wall = await cost(spool, clients, ROUNDS)
        size = sum(batches.sizes) / len(batches.sizes)
        print(
            f"{clients:3} clients: {cpu * 1e6:5.0f} us CPU a message (accept and settle), "
            f"{(cpu - base) * 1e6:5.0f} us above the script, {1 / wall:6.0f} messages/s, "
            f"{size:.1f} members a commit, commit p50 {quantile(batches.seconds, 0.5) * 1e3:.2f} ms "
            f"p99 {quantile(batches.seconds, 0.99) * 1e3:.2f} ms"
        )


async def beside_busy_loop(spool: SqliteSpool, batches: Batches) -> None:
    """How long a commit takes when the loop never rests."""
    for interval in (0.005, 0.0005):
        sys.setswitchinterval(interval)
        batches.clear()
        over = asyncio.ensure_future(cost(spool, 16, 20))
        await asyncio.gather(busy(over.done), over)
        print(
            f"beside a busy loop, switch interval {interval * 1e3:.1f} ms: commit "
            f"p50 {quantile(batches.seconds, 0.5) * 1e3:.1f} ms p99 {quantile(batches.seconds, 0.99) * 1e3:.1f} ms"
        )
    sys.setswitchinterval(0.005)


async def fill(spool: SqliteSpool, count: int) -> None:
    """Let so many messages wait."""
    for start in range(0, count, 1000):
        await asyncio.gather(*(spool.accept(message(spool)) for _ in range(min(1000, count - start))))


def timed(what: str, work: Callable[[], object]) -> None:
    """Print how long something takes on the loop."""
    began = time.perf_counter()
    work()
    print(f"  {what}: {(time.perf_counter() - began) * 1e3:.2f} ms")


async def depth(folder: Path, count: int) -> None:
    """What changes when much is waiting."""
    batches = Batches()
    settings = Settings(min_free=0)
    spool = open_shard(folder, 0, SystemClock(), settings, Hooks(committed=batches.add))
    await fill(spool, count)
    await spool.close()
    began = time.perf_counter()
    spool = open_shard(folder, 0, SystemClock(), settings, Hooks(committed=batches.add))
    print(f"{count} messages wait: opened in {(time.perf_counter() - began) * 1e3:.1f} ms")
    now = time.time() + 1
    timed("claim of 100", lambda: spool.claim("hub", now, None, 100))
    timed("next due", lambda: spool.next_due("hub", now))
    timed("depth", lambda: spool.depth(now))
    timed("waiting domains", spool.waiting_domains)
    await rates(spool, batches)
    await spool.close()


async def main(folder: Path) -> None:
    """All of it."""
    batches = Batches()
    empty, deep = folder / "empty", folder / "deep"
    empty.mkdir()
    deep.mkdir()
    spool = open_shard(empty, 0, SystemClock(), Settings(min_free=0), Hooks(committed=batches.add))
    await rates(spool, batches)
    await beside_busy_loop(spool, batches)
    await spool.close()
    await depth(deep, int(sys.argv[2]) if len(sys.argv) > 2 else DEEP)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as scratch:
        try:
            import uvloop
        except ImportError:
            asyncio.run(main(Path(scratch)))
        else:
            uvloop.run(main(Path(scratch)))
