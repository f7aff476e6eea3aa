"""Who never signs in: slow ones, idle ones, one who guesses, one who only knocks. In a process of its own.

Run as a program: `attackers.py STARTTLS_PORT IMPLICIT_PORT SEED`. None comes from an address of a good client.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator

import uvloop

from tests.support.service import PATIENCE, Service

SLOW, IDLE, KNOCKS = 40, 80, 3
GUESSES_A_SECOND = 3.0
_GARBAGE = (
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x00" * 3_000,
    b"A" * 9_000,
    b"EHLO x\r\n" * 30,
    b"\r\n\r\n",
)

Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _idle(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Until it is shown out, or cut off."""
    with contextlib.suppress(OSError):
        while await reader.read(4_096):
            pass


async def _slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One octet a second, until it is shown out."""
    gone = asyncio.ensure_future(_idle(reader, writer))
    writer.write(b"EHLO ")
    while not gone.done():
        writer.write(b"a")
        await asyncio.sleep(1.0)


def _knocking(chance: random.Random) -> Attack:
    async def knock(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chance.choice(_GARBAGE))
        await asyncio.sleep(chance.uniform(0.0, 0.5))

    return knock


def _guessing(chance: random.Random) -> Attack:
    async def guess(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"EHLO guesser.example.net\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        for _ in range(3):
            login, guess = f"member{chance.randrange(8)}", f"guess-{chance.random()}"
            writer.write(b"AUTH PLAIN " + base64.b64encode(f"\0{login}\0{guess}".encode()) + b"\r\n")
            if not await reader.readline():
                return

    return guess


async def _again_and_again(
    attack: Attack, port: int, source: str, pause: float, context: ssl.SSLContext | None
) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, local_addr=(source, 0)
            )
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(attack(reader, writer), 600.0)
            writer.transport.abort()
        await asyncio.sleep(pause)


async def _attack(starttls: int, implicit: int, chance: random.Random) -> None:
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    async with asyncio.TaskGroup() as attacks:

        def start(attack: Attack, port: int, source: str, pause: float, *, tls: bool = False) -> None:
            attacks.create_task(_again_and_again(attack, port, source, pause, careless if tls else None))

        for number in range(SLOW):
            start(_slow, (starttls, implicit)[number % 2], f"127.0.60.{1 + number // 20}", 1.0)
        for number in range(IDLE):
            start(_idle, (starttls, implicit)[number % 2], f"127.0.61.{1 + number // 20}", 1.0)
        for number in range(KNOCKS):
            start(_knocking(chance), (starttls, implicit)[number % 2], "127.0.62.1", 0.3)
        for number in range(3):
            start(_guessing(chance), implicit, f"127.0.63.{number + 1}", 3 / GUESSES_A_SECOND, tls=True)


@contextlib.contextmanager
def attackers(service: Service, seed: int) -> Iterator[None]:
    """All of them, until the end."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.soak.attackers"),
            *(str(service.starttls), str(service.implicit), str(seed)),
        ],
    )
    try:
        yield
        assert process.poll() is None, "the attackers ended by themselves"
    finally:
        process.kill()
        process.wait(PATIENCE)


if __name__ == "__main__":
    uvloop.run(_attack(int(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3])))
