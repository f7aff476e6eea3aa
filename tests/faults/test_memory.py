"""R11: memory is bounded: 200 members who send 50 MiB each at the same time need no more than 400 MiB."""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.processes import children
from tests.support.service import PASSWORD, Service, free_ports, smarthost

pytestmark = [pytest.mark.real, pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(1_200)]

MIB = 1024 * 1024
CONNECTIONS = 200
SIZE = 50 * MIB
MOST = 400 * MIB
_PIECE = b"A line of a long message that is sent by a patient member of the house.\r\n" * 800
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)
_HEAD = b"From: alice@example.org\r\nTo: x@example.net\r\nSubject: large\r\n\r\n"


def family(process: int) -> list[int]:
    """A process and all that it started."""
    return [process, *(one for child in children(process) for one in family(child))]


def memory(processes: list[int]) -> int:
    """Octets that they have in memory; what they share is counted once."""
    total = 0
    for process in processes:
        found = _PSS.search(Path(f"/proc/{process}/smaps_rollup").read_text())
        assert found is not None
        total += int(found[1]) * 1024
    return total


def test_the_memory_of_a_child_is_counted() -> None:
    """The control: what is measured below would show a service that keeps what it is sent."""
    hold = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    inner = "held = b'x' * 419430400; print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, inner], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert MOST < memory(family(process.pid)) < MOST + 50 * MIB
        process.communicate(b"\n")


class Watch:
    """The highest that was seen."""

    def __init__(self, process: int) -> None:
        self._processes = family(process)
        self.before = self.most = memory(self._processes)

    def look(self) -> None:
        self.most = max(self.most, memory(self._processes))


@contextmanager
def watched(process: int) -> Iterator[Watch]:
    """Looks ten times a second."""
    watch, is_over = Watch(process), Event()

    def look() -> None:
        while not is_over.wait(0.1):
            watch.look()

    thread = Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        is_over.set()
        thread.join()


class Sender:
    """A member who sends one message by DATA."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, line: str) -> bytes:
        self._writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def reply(self) -> bytes:
        while (line := await self._reader.readline())[3:4] == b"-":
            pass
        return line

    async def begin(self) -> None:
        """All up to the 354."""
        await self.reply()
        await self.ask("EHLO client.example.com")
        secret = base64.b64encode(f"\0alice\0{PASSWORD}".encode()).decode()
        for line, code in (
            (f"AUTH PLAIN {secret}", b"235"),
            (f"MAIL FROM:<alice@example.org> SIZE={SIZE}", b"250"),
            ("RCPT TO:<x@example.net>", b"250"),
            ("DATA", b"354"),
        ):
            answer = await self.ask(line)
            assert answer.startswith(code), answer
        self._writer.write(_HEAD)

    async def send(self) -> bytes:
        """The octets, as fast as they are taken; the reply."""
        for _ in range((SIZE - len(_HEAD)) // len(_PIECE)):
            self._writer.write(_PIECE)
            await self._writer.drain()
        answer = await self.ask(".")
        self._writer.close()
        return answer


async def send_all(port: int, trust: ssl.SSLContext) -> list[bytes]:
    """All begin before the first sends; the replies."""
    opened = [
        await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
        for _ in range(CONNECTIONS)
    ]
    senders = [Sender(reader, writer) for reader, writer in opened]
    for sender in senders:
        await sender.begin()
    return list(await asyncio.gather(*(sender.send() for sender in senders)))


@pytest.mark.parametrize("workers", [0, 2])
def test_200_connections_that_send_50_mib_each_stay_within_400_mib(tmp_path: Path, workers: int) -> None:
    if shutil.disk_usage(tmp_path).free < 2 * CONNECTIONS * SIZE:
        pytest.skip("the disk has no room for what is sent")
    (nobody,) = free_ports(1)
    service = Service(tmp_path / "service", route=smarthost(nobody), workers=workers)
    service.limits = "connections_per_login = 1000\nrecipients_per_hour = 100000\nmessage_size = '51 MiB'"
    service.configure()
    service.add_account("alice")
    with service.running():
        assert service.process is not None
        with watched(service.process.pid) as watch:
            replies = asyncio.run(send_all(service.implicit, service.trust()))
        assert [reply for reply in replies if not reply.startswith(b"250 2.0.0 ")] == []
        stored = sum(path.stat().st_size for path in (service.folder / "data").glob("spool/*/bodies/*"))
        assert stored > CONNECTIONS * (SIZE - MIB)
        assert watch.before < watch.most <= MOST, (
            f"{watch.before // MIB} MiB before, {watch.most // MIB} MiB at most"
        )
        service.sams("queue", "delete", "--all", "--yes", check=False)
    shutil.rmtree(service.folder / "data" / "spool")
