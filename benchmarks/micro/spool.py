"""What the spool costs: accept and settle, by how many wait for the commit, at rest and beside a busy loop.

Beside a busy loop a commit's thread has to get the interpreter back: a spool that runs many statements off the loop
would look good at rest and be slow here.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.micro.samples import HEAD, TEXT
from sams.core.address import Mailbox
from sams.core.clock import SystemClock
from sams.core.envelope import Recipient
from sams.core.outcome import Outcome, Result
from sams.core.reply import reply
from sams.spool.interface import NewMessage, NewRecipient, Settled, Settlement, Spool, Work
from sams.spool.settings import Settings
from sams.spool.sqlite import open_shard

EACH = 10
"""Messages of each that waits, in one loop."""
_MAILBOX = Mailbox("alice", "example.org")
_RECIPIENTS = (NewRecipient(Recipient(Mailbox("bob", "example.net")), "hub"),)
_IN_HAND = 4
"""Messages of each client whose settlements are under way."""
_BUSY_SLICE = 0.002
"""Seconds for which the busy loop does not rest: a handshake and some."""


async def _message(spool: Spool) -> NewMessage:
    identifier = spool.next_id()
    writer = spool.new_body(identifier)
    writer.write(TEXT)
    finished = writer.finish()
    body = await finished if isinstance(finished, asyncio.Future) else finished
    return NewMessage(identifier, "alice", "S" * 15, _MAILBOX, _RECIPIENTS, HEAD, body, time.time())


async def _client(spool: Spool, rounds: int) -> None:
    """Accept and settle, as a session and a delivery do: nobody waits for a settlement but its window."""
    delivered = Outcome(Result.DELIVERED, reply(250, "2.0.0", "taken"), "hub:25", time.time())
    settling: deque[asyncio.Future[tuple[Work, ...]]] = deque()
    for _ in range(rounds):
        [work] = await spool.accept(await _message(spool))
        settled: asyncio.Future[tuple[Work, ...]] = asyncio.get_running_loop().create_future()
        settlement = Settlement(work.message.id, (Settled(0, delivered),))
        spool.settle(settlement, settled.set_result, settled.set_exception)
        settling.append(settled)
        if len(settling) > _IN_HAND:
            await settling.popleft()
    await asyncio.gather(*settling)


async def _busy(is_over: Callable[[], bool]) -> None:
    while not is_over():
        until = time.perf_counter() + _BUSY_SLICE
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def _timed(folder: Path, waiting: int, rounds: int, *, busy: bool) -> float:
    spool = open_shard(folder, 0, SystemClock(), Settings(min_free=0))
    await _client(spool, 3)  # statements are prepared, files are there
    began = time.perf_counter()
    work = asyncio.gather(*(_client(spool, rounds) for _ in range(waiting)))
    if busy:
        await _busy(work.done)
    await work
    spent = time.perf_counter() - began
    await spool.close()
    return spent


def _run(loops: int, *, scratch: str | None, waiting: int, busy: bool) -> float:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        return uvloop.run(_timed(Path(folder), waiting, loops * EACH, busy=busy))


def parts(scratch: str | None) -> Mapping[str, tuple[Callable[[int], float], int]]:
    """Each with the messages in one loop. scratch: a folder on the disk that is meant."""
    return {
        f"spool, {waiting} waiting{', beside a busy loop' if busy else ''}": (
            partial(_run, scratch=scratch, waiting=waiting, busy=busy),
            waiting * EACH,
        )
        for busy in (False, True)
        for waiting in (1, 16, 64)
    }
