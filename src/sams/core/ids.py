"""Names that SAMS gives: of messages, sessions and refusals.

A message id is 15 characters of Crockford's base 32, made of the microseconds since 1970 (53 bits), the shard
(10 bits) and a counter (12 bits): ids of one shard rise with time, so that an index on them appends, and the
id alone says which shard holds a message. A session id has the same form with a shard number of its worker.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from sams.core.clock import Clock

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ID_LENGTH = 15
MAX_SHARD = 1023
_SHARD_SHIFT = 12
_TIME_SHIFT = 22
_COUNTER = (1 << _SHARD_SHIFT) - 1
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)


@dataclass(slots=True)
class IdMaker:
    """Makes the ids of one shard. Never repeats one, not even when the clock goes back."""

    clock: Clock
    shard: int
    _last: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.shard <= MAX_SHARD:
            raise ValueError(f"a shard's number is 0 to {MAX_SHARD}, not {self.shard}")

    def next(self) -> str:
        """The next id, greater than every one before."""
        ticks = int(self.clock.now() * 1_000_000) << _SHARD_SHIFT
        last = self._last + 1
        self._last = last = max(last, ticks)
        time, counter = last >> _SHARD_SHIFT, last & _COUNTER
        return encode(time << _TIME_SHIFT | self.shard << _SHARD_SHIFT | counter)

    @property
    def latest(self) -> int:
        """The time of the last id, microseconds since 1970; 0 before the first."""
        return self._last >> _SHARD_SHIFT

    def skip(self, microseconds: int) -> None:
        """Give no id of this time (since 1970) or before it: those may be taken, and the clock may go back."""
        self._last = max(self._last, microseconds << _SHARD_SHIFT | _COUNTER)


def encode(number: int) -> str:
    """75 bits as 15 characters."""
    pairs = _PAIRS
    return (
        f"{ALPHABET[number >> 70 & 31]}{pairs[number >> 60 & 1023]}{pairs[number >> 50 & 1023]}"
        f"{pairs[number >> 40 & 1023]}{pairs[number >> 30 & 1023]}{pairs[number >> 20 & 1023]}"
        f"{pairs[number >> 10 & 1023]}{pairs[number & 1023]}"
    )


def shard_of(identifier: str) -> int:
    """The number of the shard that made this id.

    Raises:
        ValueError: it is no id.
    """
    return _decode(identifier) >> _SHARD_SHIFT & MAX_SHARD


def time_of(identifier: str) -> float:
    """When this id was made, UNIX seconds.

    Raises:
        ValueError: it is no id.
    """
    return (_decode(identifier) >> _TIME_SHIFT) / 1_000_000


def _decode(identifier: str) -> int:
    number = 0
    if len(identifier) != ID_LENGTH or not identifier.isascii():
        raise ValueError(f"an id has {ID_LENGTH} characters: {identifier!r}")
    for letter in identifier.upper():
        if letter not in _VALUES:
            raise ValueError(f"not a letter of an id: {letter!r}")
        number = number << 5 | _VALUES[letter]
    return number


def new_reference() -> str:
    """A reference such as `K7Q2-4F` that a refusal carries and the journal knows; 30 random bits."""
    number = secrets.randbits(30)
    letters = _PAIRS[number >> 20] + _PAIRS[number >> 10 & 1023] + _PAIRS[number & 1023]
    return f"{letters[:4]}-{letters[4:]}"
