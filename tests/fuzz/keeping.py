"""The fewest inputs that reach as much as all: what is worth a place in the tree."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

Arc = tuple[str, int, int]
"""A file of SAMS, and two of its lines, one run behind the other."""


def arcs(run: Callable[[bytes], None], octets: bytes) -> set[Arc]:
    """What an input makes SAMS run."""
    reached: set[Arc] = set()

    def enter(frame: FrameType, _event: str, _argument: Any) -> Any:
        name = frame.f_code.co_filename
        if "/sams/" not in name:
            return None
        last = 0

        def step(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal last
            if event == "line":
                reached.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        run(octets)
    finally:
        sys.settrace(before)
    return reached


def worth_keeping(
    run: Callable[[bytes], None], kept: Iterable[bytes], grown: Iterable[bytes], room: int
) -> Iterator[bytes]:
    """Those of `grown`, small ones first, that reach what none before them has, as long as there is room (octets)."""
    known: set[Arc] = set()
    for octets in kept:
        known |= arcs(run, octets)
        room -= len(octets)
    for octets in sorted(set(grown), key=lambda octets: (len(octets), octets)):
        reached = arcs(run, octets)
        if not reached <= known and len(octets) <= room:
            known |= reached
            room -= len(octets)
            yield octets


def contents(folder: Path) -> list[bytes]:
    """The inputs of a folder."""
    return [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
