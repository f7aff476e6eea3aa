"""The PAM helper: a process of its own that asks the system's PAM for the workers.

Theory of operation
-------------------
PAM's modules are other people's code: they block, they crash, and `pam_unix` needs root. So neither the workers nor
the supervisor load them. This process reads questions from one socket, whose other end the workers inherited, and
forks a child for each: the modules are loaded there, the child writes the answer to the socket that came with the
question, and ends. A child that crashes or takes too long costs its own question alone. A child whose asker has gone
is killed.

It ends when nobody is left who could ask, or at SIGTERM, and takes its children with it.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

import msgspec

from sams.core.rights import die_with_parent, leave_the_terminal
from sams.identity.questions import HEARING, answer, has_gone, hear
from sams.identity.sources.pam.check import check
from sams.identity.sources.pam.messages import Orders, Outcome, Question, Told
from sams.identity.sources.pam.rights import give_up

_LONGEST_PAUSE = 30.0
_LONG_LIFE = 10.0


@dataclass(slots=True, eq=False)
class _Check:
    """A question under way. handle: a pidfd of its child. until: monotonic seconds."""

    pid: int
    handle: int
    asker: socket.socket
    until: float
    is_late: bool = False

    def kill(self) -> None:
        for kill in (os.killpg, os.kill):  # the modules' own children, too
            with suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)


@dataclass(slots=True)
class PamHelper:
    """Answers questions until nobody can ask any more."""

    hearing: socket.socket
    orders: Orders
    _checks: list[_Check] = field(default_factory=list, init=False)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector, init=False)
    _is_listening: bool = field(default=False, init=False)
    _is_over: bool = field(default=False, init=False)

    def run(self) -> None:
        """Serve."""
        self.hearing.setblocking(False)
        try:
            while not self._is_over:
                self._listen()
                for key, _ in self._selector.select(self._patience()):
                    act: Callable[[], None] = key.data
                    act()
                self._end_late()
        finally:
            for one in self._checks:
                one.kill()

    def _listen(self) -> None:
        """New questions wait in the socket while enough are under way."""
        wants = len(self._checks) < self.orders.most
        if wants and not self._is_listening:
            self._selector.register(self.hearing, selectors.EVENT_READ, self._take)
        elif not wants and self._is_listening:
            self._selector.unregister(self.hearing)
        self._is_listening = wants

    def _take(self) -> None:
        try:
            heard = hear(self.hearing)
        except BlockingIOError:
            return
        if heard is None:
            self._is_over = True
            return
        if heard.asker is None:
            return
        question = _question(heard.message)
        if question is None or has_gone(heard.asker):
            heard.asker.close()
            return
        self._begin(question, heard.asker)

    def _begin(self, question: Question, asker: socket.socket) -> None:
        policy = self.orders.policies.get(question.source)
        if policy is None:
            _tell(
                asker,
                Told(
                    Outcome.DOWN, detail=f"the helper knows no source {question.source}: restart the service"
                ),
            )
            asker.close()
            return
        with (
            _sigterm_waits()
        ):  # else it might end this process between a child's birth and its entry in the list
            pid = os.fork()
            if pid == 0:
                self._become_child(lambda: check(question, policy), asker)
            with suppress(OSError):
                os.setpgid(pid, pid)
            one = _Check(pid, os.pidfd_open(pid), asker, time.monotonic() + policy.timeout)
            self._checks.append(one)
        self._selector.register(one.handle, selectors.EVENT_READ, lambda: self._ended(one))
        self._selector.register(asker, selectors.EVENT_READ, one.kill)

    def _become_child(self, find_out: Callable[[], Told], asker: socket.socket) -> None:
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            os.setpgid(0, 0)
            die_with_parent(signal.SIGKILL)
            self.hearing.close()
            for other in self._checks:
                other.asker.close()
            asker.setblocking(True)
            asker.send(msgspec.msgpack.encode(find_out()))
            status = 0
        finally:
            os._exit(status)

    def _ended(self, one: _Check) -> None:
        _, wait_status = os.waitpid(one.pid, 0)
        status = os.waitstatus_to_exitcode(wait_status)
        if status != 0:
            _tell(one.asker, Told(Outcome.UNAVAILABLE, detail=_end_of(one, status)))
        self._selector.unregister(one.handle)
        self._selector.unregister(one.asker)
        os.close(one.handle)
        one.asker.close()
        self._checks.remove(one)

    def _end_late(self) -> None:
        now = time.monotonic()
        for one in self._checks:
            if one.until <= now:
                one.is_late = True
                one.kill()

    def _patience(self) -> float | None:
        if not self._checks:
            return None
        return max(0.0, min(one.until for one in self._checks) - time.monotonic())


@contextmanager
def _sigterm_waits() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _question(data: bytes | None) -> Question | None:
    try:
        return None if data is None else msgspec.msgpack.decode(data, type=Question)
    except msgspec.DecodeError:
        return None


def _tell(asker: socket.socket, told: Told) -> None:
    answer(asker, msgspec.msgpack.encode(told))


def _end_of(one: _Check, status: int) -> str:
    if one.is_late:
        return "a PAM module did not answer in time and was ended"
    if status < 0:
        return f"a PAM module crashed ({signal.Signals(-status).name}); the system's log may tell more"
    return f"a PAM module ended the process of its check with status {status}"


def _serve(orders: Orders) -> None:
    PamHelper(socket.socket(fileno=HEARING), orders).run()


def _keep(serve: Callable[[], None]) -> None:
    """Serve in a child, and in another where that one ended before its time."""
    pause = 0.0
    while True:
        begun = time.monotonic()
        pid = os.fork()
        if pid == 0:
            die_with_parent(signal.SIGTERM)
            serve()
            return
        if os.waitpid(pid, 0)[1] == 0:
            return
        pause = 0.0 if time.monotonic() - begun > _LONG_LIFE else min(max(1.0, 2 * pause), _LONGEST_PAUSE)
        time.sleep(pause)


def _end(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


def main(arguments: list[str]) -> None:
    """Be the helper; the one argument is its `Orders` as JSON."""
    orders = msgspec.json.decode(arguments[0], type=Orders)
    leave_the_terminal()
    signal.signal(signal.SIGTERM, _end)
    give_up()
    if orders.keep:
        _keep(lambda: _serve(orders))
    else:
        _serve(orders)
