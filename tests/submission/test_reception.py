"""Where connections come in."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from sams.protocol.smtp.server import ServerEngine
from sams.submission.connection import Connection
from sams.submission.reception import BACKLOG
from sams.submission.session import Session
from sams.submission.sign_in import SignIn
from sams.submission.tls import NamedSession, ServerTls
from tests.submission.rig import Client, Rig, message, plain, serving
from tests.support.certificates import Authority

_SACKED = 28
"""Where tcp_info (linux/tcp.h) has, for a socket that listens, how many may wait."""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


@pytest.mark.parametrize("loops", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_as_many_connections_may_wait_as_the_listener_says(
    tmp_path: Path, authority: Authority, loops: object
) -> None:
    async def scene() -> int:
        async with serving(tmp_path, authority=authority) as rig:
            (listening, *_) = rig.reception._servers[0].sockets
            info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            return int(struct.unpack_from("I", info, _SACKED)[0])

    system = int(Path("/proc/sys/net/core/somaxconn").read_text(encoding="ascii"))
    with asyncio.Runner(loop_factory=loops) as runner:  # type: ignore[arg-type] # both make loops
        assert runner.run(scene()) == min(BACKLOG, system)


_OF_A_CONNECTION = frozenset({Connection, Session, SignIn, ServerEngine, ServerTls, NamedSession})


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def kept() -> list[str]:
    """What there is of connections: with a collector that does not run, what nobody frees either."""
    return [type(one).__name__ for one in gc.get_objects() if type(one) in _OF_A_CONNECTION]


async def _says_quit(rig: Rig) -> None:
    client = await rig.connect()
    await client.ask("EHLO client.example.com")
    await client.start_tls()
    await client.ask("EHLO client.example.com")
    assert (await client.ask(plain("alice"))).startswith("235 ")
    assert (await client.submit(message())).startswith("250 ")
    assert (await client.ask("QUIT")).startswith("221 ")
    assert await client.ended()


async def _hangs_up(rig: Rig) -> None:
    (await rig.signed_in()).close()


async def _is_refused(rig: Rig) -> None:
    client = await rig.secured()
    assert (await client.ask(plain("alice", "wrong"))).startswith("535 ")
    client.close()


async def _is_cut_while_it_waits_for_room(rig: Rig) -> None:
    client = await rig.signed_in()
    room = asyncio.get_running_loop().create_future()
    rig.rooms.append(room)
    client.send("MAIL FROM:<alice@example.org>")
    await _cut_what_waits(rig)
    assert await client.ended()
    room.set_result(None)


async def _speaks_no_tls(rig: Rig) -> None:
    reader, writer = await rig.open(rig.implicit)
    writer.write(b"EHLO client.example.com\r\n")
    await Client(rig, reader, writer).ended()


async def _cut_what_waits(rig: Rig) -> None:
    await _until(lambda: any(each._connection.progress.waits_for_us for each in rig.reception.sessions))
    for session in list(rig.reception.sessions):
        session.cut()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is looked for sets no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("loops", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize(
    "peer",
    [
        _says_quit,
        _hangs_up,
        _is_refused,
        _is_cut_while_it_waits_for_room,
        _speaks_no_tls,
    ],
)
def test_all_that_a_connection_had_goes_with_it_and_not_when_the_collector_comes_by(
    tmp_path: Path, authority: Authority, loops: object, peer: Callable[[Rig], Awaitable[None]]
) -> None:
    async def scene() -> None:
        async with serving(tmp_path, authority=authority) as rig:
            with no_collector():
                for _ in range(3):
                    await peer(rig)
                await _until(lambda: not kept())

    with asyncio.Runner(loop_factory=loops) as runner:  # type: ignore[arg-type] # both make loops
        runner.run(scene())
