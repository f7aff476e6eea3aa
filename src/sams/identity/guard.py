"""The guard against guessing: slows down, then locks out, who tries one wrong password after another.

Theory of operation. What counts is *distinct* wrong passwords: a mail program that repeats one old password all
day learns nothing by it and is no attack. Three kinds of entries stand in a shared table:

    pair       (origin, login): the last wrong passwords, by short keyed tags, each with a tag of the account's
               generation under which it was found wrong; the password that was right here
    origin     an address or an IPv6 /64: how many distinct guesses came from it, for whatever login
    network    the same for the /24 or /48 around it

Some distinct wrong passwords from an origin for one login slow its replies down; more lock the pair. Many
guesses from one origin, or one network, lock that. There is no lock of a login: its owner at another address
never notices.

A password that was wrong for a pair lately, and of an account that is still as it was then, is wrong: to check it
again would cost a hash each time, and counts as nothing, so one old password could keep all lanes busy. Any change
of the account is another generation, and the password is checked anew.

Who is at an address where a login already succeeded is not shut out by others there: the wider locks do not
touch that pair, and the pair's own lock still lets the very password in that was right there before. So that
this is no way to guess without end, a locked pair that has seen `tries_while_locked` other passwords is locked
for every password until its time is over.

Locks double in length with each further one within a day. Times are monotonic and shared by all processes of a
machine; a restart forgets them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from msgspec import Struct

from sams.core.clock import Clock
from sams.identity.origin import Network, covering, network_key, origin_key
from sams.identity.shared_table import SharedTable

MAX_TAGS = 16
"""How many wrong passwords a pair's entry has room for: one that is older counts as another."""
DEFAULT_SLOTS = 65_536

_DAY = 86_400.0
_COUNTED = 4
"""Octets of the tag by which a wrong password is counted."""
_WRONG_OCTETS = 2 * _COUNTED
_RECORD = struct.Struct(f"<dddIIIQ{MAX_TAGS * _WRONG_OCTETS}s")
_STALE = 1 / 30
"""Of the time for which a pair is known: how old the note of it may be before it is written anew."""
_NO_TAGS = bytes(MAX_TAGS * _WRONG_OCTETS)
_REMEMBERED = 4_096
"""Pairs whose tag is kept."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """When the guard acts. Times in seconds.

    allow: networks free of it.
    window: wrong passwords are counted for this long from the first.
    pair_free: distinct wrong passwords of a pair that cost nothing but the usual delay.
    slow_first: delay of the next one; doubles with each up to slow_longest.
    pair_failures: distinct wrong passwords that lock the pair.
    address_failures: distinct guesses that lock the origin. Behind one NAT sit thousands.
    network_failures: distinct guesses that lock the network.
    lock: the first lock; doubles with each further one within a day, up to lock_longest.
    known: for how long a pair whose password was right counts as known.
    tries_while_locked: other passwords after which not even the right one passes a pair's lock.
    """

    allow: tuple[Network, ...] = ()
    window: float = 900.0
    pair_free: int = 3
    slow_first: float = 1.0
    slow_longest: float = 8.0
    pair_failures: int = 10
    address_failures: int = 30
    network_failures: int = 300
    lock: float = 300.0
    lock_longest: float = _DAY
    known: float = 30 * _DAY
    tries_while_locked: int = 50


@dataclass(frozen=True, slots=True)
class Lock:
    """Who is locked out, and for how many seconds still."""

    seconds: float
    what: str


class SignInAttempt(Struct, frozen=True, gc=False):
    """One sign-in, as the guard counts it: bare mapped login, and the password as it was typed.

    The password is not shown by repr. One in another spelling (RFC 8265) counts as another.
    """

    address: str
    login: str
    password: str

    def __repr__(self) -> str:
        return f"SignInAttempt(address={self.address!r}, login={self.login!r})"


class Guard(Protocol):
    """What sign-ins ask of a guard; a fuller one fits behind the same questions."""

    def locked(self, attempt: SignInAttempt) -> Lock | None:
        """Whether this attempt must not be decided now."""
        ...

    def repeats(self, attempt: SignInAttempt, generation: int) -> bool:
        """Whether this password was found wrong here lately, of the account in this generation."""
        ...

    def knows(self, attempt: SignInAttempt) -> bool:
        """Whether this login was right at this address lately, by whatever password."""
        ...

    def failed(self, attempt: SignInAttempt, generation: int) -> float:
        """It was wrong, of the account in this generation.

        Returns:
            The delay of its reply, besides the usual one.
        """
        ...

    def succeeded(self, attempt: SignInAttempt) -> None:
        """It was right."""
        ...


class _Record(NamedTuple):
    """One entry. `good` is the tag of the password that was right here, noted at `good_at`; 0: none was."""

    started: float = 0.0
    locked_until: float = 0.0
    good_at: float = 0.0
    guesses: int = 0
    locks: int = 0
    tries: int = 0
    good: int = 0
    wrong: bytes = _NO_TAGS


_NOTHING = _Record()
_Change = Callable[[_Record], _Record]
PAYLOAD_OCTETS = _RECORD.size


class SharedGuard:
    """The guard whose books are one table for all workers.

    table: of PAYLOAD_OCTETS, made before the fork.
    """

    __slots__ = ("_clock", "_is_free", "_last", "_pair_tags", "_settings", "_table")

    def __init__(self, table: SharedTable, clock: Clock, settings: GuardSettings) -> None:
        self._table = table
        self._clock = clock
        self._settings = settings
        self._is_free = covering(settings.allow)
        self._pair_tags: dict[tuple[str, str], bytes] = {}
        self._last = (b"", _NOTHING)

    def locked(self, attempt: SignInAttempt) -> Lock | None:
        """Whether this attempt must not be decided now."""
        if self._is_free(attempt.address):
            return None
        now = self._clock.monotonic()
        pair_tag = self._pair_tag(attempt)
        pair = self._read(pair_tag)
        self._last = pair_tag, pair
        if pair.locked_until > now:
            return None if self._passes(pair_tag, attempt) else Lock(pair.locked_until - now, "pair")
        return None if self._is_known(pair, now) else self._wider_lock(attempt, now)

    def repeats(self, attempt: SignInAttempt, generation: int) -> bool:
        """Whether this password was found wrong here lately, of the account in this generation."""
        if self._is_free(attempt.address):
            return False
        pair = self._current(self._read(self._pair_tag(attempt)))
        return pair.guesses > 0 and self._wrong_tag(attempt, generation) in _tags(pair)

    def knows(self, attempt: SignInAttempt) -> bool:
        """Whether this login was right at this address lately, by whatever password."""
        return self._is_known(self._read(self._pair_tag(attempt)), self._clock.monotonic())

    def failed(self, attempt: SignInAttempt, generation: int) -> float:
        """It was wrong: count it where it was not tried before."""
        if self._is_free(attempt.address):
            return 0.0
        before, after = self._count_pair(attempt, self._wrong_tag(attempt, generation))
        if after.guesses == before.guesses:
            return 0.0
        for _, tag, limit in self._wider(attempt):
            self._update(tag, partial(self._count_one, limit=limit))
        return self._slowing(before.guesses + 1)

    def succeeded(self, attempt: SignInAttempt) -> None:
        """It was right. Guesses before it still count: the owner may share the address with a guesser."""
        if self._is_free(attempt.address):
            return
        now, pair_tag, good = self._clock.monotonic(), self._pair_tag(attempt), self._good_tag(attempt)
        last_tag, last = self._last  # `locked` was asked just before
        pair = last if last_tag == pair_tag else self._read(pair_tag)
        if pair.good != good or now - pair.good_at > self._settings.known * _STALE:
            self._update(pair_tag, lambda old: old._replace(good=good, good_at=now))

    def _wider_lock(self, attempt: SignInAttempt, now: float) -> Lock | None:
        for what, tag, _ in self._wider(attempt):
            until = self._read(tag).locked_until
            if until > now:
                return Lock(until - now, what)
        return None

    def _wider(self, attempt: SignInAttempt) -> tuple[tuple[str, bytes, int], ...]:
        """What is counted for all logins together: its name, its tag, and how many guesses lock it."""
        origin, table = origin_key(attempt.address), self._table
        return (
            ("address", table.tag(b"origin\0" + origin), self._settings.address_failures),
            ("network", table.tag(b"network\0" + network_key(origin)), self._settings.network_failures),
        )

    def _is_known(self, pair: _Record, now: float) -> bool:
        return pair.good != 0 and now - pair.good_at < self._settings.known

    def _passes(self, pair_tag: bytes, attempt: SignInAttempt) -> bool:
        """Whether a locked pair lets this password in; another one is counted."""
        pair = self._read(pair_tag)
        if (
            not self._is_known(pair, self._clock.monotonic())
            or pair.tries >= self._settings.tries_while_locked
        ):
            return False
        if pair.good == self._good_tag(attempt):
            return True
        self._update(pair_tag, lambda old: old._replace(tries=old.tries + 1))
        return False

    def _count_pair(self, attempt: SignInAttempt, wrong: bytes) -> tuple[_Record, _Record]:
        """The pair's record before and after this wrong password."""
        seen = [_NOTHING, _NOTHING]

        def count(old: _Record) -> _Record:
            seen[0] = current = self._current(old)
            seen[1] = _with_generation(current, wrong) or self._with_wrong(current, wrong)
            return seen[1]

        self._update(self._pair_tag(attempt), count)
        return seen[0], seen[1]

    def _with_wrong(self, record: _Record, wrong: bytes) -> _Record:
        counted = record._replace(guesses=record.guesses + 1, wrong=record.wrong[_WRONG_OCTETS:] + wrong)
        return self._locked_at(counted, self._settings.pair_failures)

    def _count_one(self, old: _Record, limit: int) -> _Record:
        current = self._current(old)
        return self._locked_at(current._replace(guesses=current.guesses + 1), limit)

    def _current(self, record: _Record) -> _Record:
        """The record, begun anew where its window is over."""
        now = self._clock.monotonic()
        if record.started and now < record.started + self._settings.window:
            return record
        locks = record.locks if now < record.locked_until + _DAY else 0
        return record._replace(started=now, locks=locks, guesses=0, wrong=_NO_TAGS)

    def _locked_at(self, record: _Record, limit: int) -> _Record:
        if record.guesses < limit:
            return record
        settings = self._settings
        seconds = min(settings.lock * 2.0 ** min(record.locks, 20), settings.lock_longest)
        until = self._clock.monotonic() + seconds
        return record._replace(locked_until=until, locks=record.locks + 1, guesses=0, tries=0, wrong=_NO_TAGS)

    def _slowing(self, count: int) -> float:
        over = count - self._settings.pair_free
        if over <= 0:
            return 0.0
        return min(self._settings.slow_first * 2.0 ** (over - 1), self._settings.slow_longest)

    def _read(self, tag: bytes) -> _Record:
        return _unpack(self._table.read(tag))

    def _update(self, tag: bytes, function: _Change) -> None:
        self._table.change(tag, self._clock.monotonic(), lambda payload: _pack(function(_unpack(payload))))

    def _pair_tag(self, attempt: SignInAttempt) -> bytes:
        pair = attempt.address, attempt.login
        tag = self._pair_tags.get(pair)
        if tag is None:
            about = b"pair\0%b\0%b" % (origin_key(attempt.address), attempt.login.encode())
            if len(self._pair_tags) >= _REMEMBERED:
                self._pair_tags.clear()
            tag = self._pair_tags[pair] = self._table.tag(about)
        return tag

    def _wrong_tag(self, attempt: SignInAttempt, generation: int) -> bytes:
        """A tag of the password, by which it is counted, and one of it and the generation."""
        of_generation = self._password_tag(b"wrong in %d" % generation, attempt)
        return self._password_tag(b"wrong", attempt)[:_COUNTED] + of_generation[:_COUNTED]

    def _good_tag(self, attempt: SignInAttempt) -> int:
        return int.from_bytes(self._password_tag(b"good", attempt)[:8], "little") | 1

    def _password_tag(self, kind: bytes, attempt: SignInAttempt) -> bytes:
        password = attempt.password.encode("utf-8", "surrogatepass")
        return self._table.tag(b"%b\0%b\0%b" % (kind, attempt.login.encode(), password))


def _tags(record: _Record) -> list[bytes]:
    """The last wrong passwords."""
    tags = record.wrong
    return [tags[at : at + _WRONG_OCTETS] for at in range(0, len(tags), _WRONG_OCTETS)]


def _with_generation(record: _Record, wrong: bytes) -> _Record | None:
    """The record where this password is among the last wrong ones: found wrong in this generation now."""
    tags = _tags(record)
    counted = [tag[:_COUNTED] for tag in tags]
    if wrong[:_COUNTED] not in counted:
        return None
    tags[counted.index(wrong[:_COUNTED])] = wrong
    return record._replace(wrong=b"".join(tags))


def _unpack(payload: bytes | None) -> _Record:
    return _NOTHING if payload is None else _Record._make(_RECORD.unpack(payload))


def _pack(record: _Record) -> bytes:
    return _RECORD.pack(*record)
