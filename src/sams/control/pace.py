"""How quickly who may give no commands is answered, so that mail beside it goes on.

The web process faces the network, and any process of this machine can connect: one that was taken over sends as much
as a socket takes. Each answer is little work, but what waits in one buffer would be answered in one turn of the event
loop, and a worker would do nothing else. So each gets its turn, and all of them together so many a second.
"""

from __future__ import annotations

import asyncio

PER_SECOND = 300.0
"""Requests of all such peers together; 500 visitors who watch need fewer."""
AT_ONCE = 100
"""Of them without a wait, when there were none before."""
LONGEST_LINE = 16_384
"""Octets of their requests: a sign-in with the longest login and password has 9,000."""


class Pace:
    """The turns of one socket. On a running loop."""

    def __init__(self, per_second: float = PER_SECOND, at_once: int = AT_ONCE) -> None:
        self._seconds = 1 / per_second
        self._ahead = at_once / per_second
        self._loop = asyncio.get_running_loop()
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next one; who asks first has it first."""
        now = self._loop.time()
        self._next = max(self._next, now - self._ahead) + self._seconds
        await asyncio.sleep(max(0.0, self._next - now))
