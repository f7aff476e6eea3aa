"""Members who sign in all at once, in a process of their own: strangers.py PORT CA MEMBERS.

All connect; when a line comes on standard input all sign in. The end is one line of JSON: the seconds that each of
them waited.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from pathlib import Path

import uvloop

from benchmarks.scale.member import Member
from benchmarks.scale.priority import stand_back

_AT_ONCE = 20
"""Handshakes."""


class Strangers:
    """The process, from outside. Its members are `member1` and so on."""

    def __init__(self, port: int, authority: Path, members: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "benchmarks.scale.strangers", str(port), str(authority), str(members)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def sign_in(self) -> list[float]:
        """Let them sign in, and wait until all have: seconds that each waited."""
        output, _ = self._process.communicate("\n")
        waits: list[float] = json.loads(output)
        return waits


async def _sign_in_all(port: int, authority: str, members: int) -> None:
    context, gate = ssl.create_default_context(cafile=authority), asyncio.Semaphore(_AT_ONCE)

    async def connect() -> Member:
        async with gate:
            return await Member.connect(port, context)

    connected = await asyncio.gather(*[connect() for _ in range(members)])
    print("ready", flush=True)  # noqa: T201 - the parent reads it
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    waits = await asyncio.gather(*[member.sign_in(number) for number, member in enumerate(connected, 1)])
    print(json.dumps(waits))  # noqa: T201 - the same


if __name__ == "__main__":
    stand_back()
    uvloop.run(_sign_in_all(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
