"""The channel between the supervisor and one worker: whole messages over a socket pair, closed by either's death.

A worker says `READY` when its listeners accept, `ALIVE` now and then from its loop, `RELOADED` or `FAILED` (with
the reason) after a reload, and `RELOAD` when somebody asked it through the control socket for one. The supervisor
hands over new material, the outcome of a reload to the worker that asked for it, and the word that the grace of a
stop is over.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import struct

import msgspec

LARGEST = 16_777_216
LARGEST_WORD = 65_536
"""What a worker says is short: the supervisor keeps no more of it in memory."""
PATIENCE = 5.0
"""Seconds that the other end has to take a message."""
_LENGTH = struct.Struct("!I")


class Word(enum.Enum):
    """What a worker says."""

    READY = b"ready"
    ALIVE = b"alive"
    RELOADED = b"reloaded"
    FAILED = b"failed"
    RELOAD = b"reload"


class Order(enum.Enum):
    """What the supervisor says."""

    MATERIAL = b"material"
    OUTCOME = b"outcome"
    HURRY = b"hurry"


class ReloadOutcome(msgspec.Struct, frozen=True):
    """What came of a reload.

    refused: why the old configuration goes on; None: the new one is in force.
    notes: what it needs besides, such as a restart.
    """

    refused: str | None = None
    notes: tuple[str, ...] = ()

    def encoded(self) -> bytes:
        """For the channel."""
        return msgspec.json.encode(self)

    @classmethod
    def decoded(cls, data: bytes) -> ReloadOutcome:
        """From the channel."""
        return msgspec.json.decode(data, type=cls)


class Channel:
    """One end. Messages are framed by their length.

    largest: octets of a message that this end takes.
    """

    def __init__(self, end: socket.socket, largest: int = LARGEST) -> None:
        self._end = end
        self._largest = largest
        self._buffer = bytearray()

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """The two ends: the supervisor's and the worker's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(ours, LARGEST_WORD), cls(theirs)

    def fileno(self) -> int:
        """For a selector."""
        return self._end.fileno()

    def send(self, message: bytes) -> None:
        """Send one message, whole or not at all as far as the other end can tell.

        Raises:
            OSError: the other end is gone, or did not take it within `PATIENCE`: close the channel.
        """
        self._end.settimeout(PATIENCE)
        self._end.sendall(_LENGTH.pack(len(message)) + message)

    def say(self, word: Word, detail: str = "") -> None:
        """Send a word with its detail, which is cut to what the supervisor takes."""
        self.send(word.value + b" " + detail.encode("utf-8", "replace")[: LARGEST_WORD - 64])

    def order(self, order: Order, content: bytes = b"") -> None:
        """Send an order with its content."""
        self.send(order.value + b" " + content)

    def beat(self) -> None:
        """Say that the loop turns, unless nobody has read the last hundreds of times."""
        message = Word.ALIVE.value + b" "
        self._end.settimeout(0)
        with contextlib.suppress(OSError):  # whoever reads this channel sees its end
            self._end.send(_LENGTH.pack(len(message)) + message)

    def receive(self) -> list[bytes] | None:
        """Read what is there; the messages that are complete by it, or None when the other end is gone.

        Raises:
            ValueError: it announces more than this end takes.
        """
        try:
            data = self._end.recv(65_536)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            return None
        if not data:
            return None
        self._buffer += data
        return list(self._complete())

    def close(self) -> None:
        """Let the other end know that we are gone."""
        self._end.close()

    def _complete(self) -> list[bytes]:
        found: list[bytes] = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > self._largest:
                raise ValueError(f"a message of {length} octets on a worker's channel")
            if len(self._buffer) < _LENGTH.size + length:
                break
            found.append(bytes(self._buffer[_LENGTH.size : _LENGTH.size + length]))
            del self._buffer[: _LENGTH.size + length]
        return found


def parse_word(message: bytes) -> tuple[Word, str]:
    """A worker's word and its detail.

    Raises:
        ValueError: it is none.
    """
    word, _, detail = message.partition(b" ")
    return Word(word), detail.decode("utf-8", "replace")


def parse_order(message: bytes) -> tuple[Order, bytes]:
    """An order and its content.

    Raises:
        ValueError: it is none.
    """
    order, _, content = message.partition(b" ")
    return Order(order), content
