"""Members who send large messages, in a process of its own: bulk.py PORT CA MEMBERS EACH OCTETS FIRST.

Every member signs in; when a line comes on standard input all begin to send at once, EACH messages one after
another. The end is one line of JSON: messages, seconds, and the slowest final dot's.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from benchmarks.scale.member import Member, content
from benchmarks.scale.priority import stand_back

_AT_ONCE = 20
"""Handshakes."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is sent. each: messages of one member. octets: of a message. first: the number of the first message."""

    members: int
    each: int
    octets: int
    first: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What a bulk brought."""

    messages: int
    seconds: float
    slowest: float


class Bulk:
    """The process, from outside."""

    def __init__(self, port: int, authority: Path, order: Order) -> None:
        numbers = map(str, (order.members, order.each, order.octets, order.first))
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "benchmarks.scale.bulk", str(port), str(authority), *numbers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def begin(self) -> None:
        """Let them send."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    @property
    def is_over(self) -> bool:
        """Whether they have sent all."""
        return self._process.poll() is not None

    def result(self) -> Sent:
        """When they have sent all."""
        output, _ = self._process.communicate()
        return Sent(**json.loads(output))


async def _send_all(port: int, authority: str, order: Order) -> None:
    context, gate = ssl.create_default_context(cafile=authority), asyncio.Semaphore(_AT_ONCE)
    body = content(0, order.octets).partition(b"\r\n\r\n")[2]

    async def connect() -> Member:
        async with gate:
            member = await Member.connect(port, context)
            await member.sign_in()
            return member

    async def send(number: int, member: Member) -> float:
        start = order.first + number * order.each
        heads = [
            content(place, 0).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            for place in range(start, start + order.each)
        ]
        return max([(await member.send(head, body=body)).dot for head in heads])

    connected = await asyncio.gather(*[connect() for _ in range(order.members)])
    print("ready", flush=True)  # noqa: T201 - the parent reads it
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    began = time.monotonic()
    slowest = max(await asyncio.gather(*[send(number, member) for number, member in enumerate(connected)]))
    result = Sent(order.members * order.each, time.monotonic() - began, slowest)
    print(json.dumps(asdict(result)))  # noqa: T201 - the same


if __name__ == "__main__":
    stand_back()
    uvloop.run(_send_all(int(sys.argv[1]), sys.argv[2], Order(*map(int, sys.argv[3:]))))
