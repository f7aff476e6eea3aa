"""The guard against guessing: slows down, then locks out, who tries one wrong password after another.

Theory of operation. What counts is *distinct* wrong passwords: a mail program that repeats one old password all
day learns nothing by it and is no attack. A password that was right at this place before and is wrong now is the
previous one, and no guess at all. Four levels, in order of readiness (docs/decisions/0021-guard.md has the figures):

    pair       (address, login): some distinct wrong passwords slow its replies down; more lock it
    address    or an IPv6 /64: many guesses, for whatever logins; at least as many as logins were right there
               lately, as behind one NAT sit thousands
    network    the same for the /24 or /48 around it
    login      very many guesses from places where this login was never right. Nobody is locked out by that: but
               each place that is new to the login now has one wrong password only, and each network a few

Who stays below a limit all day meets the day's limit, some times as high.

Where a login was right before is a known place of it. There the wider locks do not touch it, its first wrong
passwords of a day count for the pair alone, and the pair's own lock still lets the very password in that was right
there. So that this is no way to guess without end, a locked pair that has seen `tries_while_locked` other
passwords is locked for every password until its time is over, and while a wider lock is in force a known pair has
`known_failures` wrong passwords instead of `pair_failures`.

A password that was wrong for a pair lately, and of an account that is still as it was then, is wrong: to check it
again would cost a hash each time, and counts as nothing, so one old password could keep all lanes busy. Any change
of the account is another generation, and the password is checked anew.

A SCRAM proof is another one each time, so that nobody can tell whether the password behind it was tried before
(`SignInAttempt.opaque`). Each counts for its pair; beyond that only the first, second, fourth, eighth … of a day.

Locks double in length with each further one within a day. Times are monotonic and shared by all processes of a
machine. `file.py` takes known places and locks over a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sams.core.clock import Clock
from sams.identity.guard import records
from sams.identity.guard.interface import GuardSettings, Lock, LockBegun, SignInAttempt
from sams.identity.guard.memory import GuardMemory, LockNote
from sams.identity.guard.records import Count, Kind, Level, Place, PlaceFields, Rule
from sams.identity.guard.tags import GuardTags
from sams.identity.origin import covering, network_key, origin_key, shown_place

_STALE = 1 / 30
"""Of the time for which a place is known: how old the note of it may be before it is written anew."""
_UNREMEMBERED_TRIES = 4
"""Questions about a locked pair that is known, while it is not known by which password, as after a restart."""


class _Subject(NamedTuple):
    """What is counted: its tag, and its names for people."""

    kind: Kind
    tag: bytes
    login: str = ""
    place: str = ""


class _Pressure(NamedTuple):
    """What stands around a pair at the time of a wrong password.

    is_known: the login was right at this address. is_near: it was at this address or in this network.
    is_sprayed: the login's level is in force. rule: by which the pair is locked.
    """

    is_known: bool
    is_near: bool
    is_sprayed: bool
    rule: Rule


def _ignored(_: LockBegun) -> None:
    """For who does not want to hear of locks."""


class SharedGuard:
    """The guard whose books are shared by all workers.

    memory: made before the fork.
    on_lock: told of each lock when it begins, by the worker that saw the last guess.
    """

    __slots__ = (
        "_clock",
        "_good_tag",
        "_is_free",
        "_last",
        "_memory",
        "_on_lock",
        "_pair_tag",
        "_read_count",
        "_read_place",
        "_settings",
        "_tags",
    )

    def __init__(
        self,
        memory: GuardMemory,
        clock: Clock,
        settings: GuardSettings,
        on_lock: Callable[[LockBegun], None] = _ignored,
    ) -> None:
        self._memory = memory
        self._clock = clock
        self._settings = settings
        self._on_lock = on_lock
        self._is_free = covering(settings.allow)
        self._read_count = memory.counts.read
        self._read_place = memory.places.read
        self._tags = tags = GuardTags(memory)
        self._pair_tag, self._good_tag = tags.pair, tags.good
        self._last: tuple[SignInAttempt | None, PlaceFields] = (None, records.NO_PLACE)

    # --- asked

    def locked(self, attempt: SignInAttempt) -> Lock | None:
        """Whether this attempt must not be decided now."""
        if self._is_free(attempt.address):
            return None
        now = self._clock.monotonic()
        pair_tag = self._pair_tag(attempt)
        found = self._read_place(pair_tag)
        place = records.NO_PLACE if found is None else records.place_fields(found)
        self._last = attempt, place
        payload = self._read_count(pair_tag)
        if payload is not None:
            pair = records.read_count(payload)
            if pair.locked_until > now:
                return None if self._passes(attempt, pair) else _lock(pair, now)
        return None if now - place[0] < self._settings.known else self._wider_lock(attempt, now)

    def repeats(self, attempt: SignInAttempt, generation: int) -> bool:
        """Whether this password was found wrong here lately, of the account in this generation."""
        if self._is_free(attempt.address) or attempt.opaque:
            return False
        payload = self._read_count(self._pair_tag(attempt))
        if payload is None:
            return False
        pair = records.current(records.read_count(payload), self._clock.monotonic(), self._settings.window)
        return records.knows_wrong(pair, self._tags.wrong(attempt, generation))

    def knows(self, attempt: SignInAttempt) -> bool:
        """Whether this login was right at this address lately, by whatever password."""
        return self._is_known(self._place(self._pair_tag(attempt)), self._clock.monotonic())

    def was_right(self, attempt: SignInAttempt) -> bool:
        """Whether this password was right for this login before."""
        return self._good_tag(attempt) in self._place(
            self._tags.login(attempt.login)
        ).goods or self._was_right_here(attempt)

    # --- told

    def failed(self, attempt: SignInAttempt, generation: int) -> float:
        """It was wrong: count it where it was not tried before."""
        if self._is_free(attempt.address):
            return 0.0
        now = self._clock.monotonic()
        pressure = self._pressure(attempt, now)
        before, after = self._count_pair(attempt, generation, pressure, now)
        if after.day_guesses == before.day_guesses:
            return 0.0
        if self._counts_beyond(attempt, after, pressure):
            self._count_wider(attempt, pressure, now)
        return self._settings.slow_longest if pressure.is_sprayed else self._slowing(before.guesses + 1)

    def succeeded(self, attempt: SignInAttempt) -> None:
        """It was right. Guesses before it still count: the owner may share the address with a guesser."""
        last, place = self._last  # `locked` was asked just before, and it is not free of the guard
        if last is not attempt:
            if self._is_free(attempt.address):
                return
            place = self._place(self._pair_tag(attempt))
        now, good = self._clock.monotonic(), self._good_tag(attempt)
        if good not in place or now - place[0] > self._settings.known * _STALE:
            self._note_right(attempt, good, now)

    # --- locks

    def _passes(self, attempt: SignInAttempt, pair: Count) -> bool:
        """Whether a locked pair lets this password in; another one is counted."""
        now, pair_tag = self._clock.monotonic(), self._pair_tag(attempt)
        place = self._place(pair_tag)
        if not self._is_known(place, now) or pair.tries >= self._settings.tries_while_locked:
            return False
        if self._good_tag(attempt) in place.goods:
            return True
        self._change(pair_tag, now, lambda old: old._replace(tries=old.tries + 1))
        return not any(place.goods) and pair.tries < _UNREMEMBERED_TRIES

    def _wider_lock(self, attempt: SignInAttempt, now: float) -> Lock | None:
        for tag in (*self._tags.wider(attempt), self._tags.login_at_network(attempt)):
            payload = self._read_count(tag)
            if payload is not None:
                count = records.read_count(payload)
                if count.locked_until > now:
                    return _lock(count, now)
        return None

    def _is_locked(self, tag: bytes, now: float) -> bool:
        return records.read_count(self._read_count(tag)).locked_until > now

    def _is_known(self, place: Place, now: float) -> bool:
        return now - place.good_at < self._settings.known

    # --- counting

    def _pressure(self, attempt: SignInAttempt, now: float) -> _Pressure:
        settings = self._settings
        is_known = self._is_known(self._place(self._pair_tag(attempt)), now)
        is_near = is_known or self._is_known(self._place(self._tags.login_at_network(attempt)), now)
        is_sprayed = not is_near and self._is_locked(self._tags.login(attempt.login), now)
        if is_sprayed:
            rule = self._rule(1, Level.LOGIN)
        elif is_known and any(self._is_locked(tag, now) for tag in self._tags.wider(attempt)):
            rule = self._rule(max(1, settings.known_failures), Level.PAIR)
        else:
            rule = self._rule(settings.pair_failures, Level.PAIR)
        return _Pressure(is_known, is_near, is_sprayed, rule)

    def _count_pair(
        self, attempt: SignInAttempt, generation: int, pressure: _Pressure, now: float
    ) -> tuple[Count, Count]:
        """The pair's count before and after this wrong password."""
        subject = self._pair(attempt)
        if attempt.opaque:
            return self._count(subject, pressure.rule, now)
        if self._was_right_here(attempt):
            return self._count(subject, pressure.rule, now, self._tags.wrong(attempt, generation), by=0)
        return self._count(subject, pressure.rule, now, self._tags.wrong(attempt, generation))

    def _counts_beyond(self, attempt: SignInAttempt, pair: Count, pressure: _Pressure) -> bool:
        """Whether the pair's newest guess counts for its address, network and login as well."""
        if pressure.is_known and pair.day_guesses <= self._settings.known_failures:
            return False
        return not attempt.opaque or pair.day_guesses.bit_count() == 1

    def _count_wider(self, attempt: SignInAttempt, pressure: _Pressure, now: float) -> None:
        settings = self._settings
        for subject, failures in zip(
            self._wider(attempt), (settings.address_failures, settings.network_failures), strict=True
        ):
            logins = records.logins_of(records.read_crowd(self._memory.crowds.read(subject.tag)), now)
            self._count(subject, self._rule(max(failures, logins), Level(subject.kind)), now)
        if not pressure.is_near:
            self._count_login(attempt, pressure, now)

    def _count_login(self, attempt: SignInAttempt, pressure: _Pressure, now: float) -> None:
        """Count it for the login wherever it is: a password that was right somewhere is not guessed."""
        settings = self._settings
        tag = self._tags.login(attempt.login)
        if self._good_tag(attempt) in self._place(tag).goods:
            return
        window = settings.login_window
        rule = Rule(settings.login_failures, 0, window, window, window, Level.LOGIN)
        wrong = b"" if attempt.opaque else self._tags.wrong(attempt, 0)
        self._count(_Subject(Kind.LOGIN, tag, attempt.login), rule, now, wrong)
        if pressure.is_sprayed:
            network = shown_place(network_key(origin_key(attempt.address)))
            at_network = self._tags.login_at_network(attempt)
            subject = _Subject(Kind.LOGIN_AT_NETWORK, at_network, attempt.login, network)
            self._count(subject, self._rule(settings.login_network_failures, Level.LOGIN), now)

    def _rule(self, limit: int, level: Level) -> Rule:
        settings = self._settings
        day_limit = limit * settings.day_factor
        return Rule(limit, day_limit, settings.window, settings.lock, settings.lock_longest, level)

    def _count(
        self, subject: _Subject, rule: Rule, now: float, wrong: bytes = b"", by: int = 1
    ) -> tuple[Count, Count]:
        """Count a guess, unless this wrong password was counted; before and after. A lock that begins is told of.

        wrong: the tag of a password; empty: nothing tells it from another. by: 0 for what is not to be counted.
        """
        seen = [records.NO_COUNT, records.NO_COUNT]

        def count(old: Count) -> Count:
            seen[0] = before = records.current(old, now, rule.window)._replace(kind=subject.kind)
            seen[1] = _with_guess(before, now, rule, wrong, by)
            return seen[1]

        self._change(subject.tag, now, count)
        before, after = seen
        if after.locks > before.locks:
            self._tell(subject, before, after, now)
        return before, after

    def _tell(self, subject: _Subject, before: Count, after: Count, now: float) -> None:
        level, until, guesses = Level(after.level), after.locked_until, before.guesses + 1
        note = LockNote(level, now, until, guesses, subject.login, subject.place)
        self._memory.note_lock(subject.tag, note, now)
        self._memory.note_change()
        self._on_lock(LockBegun(level.word, subject.login, subject.place, until - now, guesses))

    def _slowing(self, count: int) -> float:
        over = count - self._settings.pair_free
        if over <= 0:
            return 0.0
        return min(self._settings.slow_first * 2.0 ** (over - 1), self._settings.slow_longest)

    def _change(self, tag: bytes, now: float, function: Callable[[Count], Count]) -> None:
        self._memory.counts.change(
            tag, now, lambda payload: records.write_count(function(records.read_count(payload)))
        )

    # --- places

    def _note_right(self, attempt: SignInAttempt, good: int, now: float) -> None:
        """Note where this login was right, and that one more was right at this address and in this network."""
        places, crowds = self._memory.places, self._memory.crowds
        for tag, which in (
            (self._pair_tag(attempt), good),
            (self._tags.login(attempt.login), good),
            (self._tags.login_at_network(attempt), 0),
        ):
            places.change(tag, now, partial(_with_good, now, which))
        for tag in self._tags.wider(attempt):
            crowds.change(tag, now, partial(_with_login, now, self._tags.login(attempt.login)))
        self._memory.note_change()

    def _was_right_here(self, attempt: SignInAttempt) -> bool:
        return self._good_tag(attempt) in self._place(self._pair_tag(attempt)).goods

    def _place(self, tag: bytes) -> Place:
        return records.read_place(self._read_place(tag))

    # --- names and tags

    def _pair(self, attempt: SignInAttempt) -> _Subject:
        place = shown_place(origin_key(attempt.address))
        return _Subject(Kind.PAIR, self._pair_tag(attempt), attempt.login, place)

    def _wider(self, attempt: SignInAttempt) -> tuple[_Subject, _Subject]:
        """What is counted for all logins together."""
        origin = origin_key(attempt.address)
        address, network = self._tags.wider(attempt)
        return (
            _Subject(Kind.ADDRESS, address, place=shown_place(origin)),
            _Subject(Kind.NETWORK, network, place=shown_place(network_key(origin))),
        )


def _lock(count: Count, now: float) -> Lock:
    return Lock(count.locked_until - now, Level(count.level).word)


def _with_guess(count: Count, now: float, rule: Rule, wrong: bytes, by: int) -> Count:
    """The count with one more guess; one that was counted before is found wrong in its generation now."""
    if not wrong:
        return records.counted(count, now, rule)
    known = records.with_generation(count, wrong)
    if known is not None:
        return known
    count = records.with_wrong(count, wrong)
    return records.counted(count, now, rule) if by else count


def _with_good(now: float, good: int, payload: bytes | None) -> bytes:
    return records.write_place(records.with_good(records.read_place(payload), now, good))


def _with_login(now: float, tag: bytes, payload: bytes | None) -> bytes:
    return records.write_crowd(records.with_login(records.read_crowd(payload), now, tag))
