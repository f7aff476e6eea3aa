"""The hasher: a process of its own that computes password hashes for the workers, and does nothing else.

Theory of operation
-------------------
A thread that computes a hash in a worker does not hold the interpreter meanwhile, but it needs it for a moment before
and after. At low priority such a moment lasts until the thread has a core again, and the worker's loop waits as long
(decision 38). Here nobody waits for it: this process has a low priority as a whole, and no loop.

It reads questions from one socket, whose other end the workers inherited, as many at once as it has threads, and
answers each on the socket that came with it. What no worker waits for any more is not computed.

It knows a password while it compares it, and no login. It ends when nobody is left who could ask, or at SIGTERM.
"""

from __future__ import annotations

import os
import socket
import threading
import traceback

import msgspec
from argon2.exceptions import HashingError

from sams.core.rights import confine, leave_the_terminal, stand_back
from sams.identity.passwords.hasher.messages import Question
from sams.identity.passwords.hasher.starting import Orders
from sams.identity.passwords.hashes import NICENESS, Hashes
from sams.identity.questions import HEARING, Heard, answer, has_gone, hear


def main(arguments: list[str]) -> None:
    """Be the hasher; the one argument is its `Orders` as JSON."""
    orders = msgspec.json.decode(arguments[0], type=Orders)
    give_up(orders)
    hearing, hashes = socket.socket(fileno=HEARING), Hashes(orders.cost)
    for _ in range(orders.at_once - 1):
        threading.Thread(target=_serve_or_end, args=(hearing, hashes), daemon=True).start()
    serve(hearing, hashes)


def give_up(orders: Orders) -> None:
    """Become the user, for good, with no new rights; give way to whatever else wants a core.

    Raises:
        OSError: the system does not allow it.
    """
    leave_the_terminal()
    confine(orders.user)
    stand_back(NICENESS)


def serve(hearing: socket.socket, hashes: Hashes) -> None:
    """Answer questions until nobody is left who could ask."""
    while (heard := hear(hearing)) is not None:
        _answer(heard, hashes)


def _serve_or_end(hearing: socket.socket, hashes: Hashes) -> None:
    """A bug ends the process, which is replaced, and not one of its threads alone."""
    try:
        serve(hearing, hashes)
    except BaseException:  # noqa: BLE001 - whatever it is
        traceback.print_exc()
        os._exit(1)


def _answer(heard: Heard, hashes: Hashes) -> None:
    """What is no question, or cannot be computed, has none: who asked sees that the socket is closed."""
    if heard.asker is None:
        return
    with heard.asker as asker:
        if heard.message is None or has_gone(asker):
            return
        try:
            question = msgspec.msgpack.decode(heard.message, type=Question)
            compared = hashes.compare(question.stored, question.typed)
        except (msgspec.DecodeError, ValueError, HashingError):
            return
        answer(asker, msgspec.msgpack.encode(compared))
