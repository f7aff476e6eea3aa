"""What the guard knows, on disk: known places and locks, so that a restart forgets neither.

No tag of a password is in it, right or wrong: with the key beside it, that would be a fast hash to try passwords on.
What is in it are tags of addresses and logins, the key of those tags, times and numbers, and the names of what is
locked, which the journal has as well.

    magic and version | key | time of writing | body: length-prefixed sections | BLAKE2b of all before

Monotonic times mean nothing after a restart of the machine, so they are written as wall clock times. When they are
read, the time that passed since the writing is what the wall clock says, but never less than none and never more
than a week: a clock that was set back makes no lock longer than it was, and one that is years ahead forgets no place.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sams.core.clock import Clock
from sams.identity.guard import records
from sams.identity.guard.memory import KEY_OCTETS, LOCK_OCTETS, GuardMemory, read_lock, write_lock
from sams.identity.guard.records import COUNT_OCTETS, CROWD_OCTETS, PLACE_OCTETS, Place
from sams.identity.shared_table import TAG_OCTETS, SharedTable

NAME = "guard.state"
LONGEST_AWAY = 7 * records.DAY
"""The most that counts as passed between the writing and the reading."""
MAX_OCTETS = 64 * 2**20

_MAGIC = b"SAMS guard 1\n"
_HEAD = struct.Struct(f"<{len(_MAGIC)}s{KEY_OCTETS}sd")
_SECTION = struct.Struct("<I")
_DIGEST = 32
_AT_ONCE = 200
_PAUSE = 0.001
_MODE = 0o600

Shift = Callable[[float], float]


class DamagedGuardFile(Exception):
    """The file cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class SavedGuard:
    """What was in the file; its times are those of the wall clock. Each entry: tag and payload.

    at: when it was written, UNIX seconds.
    """

    key: bytes
    at: float
    counts: tuple[tuple[bytes, bytes], ...]
    places: tuple[tuple[bytes, bytes], ...]
    crowds: tuple[tuple[bytes, bytes], ...]
    locks: tuple[tuple[bytes, bytes], ...]


_OCTETS = (COUNT_OCTETS, PLACE_OCTETS, CROWD_OCTETS, LOCK_OCTETS)
"""Of a payload, section by section."""


def guard_path(data_dir: Path) -> Path:
    """Where it is."""
    return data_dir / NAME


def save(memory: GuardMemory, path: Path, clock: Clock) -> None:
    """Write the file anew, whole or not at all. Blocks; a thread that does it lets others run in between.

    Raises:
        OSError: it cannot be written.
    """
    to_wall = clock.now() - clock.monotonic()

    def wall(at: float) -> float:
        return at + to_wall

    sections = (
        _section(_kept_counts(memory.counts, wall)),
        _section(_shifted_entries(memory.places, _shifted_place, wall)),
        _section(_shifted_entries(memory.crowds, _shifted_crowd, wall)),
        _section(_shifted_entries(memory.locks, _shifted_lock, wall)),
    )
    body = _HEAD.pack(_MAGIC, memory.key, clock.now()) + b"".join(sections)
    _write(path, body + hashlib.blake2b(body, digest_size=_DIGEST).digest())


def read_guard(path: Path) -> SavedGuard | None:
    """What is in the file; None: there is none.

    Raises:
        DamagedGuardFile: it is not as it was written, or cannot be read.
    """
    octets = _read(path)
    if octets is None:
        return None
    body, digest = octets[:-_DIGEST], octets[-_DIGEST:]
    if len(body) < _HEAD.size or not hmac.compare_digest(
        hashlib.blake2b(body, digest_size=_DIGEST).digest(), digest
    ):
        raise DamagedGuardFile(f"{path} is damaged, and is written anew")
    magic, key, at = _HEAD.unpack_from(body)
    if magic != _MAGIC:
        raise DamagedGuardFile(f"{path} is of another version, and is written anew")
    try:
        counts, places, crowds, locks = _sections(body)
    except (struct.error, ValueError):
        raise DamagedGuardFile(f"{path} is not whole, and is written anew") from None
    return SavedGuard(key, at, counts, places, crowds, locks)


def restore(memory: GuardMemory, saved: SavedGuard, clock: Clock) -> None:
    """Bring it into an empty memory that was made with its key."""
    now = clock.monotonic()
    away = min(max(0.0, clock.now() - saved.at), LONGEST_AWAY)
    to_monotonic = now - away - saved.at

    def monotonic(at: float) -> float:
        return at + to_monotonic

    for table, entries, shifted in (
        (memory.counts, saved.counts, _shifted_count),
        (memory.places, saved.places, _shifted_place),
        (memory.crowds, saved.crowds, _shifted_crowd),
        (memory.locks, saved.locks, _shifted_lock),
    ):
        for tag, payload in entries:
            _put(table, tag, now, shifted(payload, monotonic))


def _put(table: SharedTable, tag: bytes, now: float, payload: bytes) -> None:
    table.change(tag, now, lambda _: payload)


# --- what of each record is kept


def _kept_counts(table: SharedTable, shift: Shift) -> Iterator[tuple[bytes, bytes]]:
    """Counts that locked something lately, without a tag of any password."""
    for tag, _, payload in table.entries():
        count = records.read_count(payload)
        if count.locks:
            yield tag, _shifted_count(records.write_count(records.without_tags(count)), shift)


def _shifted_entries(
    table: SharedTable, shifted: Callable[[bytes, Shift], bytes], shift: Shift
) -> Iterator[tuple[bytes, bytes]]:
    for tag, _, payload in table.entries():
        yield tag, shifted(payload, shift)


def _shifted_count(payload: bytes, shift: Shift) -> bytes:
    count = records.read_count(payload)
    return records.write_count(
        count._replace(
            started=shift(count.started), day=shift(count.day), locked_until=shift(count.locked_until)
        )
    )


def _shifted_place(payload: bytes, shift: Shift) -> bytes:
    """A place without the tags of its passwords."""
    return records.write_place(Place(shift(records.read_place(payload).good_at)))


def _shifted_crowd(payload: bytes, shift: Shift) -> bytes:
    crowd = records.read_crowd(payload)
    return records.write_crowd(crowd._replace(started=shift(crowd.started)))


def _shifted_lock(payload: bytes, shift: Shift) -> bytes:
    lock = read_lock(payload)
    return write_lock(lock._replace(since=shift(lock.since), until=shift(lock.until)))


# --- the file


def _section(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Its length and its entries. Others of this process run in between: there may be a hundred thousand."""
    parts: list[bytes] = []
    for number, (tag, payload) in enumerate(entries):
        parts += (tag, payload)
        if number % _AT_ONCE == _AT_ONCE - 1:
            time.sleep(_PAUSE)
    body = b"".join(parts)
    return _SECTION.pack(len(body)) + body


def _sections(body: bytes) -> Iterator[tuple[tuple[bytes, bytes], ...]]:
    at = _HEAD.size
    for octets in _OCTETS:
        (length,) = _SECTION.unpack_from(body, at)
        at += _SECTION.size
        section, step = body[at : at + length], TAG_OCTETS + octets
        at += length
        if len(section) != length or length % step:
            raise ValueError(length)
        yield tuple(
            (section[start : start + TAG_OCTETS], section[start + TAG_OCTETS : start + step])
            for start in range(0, len(section), step)
        )


def _write(path: Path, octets: bytes) -> None:
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)


def _read(path: Path) -> bytes | None:
    """The octets; root may read it in a folder of the service's user, so no link is followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedGuardFile(f"{path} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_OCTETS:
            raise DamagedGuardFile(f"{path} is no file of the guard")
        try:
            return file.read(MAX_OCTETS)
        except OSError as error:
            raise DamagedGuardFile(f"{path} cannot be read: {error.strerror}") from None
