"""Colour where it is seen: on a terminal, and not where NO_COLOR is set (no-color.org)."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple, TextIO

_CODES = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "": ""}
_STANDARD_OUTPUT, _VIRTUAL_TERMINAL = -11, 0x0004


class Paint(NamedTuple):
    """Puts colour around text, or does not."""

    on: bool

    def __call__(self, text: str, colour: str) -> str:
        """The text in this colour: green, yellow, red, bold."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.on and colour else text


def paint_for(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Paint:
    """Whether this stream shows colour."""
    wanted = stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return Paint(on=wanted and (sys.platform != "win32" or _windows_can()))


def _windows_can() -> bool:
    """Have the console of Windows understand colours; False: an old one that cannot."""
    ctypes: Any = importlib.import_module("ctypes")  # what is used of it is there on Windows alone
    kernel = ctypes.windll.kernel32
    handle = kernel.GetStdHandle(_STANDARD_OUTPUT)
    mode = ctypes.c_uint32()
    if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
        return False
    return bool(kernel.SetConsoleMode(handle, mode.value | _VIRTUAL_TERMINAL))
