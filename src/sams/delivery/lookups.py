"""Addresses of next hops, asked of the system's resolver, which may take minutes and cannot be interrupted.

The loops' own `getaddrinfo` uses threads that are awaited at the end: a resolver that does not answer would hold up
the end of the service, and names that are asked for again and again would take all of those threads. So each name
has one thread, however many ask for it, and none of them is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Sequence

Lookup = Callable[[str, int], Sequence[str]]
"""Gives the IP addresses of a name, and may block. Raises OSError."""


def system_lookup(name: str, port: int) -> Sequence[str]:
    """What getaddrinfo(3) finds, in its order."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class SystemResolver:
    """A `connection.Resolver`, for one loop."""

    def __init__(self, look_up: Lookup = system_lookup) -> None:
        self._look_up = look_up
        self._under_way: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, name: str, port: int) -> Sequence[str]:
        """The addresses of a name.

        Raises:
            OSError: there is none, or no answer.
        """
        under_way = self._under_way.get((name, port)) or self._begin(name, port)
        return await asyncio.shield(under_way)  # who gives up leaves it to the others

    def _begin(self, name: str, port: int) -> asyncio.Future[Sequence[str]]:
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[Sequence[str]] = loop.create_future()
        self._under_way[name, port] = asked

        def ended(answer: Sequence[str] | Exception) -> None:
            del self._under_way[name, port]
            if isinstance(answer, Exception):
                asked.set_exception(answer)
                asked.exception()  # nobody may be waiting any more
            else:
                asked.set_result(answer)

        def ask() -> None:
            answer = self._answer(name, port)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the service has ended
                loop.call_soon_threadsafe(ended, answer)

        threading.Thread(target=ask, name=f"lookup {name}", daemon=True).start()
        return asked

    def _answer(self, name: str, port: int) -> Sequence[str] | Exception:
        try:
            return self._look_up(name, port)
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            return error
