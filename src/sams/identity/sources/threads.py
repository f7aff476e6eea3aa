"""Threads for a library that blocks for as long as it likes, and that nobody can stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sams.core.errors import TemporaryFailure

_T = TypeVar("_T")


class StrayThreads:
    """Runs calls on threads, at most so many at once.

    A call whose answer nobody waits for any more goes on, and counts until it ends. The threads are daemons: the end
    of the process waits for none.

    busy: made where no thread is free.
    """

    __slots__ = ("_busy", "_count", "_most", "_name")

    def __init__(self, most: int, name: str, busy: Callable[[], TemporaryFailure]) -> None:
        self._most = most
        self._name = name
        self._busy = busy
        self._count = 0

    async def run(self, call: Callable[[], _T]) -> _T:
        """What the call gives or raises.

        Raises:
            TemporaryFailure: all threads wait.
        """
        if self._count >= self._most:
            raise self._busy()
        self._count += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()
        threading.Thread(target=self._work, args=(loop, answer, call), name=self._name, daemon=True).start()
        return await answer

    def _work(
        self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[_T], call: Callable[[], _T]
    ) -> None:
        result: _T | None = None
        failure: BaseException | None = None
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            failure = error
        with suppress(RuntimeError):  # the loop has ended, and who waited with it
            loop.call_soon_threadsafe(self._ended, answer, result, failure)

    def _ended(self, answer: asyncio.Future[_T], result: _T | None, failure: BaseException | None) -> None:
        self._count -= 1
        if answer.done():
            return
        if failure is None:
            answer.set_result(result)  # type: ignore[arg-type]  # without a failure there is a result
        else:
            answer.set_exception(failure)
