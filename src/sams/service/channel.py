"""The channel between the supervisor and one worker: whole messages over a socket pair, closed by either's death.

A worker says `READY` when its listeners accept, `RELOADED` or `FAILED` (with the reason) after a reload, and
`RELOAD` when somebody asked it through the control socket for one. The supervisor sends nothing but material.
"""

from __future__ import annotations

import enum
import socket
import struct

LARGEST = 16_777_216
PATIENCE = 5.0
"""Seconds that the other end has to take a message."""
_LENGTH = struct.Struct("!I")


class Word(enum.Enum):
    """What a worker says."""

    READY = b"ready"
    RELOADED = b"reloaded"
    FAILED = b"failed"
    RELOAD = b"reload"


class Channel:
    """One end. Messages are framed by their length, so that they may be of any size up to 16 MiB."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._buffer = bytearray()

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """The two ends: the supervisor's and the worker's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(ours), cls(theirs)

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
        """Send a word with its detail."""
        self.send(word.value + b" " + detail.encode())

    def receive(self) -> list[bytes] | None:
        """Read what is there; the messages that are complete by it, or None when the other end is gone."""
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
            if length > LARGEST:
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
