"""What is done to a message's bytes: the header is split off and read, and fixed up."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.micro.samples import CONTENT, HEAD
from sams.message.header import HeaderReader, read_header


def split(loops: int) -> float:
    """Header and body from the chunk that they came in."""
    began = time.perf_counter()
    for _ in range(loops):
        reader = HeaderReader()
        assert reader.feed(CONTENT) is not None
    return time.perf_counter() - began


def parse(loops: int) -> float:
    """A header that was split off already, as it is read again for delivery."""
    began = time.perf_counter()
    for _ in range(loops):
        read_header(HEAD)
    return time.perf_counter() - began


PARTS: dict[str, Callable[[int], float]] = {
    "header, split off and read": split,
    "header, read again": parse,
}
