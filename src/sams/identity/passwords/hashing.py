"""Password hashes (argon2id, RFC 9106), and the bounded place where they are computed.

A hash takes tens of milliseconds of one core and 19 MiB. Unbounded, a flood of sign-ins would take the
machine from members who are signed in; so over all workers a bounded number is computed at once, at low
priority, and at most `max_waiting` wait for it. Who was right at the same place before comes
first. All others take turns by where they come from (`fair_queue.py`) and by how long they wait, one of each: who
makes many wait from one place keeps nobody elsewhere from a check, and many places keep no crowd from it that
waits behind one.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sams.core.errors import TemporaryFailure
from sams.identity.fair_queue import FairQueue
from sams.identity.logins import map_password
from sams.identity.origin import origin_key
from sams.identity.passwords.argon2id import NICENESS, Argon2id, Argon2idHere, HashCost
from sams.identity.passwords.foreign.interface import ForeignHash, PlainPassword
from sams.identity.passwords.foreign.reader import ARGON2, ForeignHashes
from sams.identity.passwords.lanes import Lanes
from sams.identity.replies import BUSY
from sams.identity.shared_table import Columns

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparing a password with a hash told.

    upgrade: a hash of the same password at today's cost, where the stored one had another.
    """

    is_right: bool
    upgrade: str | None = None


class Hashes:
    """Makes and compares hashes. Blocks for tens of milliseconds: for threads, or for commands.

    argon2id: computes hashes at that cost elsewhere; None: the thread that asks does.
    """

    __slots__ = ("_argon2id", "_dummy", "_foreign", "scram_iterations")

    def __init__(
        self, cost: HashCost, foreign: ForeignHashes | None = None, argon2id: Argon2id | None = None
    ) -> None:
        here = Argon2idHere(cost)
        self._argon2id = argon2id or here
        self._dummy = here.make(secrets.token_urlsafe())
        self._foreign = foreign or ForeignHashes()
        self.scram_iterations = cost.scram_iterations

    def make(self, password: str) -> str:
        """The hash of a prepared password, with its salt and parameters."""
        return self._argon2id.make(password)

    def imported(self, text: str) -> str | PlainPassword:
        """What is stored of a password by another system's file: its hash, or what is to be hashed yet.

        Raises:
            UnusableHashError: it is no hash, one that is not taken, or one that costs too much.
        """
        found = self._foreign.read(text)
        return found.text if isinstance(found, ForeignHash) else found

    def compare(self, stored: str | None, typed: str) -> Compared:
        """Map a password and compare it with a hash; None, for an unknown login, costs the same.

        A hash of another system costs its own time, and one of ours besides, for the upgrade or for nobody: a cheap
        one takes no less than an unknown login does.

        Raises:
            ValueError: the stored hash is damaged.
        """
        password = map_password(typed)
        if stored is not None and not stored.startswith(ARGON2):
            return self._compare_foreign(stored, typed, password)
        is_right = self._argon2id.matches(self._dummy if stored is None else stored, password)
        if stored is None or not self._argon2id.is_outdated(stored):
            return Compared(is_right=is_right and stored is not None)
        return self._outdated(password, is_right=is_right)

    def _compare_foreign(self, stored: str, typed: str, password: str) -> Compared:
        """As it was typed first: other systems do not map. A NUL ends a C string, and an HMAC key."""
        try:
            found = self._foreign.read(stored)
        except ValueError as error:
            raise ValueError(f"a stored password hash is damaged, or not for this system: {error}") from None
        if not isinstance(found, ForeignHash):
            raise ValueError("a stored password hash is damaged: it is none")  # noqa: TRY004 - of what was read
        spellings = dict.fromkeys(text.encode("utf-8", "surrogatepass") for text in (typed, password))
        is_right = "\0" not in typed and any(found.matches(spelling) for spelling in spellings)
        is_whole = found.looks_at is None or len(password.encode("utf-8", "surrogatepass")) <= found.looks_at
        return self._outdated(password, is_right=is_right, is_whole=is_whole)

    def _outdated(self, password: str, *, is_right: bool, is_whole: bool = True) -> Compared:
        """Bring a hash up to today's, or let it take as long.

        is_whole: the old hash is of all of the password. Otherwise it stays: another program of the member may have
        saved another end, which was never looked at.
        """
        if is_right and is_whole:
            return Compared(is_right=True, upgrade=self.make(password))
        self._argon2id.matches(self._dummy, password)
        return Compared(is_right=is_right)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """One job, of who waits for `done`."""

    job: Callable[[], Any]
    origin: bytes
    done: asyncio.Future[Any]

    def conclude(self, result: object, error: BaseException | None) -> None:
        """Tell who waits, if somebody does."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(result)
        else:
            self.done.set_exception(error)


class HashPool:
    """Runs what computes hashes on threads, bounded over all workers. Made in the worker, after the fork.

    Half of the room is shared out among the workers, and the other half is for whoever needs it: no worker's
    crowd takes the last place of another. In a full worker one of a crowd gives way to who comes from elsewhere.

    waiting: made before the fork; how many jobs each worker has under way.
    worker: this worker's number, its column there.
    at_once: over the machine.
    niceness: of the threads above the service's, where the system can give a thread its own (Linux); 0: they compute
        nothing themselves, and are as important as the loop.
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
        waiting.numbers[worker] = 0
        lower = partial(_lower_priority, niceness) if niceness else None
        self._threads = ThreadPoolExecutor(at_once, "hash", initializer=lower)

    async def run(self, job: Callable[[], _Result], address: str, *, is_known: bool = False) -> _Result:
        """Run a job in a lane, in its turn among those of other addresses.

        is_known: who asks was right at this address before.

        Raises:
            TemporaryFailure: too many wait already, or the pool is closed; the job was not done.
        """
        origin, queue = origin_key(address), self._known if is_known else self._unknown
        if self._is_closed or not (self._has_room() or self._make_room(origin, is_known=is_known)):
            raise self._busy()
        work = _Work(job, origin, asyncio.get_running_loop().create_future())
        queue.put(work, origin)
        self._count(+1)
        self._start()
        try:
            result: _Result = await work.done
        finally:
            if queue.remove(work, origin):  # who asked is gone
                self._count(-1)
        return result

    def close(self) -> None:
        """Drop what waits, and let what a thread was given come to its end: it counts itself out."""
        self._is_closed = True
        while work := self._next():
            self._count(-1)
            work.done.cancel()
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
        """Give idle threads those whose turn it is."""
        while self._idle and not self._is_closed and (work := self._next()):
            self._idle -= 1
            self._threads.submit(self._in_lane, work)

    def _next(self) -> _Work | None:
        if work := self._known.pop():
            return work
        self._is_by_age = not self._is_by_age
        return self._unknown.pop_oldest() if self._is_by_age else self._unknown.pop()

    def _in_lane(self, work: _Work) -> None:
        """The lane goes last: who waits for it would take the core from us while we have the interpreter."""
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

    def _count(self, change: int) -> None:
        """A reload makes a pool beside the one that still runs: the worker's number is theirs together."""
        numbers = self._waiting.numbers
        numbers[self._worker] = max(0, numbers[self._worker] + change)


def _lower_priority(niceness: int) -> None:
    """Linux gives a thread its own; as a batch job it never interrupts a loop that has just woken up.

    Not less: who ends a hash holds the interpreter for a moment, and the loop waits until that moment gets a core.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        service = os.getpriority(os.PRIO_PROCESS, thread)  # to ask for less than that would need a right
        os.setpriority(os.PRIO_PROCESS, thread, min(service + niceness, 19))
        os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
