"""Hashes by way of the hasher (`process.py`), for the threads of a worker."""

from __future__ import annotations

import socket

import msgspec

from sams.core.spawning import clean_environment, spawn
from sams.identity.passwords.argon2id import Argon2id
from sams.identity.passwords.hasher.messages import Orders, Question, Told, hasher_command
from sams.identity.questions import HEARING, LARGEST, ask

PATIENCE = 10.0
"""Seconds after which a thread computes for itself what it asked for."""


class Argon2idAside:
    """Asks the hasher, and computes here what that does not answer: it may be starting, or have died (`Argon2id`).

    questions: the end of the hasher's pair that was inherited. here: computes in this thread. patience: seconds.
    """

    __slots__ = ("_here", "_patience", "_questions")

    def __init__(self, questions: socket.socket, here: Argon2id, patience: float = PATIENCE) -> None:
        self._questions = questions
        self._here = here
        self._patience = patience

    def make(self, password: str) -> str:
        """Of a new salt."""
        told = self._asked(Question(password))
        return self._here.make(password) if told.made is None else told.made

    def matches(self, stored: str, password: str) -> bool:
        """A damaged hash has no answer there: what is wrong with it is found here."""
        told = self._asked(Question(password, stored))
        return self._here.matches(stored, password) if told.is_right is None else told.is_right

    def is_outdated(self, stored: str) -> bool:
        """Found here."""
        return self._here.is_outdated(stored)

    def _asked(self, question: Question) -> Told:
        try:
            answers = ask(self._questions, msgspec.msgpack.encode(question))
        except OSError:
            return _NOTHING
        with answers:
            answers.settimeout(self._patience)
            try:
                return msgspec.msgpack.decode(answers.recv(LARGEST) or _SILENCE, type=Told)
            except OSError:
                return _NOTHING


_NOTHING = Told()
_SILENCE = msgspec.msgpack.encode(_NOTHING)


def spawn_hasher(orders: Orders, hearing: socket.socket) -> int:
    """Start a hasher that hears what comes on its end of the pair; its pid. It inherits nothing else but stderr.

    Raises:
        OSError: it cannot be started.
    """
    return spawn(hasher_command(orders), {HEARING: hearing.fileno()}, clean_environment())
