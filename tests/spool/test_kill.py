"""A process that is killed at random moments: what it acknowledged is there and whole, nothing is there in part."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sams.core.clock import SystemClock
from sams.spool.interface import Search, Settlement
from sams.spool.settings import KIB
from sams.spool.sqlite import open_shard
from tests.spool.rig import SETTINGS, Told, gone, new_message, on_loop, read, settle

ROUNDS = 8
_CHILD = "from tests.spool.test_kill import child; child()"


def child() -> None:
    """Accept and settle for ever, telling on stdout what was acknowledged. Runs in a process of its own."""
    asyncio.run(_accept_for_ever(Path(sys.argv[1]), int(sys.argv[2])))


async def _accept_for_ever(data_dir: Path, seed: int) -> None:
    chance = random.Random(seed)
    spool = open_shard(data_dir, 0, SystemClock(), SETTINGS)

    async def client() -> None:
        while True:
            octets = chance.randbytes(chance.choice((100, 4 * KIB, 90 * KIB, 200 * KIB)))
            name = hashlib.sha256(octets).hexdigest()
            message = await new_message(spool, "a@x.org", "b@x.org", body=octets, envid=name)
            await spool.accept(message)
            os.write(1, f"+{message.id}\n".encode())
            if chance.random() < 0.5:
                os.write(1, f"-{message.id}\n".encode())
                await settle(spool, Settlement(message.id, gone(0, 1)))

    await asyncio.gather(*(client() for _ in range(8)))


def _killed_after(data_dir: Path, seed: int, lines: int) -> tuple[set[str], set[str]]:
    """Run the child, kill it after so many lines; what it had acknowledged, and what it had begun to settle."""
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(data_dir), str(seed)], stdout=subprocess.PIPE, cwd=Path.cwd()
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    whole = [line.decode().strip() for line in said if line.endswith(b"\n")]
    return {line[1:] for line in whole if line[0] == "+"}, {line[1:] for line in whole if line[0] == "-"}


@pytest.mark.faults
@on_loop
async def test_what_was_acknowledged_survives_kill_nine_and_is_whole(tmp_path: Path) -> None:
    chance = random.Random(20_240)
    must_be_there: set[str] = set()
    for round_ in range(ROUNDS):
        acknowledged, settled = await asyncio.to_thread(
            _killed_after, tmp_path, round_, chance.randrange(1, 120)
        )
        must_be_there |= acknowledged - settled
        told = Told()
        spool = open_shard(tmp_path, 0, SystemClock(), SETTINGS, told.hooks())
        there: set[str] = set()
        after: str | None = None
        while entries := await spool.search(Search(), after, 100):
            after = entries[-1].message.id
            for entry in entries:
                assert len(entry.recipients) == 2
                octets = await read(spool.load(entry.message.id).body)
                assert hashlib.sha256(octets).hexdigest() == entry.message.envid
                there.add(entry.message.id)
        assert must_be_there <= there
        assert told.damaged == []
        await spool.close()
        files = {path.name for path in spool.layout.bodies.iterdir()}
        assert files <= there
