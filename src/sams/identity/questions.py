"""Questions to a helper: a message each, with a socket for its answer.

The socket for questions is one pair, made before the fork: who has inherited its end may ask. Each answer comes on a
socket that came along with the question: nobody hears another's, an asker who has gone is seen, and a helper that has
died, too.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from array import array
from contextlib import suppress
from typing import NamedTuple

LARGEST = 16_384
"""Octets of a message. A login has 254 characters, a password 1,024 octets."""
HEARING = 3
"""The descriptor on which a helper finds its end."""
_NO_LINGER = struct.pack("ii", 0, 0)


class Ends(NamedTuple):
    """The pair. questions: for who asks. hearing: for the helper alone; no worker keeps it."""

    questions: socket.socket
    hearing: socket.socket


class Heard(NamedTuple):
    """A question. message: None: it was too long. asker: where its answer goes; None: none came along."""

    message: bytes | None
    asker: socket.socket | None


def questions_pair() -> Ends:
    """Make the pair, before the fork."""
    return Ends(*socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))


def ask(questions: socket.socket, message: bytes) -> socket.socket:
    """Ask, without waiting; where the answer comes: nothing at all where the helper ends before.

    Raises:
        BlockingIOError: more questions wait than the socket holds.
        OSError: there is nobody to ask any more.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [theirs.fileno()]))
        try:  # not by socket.send_fds, which passes over its flags
            questions.sendmsg([message], [rights], socket.MSG_DONTWAIT)
        except BaseException:
            ours.close()
            raise
    return ours


def hear(hearing: socket.socket) -> Heard | None:
    """The next question, whatever was sent; None: nobody is left who could ask.

    Raises:
        BlockingIOError: there is none at the moment, and the socket does not wait.
    """
    data, descriptors, flags, _ = socket.recv_fds(hearing, LARGEST, 1)
    if not data and not descriptors and _is_over(hearing):
        return None
    return Heard(None if flags & socket.MSG_TRUNC else data, _asker(descriptors))


def _is_over(hearing: socket.socket) -> bool:
    """Whether nothing was read because nobody is left, and not because somebody sent nothing."""
    look = select.poll()
    look.register(hearing, 0)
    return bool(look.poll(0))


def has_gone(asker: socket.socket) -> bool:
    """Whether nobody waits for the answer any more."""
    try:
        return asker.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def answer(asker: socket.socket, message: bytes) -> None:
    """Answer without waiting, whatever the asker has made of the socket, which is theirs as well."""
    with suppress(OSError):
        asker.send(message, socket.MSG_DONTWAIT)


def _asker(descriptors: list[int]) -> socket.socket | None:
    """The socket that came with a question; whatever else it was is closed."""
    for descriptor in descriptors:
        try:
            found = socket.socket(fileno=descriptor)
        except OSError:
            os.close(descriptor)
            continue
        if (found.family, found.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
            return found
        with suppress(OSError):  # to close one that lingers takes as long as whoever sent it wants
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        found.close()
    return None
