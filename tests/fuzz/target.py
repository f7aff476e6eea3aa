"""What a target is, and how one draws from octets what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Something that may be given any octets, and fails by an AssertionError or an error that is none of its own.

    words: what the fuzzer may put in; longest: octets of an input that are worth trying.
    """

    run: Callable[[bytes], None]
    words: tuple[bytes, ...] = ()
    longest: int = 1_000


def pieces(stream: bytes, style: int) -> list[bytes]:
    """The stream whole, by its lines, by threes or by octets, in this order of `style`."""
    if style % 4 == 0:
        return [stream] if stream else []
    if style % 4 == 1:
        return [line + b"\n" for line in stream.split(b"\n")[:-1]] + [stream.split(b"\n")[-1]]
    step = 3 if style % 4 == 2 else 1
    return [stream[at : at + step] for at in range(0, len(stream), step)]


def split_head(data: bytes, count: int) -> tuple[bytes, bytes]:
    """So many octets that choose, zero where there are none, and the stream behind them."""
    return data[:count].ljust(count, b"\0"), data[count:]
