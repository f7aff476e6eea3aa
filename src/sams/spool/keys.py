"""Message ids as row numbers.

An id holds a time, a shard and a counter in 75 bits (see `sams.core.ids`). Within a shard the shard's number
says nothing, and the rest fits a signed 64-bit row number when the time counts from 2020 (until 2091): so
the table of messages is keyed by the id itself, new rows append, and rows in order are ids in order.
"""

from __future__ import annotations

from sams.core.ids import ALPHABET, ID_LENGTH, encode

_EPOCH = 1_577_836_800_000_000
"""Microseconds from 1970 to 2020."""
_COUNTER_BITS = 12
_SHARD_BITS = 10
_COUNTER_MASK = (1 << _COUNTER_BITS) - 1
_SHARD_MASK = (1 << _SHARD_BITS) - 1
_DIGITS = b"0123456789abcdefghijklmnopqrstuv"
_LETTERS = ALPHABET.encode()
_OTHERS = bytes(set(range(256)) - set(_LETTERS + _LETTERS.lower()))
_TO_DIGITS = bytes.maketrans(_LETTERS.lower() + _LETTERS + _OTHERS, _DIGITS + _DIGITS + b"!" * len(_OTHERS))


def row_of(identifier: str) -> tuple[int, int]:
    """The row number and the shard of an id.

    Raises:
        KeyError: it is no id, so no message can have it.
    """
    if len(identifier) != ID_LENGTH:
        raise KeyError(identifier)
    try:
        number = int(identifier.encode("ascii").translate(_TO_DIGITS), 32)
    except ValueError:
        raise KeyError(identifier) from None
    time = (number >> _COUNTER_BITS + _SHARD_BITS) - _EPOCH
    return time << _COUNTER_BITS | number & _COUNTER_MASK, number >> _COUNTER_BITS & _SHARD_MASK


def before_moment(row: int) -> int:
    """The last row before all rows, of any shard, that are of the same microsecond as this one."""
    return (row & ~_COUNTER_MASK) - 1


def time_of(row: int) -> int:
    """Microseconds since 1970."""
    return (row >> _COUNTER_BITS) + _EPOCH


def id_of(row: int, shard: int) -> str:
    """The id of a row of a shard."""
    return encode((time_of(row) << _SHARD_BITS | shard) << _COUNTER_BITS | row & _COUNTER_MASK)
