"""Connections in memory, on a loop whose time passes only when nothing is left to do.

A day of a bad next hop takes a second, and every octet arrives in its turn however busy the machine is: the real
connector and a scripted server's session speak over a `Wire` in place of a socket.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, cast

from tests.delivery.rig import VirtualLoop

LATENCY = 0.001
"""Seconds that octets are on their way."""
PIECE = 65_536
HIGH = 65_536
"""Octets on their way above which a side is asked to pause."""

BUSY = 3_000
"""Connections of one test: with so many it is no back-off, and might go on for ever."""

Peer = Callable[[], asyncio.Protocol]


class WireLoop(VirtualLoop):
    """A loop that connects to peers in this process.

    peers: by port, what makes the session of a server. A port that is not there refuses the connection; None: it
        never answers.
    dialled: when, and to which port, a connection was asked for. scene: the test itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peers: dict[int, Peer | None] = {}
        self.dialled: list[tuple[float, int]] = []
        self.scene: asyncio.Task[None] | None = None

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int, **_: object
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Connect to the peer of this port, one latency later."""
        self.dialled.append((self.time(), port))
        if len(self.dialled) > BUSY and self.scene is not None:
            self.scene.cancel()
        if port in self.peers and self.peers[port] is None:
            await self.create_future()  # a SYN that nobody answers: who dials gives up
        await asyncio.sleep(LATENCY)
        peer = self.peers.get(port)
        if peer is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        ours, theirs = Wire(self, protocol_factory()), Wire(self, peer())
        ours.other, theirs.other = theirs, ours
        for end in (theirs, ours):
            end.protocol.connection_made(end)
        return ours, ours.protocol


class Wire(asyncio.Transport):
    """One end of a connection."""

    other: Wire

    def __init__(self, loop: WireLoop, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000)})
        self._loop = loop
        self._out: deque[tuple[float, bytes]] = deque()
        self._octets = 0
        self._is_coming = False
        self._is_paused = False
        self._is_reading = True
        self._is_closing = False
        self._is_lost = False
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send, in the order of writing."""
        if self._is_closing or not data:
            return
        whole = bytes(data)
        due = self._loop.time() + LATENCY
        self._out += [(due, whole[start : start + PIECE]) for start in range(0, len(whole), PIECE)]
        self._octets += len(whole)
        self._come()
        if self._octets > HIGH and not self._is_paused:
            self._is_paused = True
            self.protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is one limit for all."""

    def is_closing(self) -> bool:
        """Nothing more can be written."""
        return self._is_closing

    def pause_reading(self) -> None:
        """Leave what comes where it is."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Take it again."""
        self._is_reading = True
        self.other._come()

    def close(self) -> None:
        """End when all is written."""
        if not self._is_closing:
            self._is_closing = True
            if not self._out:
                self._come_to_an_end(None)

    def abort(self) -> None:
        """End now; the other side hears of a reset."""
        self._is_closing = True
        self._out.clear()
        self._come_to_an_end(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def _come(self) -> None:
        if self._out and not self._is_coming and self.other._is_reading:
            self._is_coming = True
            self._loop.call_at(self._out[0][0], self._arrive)

    def _arrive(self) -> None:
        """What was written a latency ago arrives, each piece by itself."""
        self._is_coming = False
        while self._out and self._out[0][0] <= self._loop.time() and self.other._is_reading:
            data = self._out.popleft()[1]
            self._octets -= len(data)
            if not self.other._is_lost and not self.other._is_closing:
                self.other.protocol.data_received(data)
        if self._is_paused and self._octets <= HIGH // 4 and not self._is_closing:
            self._is_paused = False
            self.protocol.resume_writing()
        if self._out:
            self._come()
        elif self._is_closing:
            self._come_to_an_end(None)

    def _come_to_an_end(self, error: Exception | None) -> None:
        self._loop.call_soon(self._lose, None)
        self._loop.call_later(LATENCY, self.other._lose, error)

    def _lose(self, error: Exception | None) -> None:
        if not self._is_lost:
            self._is_lost = self._is_closing = True
            self._out.clear()
            self.protocol.connection_lost(error)


def on_wires(main: Callable[[WireLoop], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine on such a loop."""

    async def scene(loop: WireLoop) -> None:
        loop.scene = asyncio.current_task()
        try:
            await main(loop)
        except asyncio.CancelledError:
            raise AssertionError(f"a busy loop: {len(loop.dialled)} connections") from None

    with asyncio.Runner(loop_factory=WireLoop) as runner:
        runner.run(scene(cast("WireLoop", runner.get_loop())))
