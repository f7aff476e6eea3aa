"""The bounded place where password hashes are computed.

A hash takes tens of milliseconds of one core. Unbounded, a flood of sign-ins would take the
machine from members who are signed in; so over all workers a bounded number is computed at once, at low
priority, and at most `max_waiting` wait for it. Who was right at the same place before comes first. Of the turns of
all others half go by where they come from (`fair_queue.py`) and half by how long they wait: neither a flood from one
place nor guesses from many can keep the others from a check.

Comparisons are computed by the hasher (`hasher/process.py`), where there is one, as many at once as it has threads.
What it does not answer, and all else, is for threads of this process, which hold a lane meanwhile (`lanes.py`).
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sams.core.errors import TemporaryFailure
from sams.core.rights import stand_back
from sams.identity.fair_queue import FairQueue
from sams.identity.origin import origin_key
from sams.identity.passwords.hasher.asking import HasherLine
from sams.identity.passwords.hasher.messages import Question
from sams.identity.passwords.hashes import NICENESS, Compared, Hashes
from sams.identity.passwords.lanes import Lanes
from sams.identity.replies import BUSY
from sams.identity.shared_table import Columns

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """One job, of who waits for `done`. question: by which the hasher does the same; None: threads alone can."""

    job: Callable[[], Any]
    origin: bytes
    done: asyncio.Future[Any]
    question: Question | None = None

    def conclude(self, result: object, error: BaseException | None) -> None:
        """Tell who waits, if somebody does."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(result)
        else:
            self.done.set_exception(error)


class HashPool:
    """Runs what computes hashes, bounded over all workers. Made in the worker, after the fork.

    Half of the room is shared out among the workers, and the other half is for whoever needs it: no worker's
    crowd takes the last place of another. In a full worker one of a crowd gives way to who comes from elsewhere.

    waiting: made before the fork; how many jobs each worker has under way.
    worker: this worker's number, its column there.
    at_once: of this worker's jobs; lanes and hasher have the bound of the machine.
    niceness: by how much that of the threads exceeds the service's (Linux).
    hasher: computes comparisons; None: threads do.
    """

    def __init__(
        self,
        lanes: Lanes,
        waiting: Columns,
        worker: int,
        *,
        at_once: int,
        max_waiting: int = 200,
        niceness: int = NICENESS,
        hasher: HasherLine | None = None,
    ) -> None:
        self._lanes = lanes
        self._waiting = waiting
        self._worker = worker
        self._limit = max_waiting + at_once
        self._own_share = self._limit // (2 * len(waiting.numbers))
        self._known: FairQueue[_Work] = FairQueue()
        self._unknown: FairQueue[_Work] = FairQueue()
        self._is_by_age = self._is_closed = False
        self._idle = at_once
        self._line = hasher
        self._unstarted: set[_Work] = set()
        waiting.numbers[worker] = 0
        self._threads = ThreadPoolExecutor(at_once, "hash", initializer=_lower_priority, initargs=(niceness,))

    async def compare(
        self, hashes: Hashes, stored: str | None, typed: str, address: str, *, is_known: bool = False
    ) -> Compared:
        """Compare a password with a hash (`Hashes.compare`), in turn as by `run`.

        Raises:
            TemporaryFailure: too many wait already, or the pool is closed.
            ValueError: the stored hash is damaged.
        """
        job, question = partial(hashes.compare, stored, typed), Question(stored, typed)
        compared: Compared = await self._in_turn(job, question, address, is_known=is_known)
        return compared

    async def run(self, job: Callable[[], _Result], address: str, *, is_known: bool = False) -> _Result:
        """Run a job on a thread and in a lane, in its turn among those of other addresses.

        is_known: who asks was right at this address before.

        Raises:
            TemporaryFailure: too many wait already, or the pool is closed; the job was not done.
        """
        result: _Result = await self._in_turn(job, None, address, is_known=is_known)
        return result

    async def _in_turn(
        self, job: Callable[[], object], question: Question | None, address: str, *, is_known: bool
    ) -> Any:
        origin, queue = origin_key(address), self._known if is_known else self._unknown
        if self._is_closed or not (self._has_room() or self._make_room(origin, is_known=is_known)):
            raise self._busy()
        work = _Work(job, origin, asyncio.get_running_loop().create_future(), question)
        queue.put(work, origin)
        self._count(+1)
        self._start()
        try:
            return await work.done
        finally:
            if queue.remove(work, origin):  # who asked is gone
                self._count(-1)

    def close(self) -> None:
        """Drop what waits, for the hasher, too. What a thread was given comes to its end, and counts itself out."""
        self._is_closed = True
        if self._line is not None:
            self._line.close()
        while work := self._next():
            self._drop(work)
        self._threads.shutdown(wait=True)

    def _has_room(self) -> bool:
        numbers, share = self._waiting.numbers, self._own_share
        return numbers[self._worker] < share or sum([max(one, share) for one in numbers]) < self._limit

    def _make_room(self, origin: bytes, *, is_known: bool) -> bool:
        """Let the newest of a crowd go for one of this origin; whether there was a crowd."""
        if is_known:
            work = self._unknown.give_way_to_others() or self._known.give_way(origin)
        else:
            work = self._unknown.give_way(origin)
        if work is None:
            return False
        self._count(-1)
        work.conclude(None, self._busy())
        return True

    def _busy(self) -> TemporaryFailure:
        return TemporaryFailure(BUSY, f"{self._limit} password checks are under way or waiting")

    def _start(self) -> None:
        """Begin with those whose turn it is, as long as there is room."""
        while self._idle and not self._is_closed and (work := self._next()):
            self._idle -= 1
            if self._line is None or work.question is None:
                self._submit(work)
            else:
                self._line.ask(work.question, partial(self._told, work))

    def _told(self, work: _Work, compared: Compared | None) -> None:
        """What the hasher does not answer is for a thread."""
        if compared is not None:
            self._ended(work, compared, None)
        elif self._is_closed:
            self._drop(work)
        else:
            self._submit(work)

    def _submit(self, work: _Work) -> None:
        """Give it to a thread. One that cannot be started costs this job, and no other its place."""
        try:
            self._threads.submit(self._in_lane, work)
        except RuntimeError as error:
            self._unstarted.add(work)
            failure = TemporaryFailure(BUSY, f"no thread can be started for a password check: {error}")
            work.done.get_loop().call_soon(self._ended, work, None, failure)

    def _next(self) -> _Work | None:
        if work := self._known.pop():
            return work
        self._is_by_age = not self._is_by_age
        return self._unknown.pop_oldest() if self._is_by_age else self._unknown.pop()

    def _in_lane(self, work: _Work) -> None:
        """The lane goes last: who waits for it would take the core from us while we have the interpreter."""
        if work in self._unstarted:  # the executor kept it nevertheless
            self._unstarted.discard(work)
            return
        result, error = None, None
        with ExitStack() as lane:
            try:
                lane.enter_context(self._lanes.hold())
                result = work.job()
            except BaseException as raised:  # noqa: BLE001 - it is raised to who waits
                error = raised
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                work.done.get_loop().call_soon_threadsafe(self._ended, work, result, error)

    def _ended(self, work: _Work, result: object, error: BaseException | None) -> None:
        self._idle += 1
        self._count(-1)
        work.conclude(result, error)
        self._start()

    def _drop(self, work: _Work) -> None:
        self._count(-1)
        work.done.cancel()

    def _count(self, change: int) -> None:
        """A reload makes a pool beside the one that still runs: the worker's number is theirs together."""
        numbers = self._waiting.numbers
        numbers[self._worker] = max(0, numbers[self._worker] + change)


def _lower_priority(niceness: int) -> None:
    """Linux gives a thread its own.

    Not the class "idle": who ends a hash holds the interpreter for a moment, and the loop waits until it has a core.
    """
    if sys.platform == "linux":
        stand_back(niceness, threading.get_native_id())
