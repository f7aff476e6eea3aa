"""Who may give no commands, and asks as much as a socket takes."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from sams.control import sockets, wire
from sams.control.messages import Done, Failure, PagesSignOut, Response, Role
from sams.control.pace import LONGEST_LINE, Pace
from sams.control.peers import Peer, Roles, service_roles
from sams.control.server import ControlServer
from tests.control.fakes import LOG, listening, supervisor

MANY = 300
PAGES = Roles(frozenset(), users={os.geteuid(): frozenset({Role.PAGES})})
STRANGERS = Roles(frozenset())


@pytest.mark.parametrize("roles", [service_roles(os.geteuid()), PAGES, STRANGERS])
def test_between_two_requests_of_one_write_other_work_has_its_turn(roles: Roles, tmp_path: Path) -> None:
    rounds = [0]

    async def tick() -> None:
        while True:
            rounds[0] += 1
            await asyncio.sleep(0)

    async def asked() -> int:
        server = ControlServer(
            sockets.service_path(tmp_path), {PagesSignOut: _done}, roles, log=LOG, per_second=1e6
        )
        await server.start()
        ticking = asyncio.ensure_future(tick())
        reader, writer = await asyncio.open_unix_connection(sockets.service_path(tmp_path))
        writer.write(wire.encode(PagesSignOut("x")) * MANY)
        before = rounds[0]
        for _ in range(MANY):
            assert await reader.readline()
        ticking.cancel()
        writer.close()
        await server.close()
        return rounds[0] - before

    assert asyncio.run(asked()) >= MANY


async def _done(_request: PagesSignOut, _peer: Peer) -> Response:
    return Done()


@pytest.mark.parametrize("roles", [PAGES, STRANGERS])
def test_all_of_them_together_are_answered_so_often_a_second_and_no_more(
    roles: Roles, tmp_path: Path
) -> None:
    line, per_second, at_once = wire.encode(PagesSignOut("x")), 100.0, 100
    answers = {**supervisor(0), PagesSignOut: lambda _: Done()}
    with listening(tmp_path, answers, roles=roles, per_second=per_second):
        began = time.monotonic()
        ends = [sockets.connect(sockets.service_path(tmp_path), 30) for _ in range(2)]
        for end in ends:
            end.sendall(line * at_once)
            end.shutdown(socket.SHUT_WR)
        heard = [end.makefile("rb").read().count(b"\n") for end in ends]
        assert heard == [at_once, at_once]
        assert time.monotonic() - began >= (len(ends) * at_once - at_once) / per_second * 0.9
        for end in ends:
            end.close()


def test_a_pause_saves_up_no_more_than_a_burst() -> None:
    async def taken() -> float:
        pace = Pace(per_second=1_000, at_once=10)
        await asyncio.sleep(0.2)  # long enough for 200
        began = time.monotonic()
        for _ in range(60):
            await pace.turn()
        return time.monotonic() - began

    assert asyncio.run(taken()) >= 0.045


@pytest.mark.parametrize("roles", [PAGES, STRANGERS])
def test_their_requests_are_short(roles: Roles, tmp_path: Path) -> None:
    with (
        listening(tmp_path, supervisor(0), roles=roles),
        sockets.connect(sockets.service_path(tmp_path), 10) as connection,
    ):
        connection.sendall(b"x" * (LONGEST_LINE + 2))
        failure = wire.decode_response(connection.makefile("rb").readline())
    assert isinstance(failure, Failure)
    assert str(LONGEST_LINE) in failure.text
