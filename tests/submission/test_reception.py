"""Where connections come in."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest
import uvloop

from sams.submission.reception import BACKLOG
from tests.submission.rig import serving
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
