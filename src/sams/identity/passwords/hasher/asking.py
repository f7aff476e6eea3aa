"""How a worker asks the hasher (`process.py`): from its loop, which never waits for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial

import msgspec

from sams.identity.passwords.hasher.messages import Question
from sams.identity.passwords.hashes import Compared
from sams.identity.questions import LARGEST, ask

PATIENCE = 5.0
"""Seconds for one hash, after which nobody waits for the answer any more: a hash takes some hundredths."""
SILENCE = 60.0
"""Seconds for which a hasher that let somebody wait so long is not asked."""

_Heard = Callable[[Compared | None], None]


class HasherLine:
    """A worker's line to the hasher. Made in its loop.

    questions: the end of the hasher's pair that was inherited. on_silence: told when it does not answer in time.
    patience: seconds, for what stands before a question, too.
    """

    __slots__ = ("_asked_again", "_loop", "_on_silence", "_patience", "_questions", "_waiting")

    def __init__(self, questions: socket.socket, on_silence: Callable[[], None], patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._questions = questions
        self._on_silence = on_silence
        self._patience = patience
        self._asked_again = 0.0
        self._waiting: dict[socket.socket, tuple[_Heard, asyncio.TimerHandle]] = {}

    def ask(self, question: Question, heard: _Heard) -> None:
        """Ask; `heard` is told the answer, None where there is none: it may have died, or be stuck."""
        if self._loop.time() < self._asked_again:
            heard(None)
            return
        try:
            answers = ask(self._questions, msgspec.msgpack.encode(question))
        except (OSError, UnicodeEncodeError):
            heard(None)
            return
        late = self._loop.call_later(self._patience, self._is_silent, answers)
        self._waiting[answers] = heard, late
        answers.setblocking(False)
        self._loop.add_reader(answers.fileno(), partial(self._hear, answers))

    def close(self) -> None:
        """Wait for no answer any more; who asked is told that there is none."""
        for answers in list(self._waiting):
            self._conclude(answers, None)

    def _hear(self, answers: socket.socket) -> None:
        try:
            data = answers.recv(LARGEST)
        except OSError:
            data = b""
        self._conclude(answers, msgspec.msgpack.decode(data, type=Compared) if data else None)

    def _is_silent(self, answers: socket.socket) -> None:
        if self._loop.time() >= self._asked_again:
            self._asked_again = self._loop.time() + SILENCE
            self._on_silence()
        self._conclude(answers, None)

    def _conclude(self, answers: socket.socket, compared: Compared | None) -> None:
        heard, late = self._waiting.pop(answers)
        late.cancel()
        self._loop.remove_reader(answers.fileno())
        answers.close()
        heard(compared)
