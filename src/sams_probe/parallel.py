"""Many waits at once, on threads that do not keep the program from ending."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
THREADS = 24
"""So many at once; what is more waits for its turn."""


def in_parallel(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """What the tasks return, in their order.

    Raises:
        Exception: the first that a task raised, once all have ended.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, T | None, BaseException | None]] = queue.SimpleQueue()
    for number in range(len(tasks)):
        waiting.put(number)
    for _ in range(min(THREADS, len(tasks))):
        threading.Thread(target=_work, args=(tasks, waiting, done), daemon=True).start()
    ended = sorted((done.get() for _ in tasks), key=lambda one: one[0])
    for _, _, error in ended:
        if error is not None:
            raise error
    return [result for _, result, _ in ended]  # type: ignore[misc]  # None only where an error was raised


def _work(
    tasks: Sequence[Callable[[], T]],
    waiting: queue.SimpleQueue[int],
    done: queue.SimpleQueue[tuple[int, T | None, BaseException | None]],
) -> None:
    while True:
        try:
            number = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            done.put((number, tasks[number](), None))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            done.put((number, None, error))


def within(seconds: float, task: Callable[[], T]) -> T | None:
    """What the task returns, or None where it takes longer; it then goes on unheard.

    For what has no deadline of its own, such as the system's resolver.

    Raises:
        Exception: what the task raised in time.
    """
    told: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            told.put((task(), None))
        except BaseException as error:  # noqa: BLE001 - as above
            told.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = told.get(timeout=seconds)
    except queue.Empty:
        return None
    if error is not None:
        raise error
    return result
