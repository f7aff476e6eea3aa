"""An attack from many addresses of loopback, in a process of its own: slow ones, idle ones, a flood, guesses.

Run as a program: `python -m tests.support.attack STARTTLS_PORT IMPLICIT_PORT [--slow N] …`. Each kind comes from
networks of its own (127.0.2.0/24 and up), and nobody from 127.9.9.9, where a test's good client may sit. What ends is
begun again. Everything that is random is made from the seed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import itertools
import random
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import uvloop

from tests.support.service import PASSWORD, PATIENCE, Service

ELSEWHERE = "127.9.9.9"
"""Where no attack comes from."""
PER_ADDRESS = 40
"""Fewer than an address may hold."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Stage = Callable[["Target"], Awaitable[Streams]]


@dataclass(frozen=True)
class Force:
    """How many attack. slow: at one octet a second, at every stage. flood: who connect again and again.

    guesses: passwords a second. member: a login whose password is known, for who is slow in DATA.
    """

    slow: int = 200
    idle: int = 300
    flood: int = 8
    guesses: int = 30
    member: str = ""


@contextlib.contextmanager
def attacked(service: Service, force: Force, seed: int = 0) -> Iterator[None]:
    """The service is attacked, until the end; begins when all that are slow or idle are there."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.support.attack", str(service.starttls), str(service.implicit)),
            *(f"--slow={force.slow}", f"--idle={force.idle}", f"--flood={force.flood}"),
            *(f"--guesses={force.guesses}", f"--member={force.member}", f"--seed={seed}"),
        ],
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"all there\n"
            yield
            assert process.poll() is None, "the attack ended by itself"
        finally:
            process.kill()
            process.wait(PATIENCE)


class Target:
    """The service, as an attacker at an address sees it."""

    def __init__(self, starttls: int, implicit: int, source: str, member: str) -> None:
        self._starttls = starttls
        self._implicit = implicit
        self._source = source
        self.member = member

    async def clear(self, *, implicit: bool = False) -> Streams:
        port = self._implicit if implicit else self._starttls
        return await asyncio.open_connection("127.0.0.1", port, local_addr=(self._source, 0))

    async def secured(self) -> Streams:
        """In TLS, and greeted."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._implicit, ssl=_careless(), local_addr=(self._source, 0)
        )
        await _reply(reader)
        writer.write(b"EHLO slow.example.net\r\n")
        await _reply(reader)
        return reader, writer


def _careless() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _reply(reader: asyncio.StreamReader) -> bytes:
    while (line := await reader.readline())[3:4] == b"-":
        pass
    if not line:
        raise ConnectionResetError
    return line


async def _until_it_ends(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        await reader.read()


# --- where a slow one stops being quick


async def _in_greeting(target: Target) -> Streams:
    return await target.clear()


async def _in_handshake(target: Target) -> Streams:
    reader, writer = await target.clear(implicit=True)
    writer.write(b"\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03")  # of a ClientHello of 8 KiB
    return reader, writer


async def _in_handshake_after_starttls(target: Target) -> Streams:
    reader, writer = await target.clear()
    await _reply(reader)
    writer.write(b"STARTTLS\r\n")
    await _reply(reader)
    return reader, writer


async def _in_command(target: Target) -> Streams:
    reader, writer = await target.secured()
    writer.write(b"NOOP ")
    return reader, writer


async def _in_auth(target: Target) -> Streams:
    reader, writer = await target.secured()
    writer.write(b"AUTH PLAIN\r\n")
    await _reply(reader)
    return reader, writer


async def _in_data(target: Target) -> Streams:
    reader, writer = await target.secured()
    member = target.member
    secret = base64.b64encode(f"\0{member}\0{PASSWORD}".encode())
    for line in (
        b"AUTH PLAIN " + secret,
        f"MAIL FROM:<{member}@example.org>".encode(),
        b"RCPT TO:<x@example.net>",
        b"DATA",
    ):
        writer.write(line + b"\r\n")
        await _reply(reader)
    writer.write(f"From: {member}@example.org\r\n\r\n".encode())
    return reader, writer


_STAGES: tuple[Stage, ...] = (
    _in_greeting,
    _in_handshake,
    _in_handshake_after_starttls,
    _in_command,
    _in_auth,
    _in_data,
)


class Attack:
    """All that one process does. there: slow and idle ones that have come to where they stay."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._chance = random.Random(options.seed)
        self._there = 0
        self._all_there = asyncio.Event()

    def _target(self, network: int, number: int) -> Target:
        options = self._options
        source = f"127.0.{network}.{1 + number // PER_ADDRESS}"
        return Target(options.starttls, options.implicit, source, options.member)

    async def run(self) -> None:
        options = self._options
        stages = _STAGES if options.member else _STAGES[:-1]
        async with asyncio.TaskGroup() as attacks:
            for number in range(options.slow):
                stage = stages[number % len(stages)]
                attacks.create_task(self._slow(stage, self._target(2, number)))
            for number in range(options.idle):
                attacks.create_task(self._idle(self._target(3, number), implicit=bool(number % 2)))
            await self._all_there.wait()
            for _ in range(options.flood):
                attacks.create_task(self._flood(self._target(4, 0)))
            if options.guesses:
                attacks.create_task(self._guess_all())
            print("all there", flush=True)  # noqa: T201 - for who started this

    def _one_more_is_there(self) -> None:
        self._there += 1
        if self._there >= self._options.slow + self._options.idle:
            self._all_there.set()

    async def _slow(self, stage: Stage, target: Target) -> None:
        first = True
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await stage(target)
                if first:
                    self._one_more_is_there()
                    first = False
                gone = asyncio.ensure_future(_until_it_ends(reader))
                while not gone.done():
                    writer.write(b"\0" if stage in _STAGES[1:3] else b"a")
                    await asyncio.wait([gone], timeout=1.0)
                writer.transport.abort()
            await asyncio.sleep(1.0)

    async def _idle(self, target: Target, *, implicit: bool) -> None:
        first = True
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await target.clear(implicit=implicit)
                if first:
                    self._one_more_is_there()
                    first = False
                await _until_it_ends(reader)
                writer.transport.abort()
            await asyncio.sleep(1.0)

    async def _flood(self, target: Target) -> None:
        """As fast as they are taken: some are closed at once, some say something."""
        for number in itertools.count():
            with contextlib.suppress(OSError):
                reader, writer = await target.clear()
                if number % 3:
                    await reader.readline()
                    writer.write(b"EHLO flood.example.net\r\n")
                writer.transport.abort()

    async def _guess_all(self) -> None:
        async with asyncio.TaskGroup() as guesses:
            for number in itertools.count():
                guesses.create_task(self._guess(self._target(5 + number % 8, number % 4_000)))
                await asyncio.sleep(3 / self._options.guesses)

    async def _guess(self, target: Target) -> None:
        """Three on a connection: as many as it may."""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            async with asyncio.timeout(30):
                reader, writer = await target.secured()
                for _ in range(3):
                    login, guess = f"member{self._chance.randrange(1_000)}", f"guess-{self._chance.random()}"
                    writer.write(b"AUTH PLAIN " + base64.b64encode(f"\0{login}\0{guess}".encode()) + b"\r\n")
                    await _reply(reader)
                writer.transport.abort()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.attack", description=__doc__)
    parser.add_argument("starttls", type=int)
    parser.add_argument("implicit", type=int)
    for name in ("slow", "idle", "flood", "guesses"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Force, name))
    parser.add_argument("--member", default="")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    uvloop.run(Attack(_options()).run())
