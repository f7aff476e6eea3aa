"""A program that wants a terminal, and somebody who answers what it asks."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.service import PATIENCE

_CONTROLS = re.compile(rb"\x1b[\[(][0-9;?]*[A-Za-z]?|[\x00-\x1f]")


def converse(
    command: Sequence[str], home: Path, environment: Mapping[str, str], answers: Mapping[str, str], *ends: str
) -> str:
    """Start a program, type each answer once what it answers has been seen, and end it when one of `ends` was.

    Gives what the screen has shown, without controls.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(home)
        os.execvpe(command[0], [*command], {**environment})  # noqa: S606 - the program that is tested
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        return _talk(terminal, dict(answers), ends)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def _talk(terminal: int, answers: dict[str, str], ends: Sequence[str]) -> str:
    until = time.monotonic() + PATIENCE
    seen = b""
    while True:
        shown = _CONTROLS.sub(b"", seen).decode(errors="replace")
        if any(end in shown for end in ends):
            return shown
        for asked in [asked for asked in answers if asked in shown]:
            os.write(terminal, answers.pop(asked).encode())
        assert time.monotonic() < until, shown
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65_536)
            except OSError:  # Linux's way to say that the other end was closed
                raise AssertionError(f"the program ended: {shown}") from None
