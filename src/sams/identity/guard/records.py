"""What the guard writes into its tables: records of fixed size, and how counting changes them.

    Count    of wrong passwords: of a pair, an address, a network, a login, or a login at a network
    Place    where a login was right: of a pair, a login at a network, or a login wherever it was
    Crowd    how many logins were right at an address or in a network lately

All here are values and plain functions: no clock, no table. Times are monotonic seconds; NEVER is before all of
them, as a restart of the machine lets what is known from before it lie below zero.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, TypeAlias

NEVER = -math.inf
DAY = 86_400.0
MAX_TAGS = 16
"""How many wrong passwords a record has room for: one that is older counts as another."""
COUNTED_OCTETS = 4
"""Octets of the tag by which a wrong password is counted."""
CROWD_SPAN = 7 * DAY
"""Of logins, those are counted that were right within this time or the one before."""
MOST_LOGINS = 1_000
"""The most logins of a crowd that are told."""

_WRONG_OCTETS = 2 * COUNTED_OCTETS
_NO_TAGS = bytes(MAX_TAGS * _WRONG_OCTETS)
_NO_GENERATION = bytes(COUNTED_OCTETS)
_CROWD_OCTETS = 64
_NO_LOGINS = bytes(_CROWD_OCTETS)
_COUNT = struct.Struct(f"<BBdddIIII{MAX_TAGS * _WRONG_OCTETS}s")
_PLACE = struct.Struct("<d4Q")
_CROWD = struct.Struct(f"<d{_CROWD_OCTETS}s{_CROWD_OCTETS}s")

COUNT_OCTETS = _COUNT.size
PLACE_OCTETS = _PLACE.size
CROWD_OCTETS = _CROWD.size


class Kind(IntEnum):
    """What a count is of."""

    PAIR = 0
    ADDRESS = 1
    NETWORK = 2
    LOGIN = 3
    LOGIN_AT_NETWORK = 4


class Level(IntEnum):
    """What a lock is told as, in order of readiness."""

    PAIR = 0
    ADDRESS = 1
    NETWORK = 2
    LOGIN = 3

    @property
    def word(self) -> str:
        """As replies, the journal and commands name it."""
        return self.name.lower()


class Rule(NamedTuple):
    """When a count locks, and for how long. Times in seconds.

    limit: of wrong passwords within `window`; day_limit: the same within a day, 0: none.
    lock: the first; doubles with each further one within a day, up to `longest`.
    level: what the lock is told as.
    """

    limit: int
    day_limit: int
    window: float
    lock: float
    longest: float
    level: Level


class Count(NamedTuple):
    """Wrong passwords. `wrong`: the last ones, each by a tag and a tag of it with the account's generation.

    started: of the window; day: of the day.
    locks: so far without a quiet day. tries: other passwords since the lock.
    """

    kind: int = Kind.PAIR
    level: int = Level.PAIR
    started: float = NEVER
    day: float = NEVER
    locked_until: float = NEVER
    guesses: int = 0
    day_guesses: int = 0
    locks: int = 0
    tries: int = 0
    wrong: bytes = _NO_TAGS


class Place(NamedTuple):
    """Where a login was right, last at `good_at`: tags of its passwords, the newest first; 0: none.

    There are several: app passwords, mechanisms, and the password before a change.
    """

    good_at: float = NEVER
    newest: int = 0
    second: int = 0
    third: int = 0
    oldest: int = 0

    @property
    def goods(self) -> tuple[int, ...]:
        """The tags."""
        return self[1:]


PlaceFields: TypeAlias = tuple[float, int, int, int, int]
"""A place without its names: for who asks at each sign-in."""
place_fields: Callable[[bytes], PlaceFields] = _PLACE.unpack
"""The fields of a place that is there, from its octets."""


class Crowd(NamedTuple):
    """Logins that were right: a bit for each, by its tag, in this span of time and in the one before."""

    started: float = NEVER
    now: bytes = _NO_LOGINS
    before: bytes = _NO_LOGINS


NO_COUNT, NO_PLACE, NO_CROWD = Count(), Place(), Crowd()


def read_count(payload: bytes | None) -> Count:
    """A count; None: nothing was counted."""
    return NO_COUNT if payload is None else Count._make(_COUNT.unpack(payload))


def write_count(count: Count) -> bytes:
    """The octets of it."""
    return _COUNT.pack(*count)


def read_place(payload: bytes | None) -> Place:
    """A place; None: it was never right there."""
    return NO_PLACE if payload is None else Place._make(_PLACE.unpack(payload))


def write_place(place: Place) -> bytes:
    """The octets of it."""
    return _PLACE.pack(*place)


def read_crowd(payload: bytes | None) -> Crowd:
    """A crowd; None: nobody was right there."""
    return NO_CROWD if payload is None else Crowd._make(_CROWD.unpack(payload))


def write_crowd(crowd: Crowd) -> bytes:
    """The octets of it."""
    return _CROWD.pack(*crowd)


# --- wrong passwords


def current(count: Count, now: float, window: float) -> Count:
    """The count, its window and its day begun anew where they are over.

    In a new window no password is known to be wrong any more; that it was counted is known for the day.
    """
    if now >= count.day + DAY:
        count = count._replace(day=now, day_guesses=0, started=NEVER, wrong=_NO_TAGS)
    if now < count.started + window:
        return count
    locks = count.locks if now < count.locked_until + DAY else 0
    return count._replace(started=now, locks=locks, guesses=0, wrong=_without_generations(count.wrong))


def counted(count: Count, now: float, rule: Rule, by: int = 1) -> Count:
    """One guess more, of a count that is current; locked where it is one too many."""
    more = count._replace(guesses=count.guesses + by, day_guesses=count.day_guesses + by)
    is_over = more.guesses >= rule.limit or 0 < rule.day_limit <= more.day_guesses
    if not is_over or more.locked_until > now:
        return more
    seconds = min(rule.lock * 2.0 ** min(more.locks, 20), rule.longest)
    return more._replace(
        locked_until=now + seconds, locks=more.locks + 1, level=rule.level, guesses=0, tries=0
    )


def knows_wrong(count: Count, wrong: bytes) -> bool:
    """Whether this password was found wrong in this generation."""
    return wrong in _tags(count.wrong)


def with_generation(count: Count, wrong: bytes) -> Count | None:
    """The count where this password is among the wrong ones: found wrong in this generation now."""
    tags = _tags(count.wrong)
    known = [tag[:COUNTED_OCTETS] for tag in tags]
    if wrong[:COUNTED_OCTETS] not in known:
        return None
    tags[known.index(wrong[:COUNTED_OCTETS])] = wrong
    return count._replace(wrong=b"".join(tags))


def with_wrong(count: Count, wrong: bytes) -> Count:
    """The count with one more wrong password, the oldest of them forgotten."""
    return count._replace(wrong=count.wrong[_WRONG_OCTETS:] + wrong)


def without_tags(count: Count) -> Count:
    """The count without any tag of a password."""
    return count._replace(wrong=_NO_TAGS)


def _tags(wrong: bytes) -> list[bytes]:
    return [wrong[at : at + _WRONG_OCTETS] for at in range(0, len(wrong), _WRONG_OCTETS)]


def _without_generations(wrong: bytes) -> bytes:
    if wrong == _NO_TAGS:
        return wrong
    return b"".join([tag[:COUNTED_OCTETS] + _NO_GENERATION for tag in _tags(wrong)])


# --- right ones


def with_good(place: Place, now: float, good: int) -> Place:
    """The place where this password was right just now; 0: it is not told which."""
    if not good:
        return place._replace(good_at=now)
    first, second, third, *_ = [each for each in place.goods if each != good]
    return Place(now, good, first, second, third)


def with_login(crowd: Crowd, now: float, tag: bytes) -> Crowd:
    """The crowd with the login of this tag."""
    crowd = _turned(crowd, now)
    bit = int.from_bytes(tag[:2], "little") % (8 * _CROWD_OCTETS)
    bits = bytearray(crowd.now)
    bits[bit // 8] |= 1 << bit % 8
    return crowd._replace(now=bytes(bits))


def logins_of(crowd: Crowd, now: float) -> int:
    """About how many logins were right there lately, MOST_LOGINS at most.

    Linear counting: of m bits, n logins leave about m·exp(-n/m) unset; within 5 % up to the most.
    """
    crowd = _turned(crowd, now)
    bits = int.from_bytes(crowd.now, "little") | int.from_bytes(crowd.before, "little")
    all_bits, set_bits = 8 * _CROWD_OCTETS, bits.bit_count()
    if set_bits == all_bits:
        return MOST_LOGINS
    return min(MOST_LOGINS, round(all_bits * math.log(all_bits / (all_bits - set_bits))))


def _turned(crowd: Crowd, now: float) -> Crowd:
    if now < crowd.started + CROWD_SPAN:
        return crowd
    is_just_over = now < crowd.started + 2 * CROWD_SPAN
    return Crowd(now, _NO_LOGINS, crowd.now if is_just_over else _NO_LOGINS)
