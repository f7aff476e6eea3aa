"""How many recipients an account may send to in an hour and in a day, over all workers.

Theory of operation. Each account has a ring of 24 counters, one for each clock hour, in a table that all
workers share. The hour's use is the counter of this clock hour, the day's the sum of all 24. A message is
charged whole and at once, after everything else about it was found good and before it is stored: either all
its recipients fit or it costs nothing, and since charging is one locked change of the table, sessions in
parallel cannot overrun a limit. So that a member hears early, `foresee` asks at each RCPT whether there is
room still, and changes nothing. What was charged for a message that then could not be stored is given back
by `refund`.

Nearly every message is far from every limit and notice, and its account was charged in this hour before. Then
only the three numbers at the front of the entry matter: the clock hour, and the use of hour and day. The place of
the entry is remembered, so that `foresee` reads them where they stand, and `charge` puts new ones in the place of
those that it read, if nobody else did meanwhile. All else goes the long way, which searches the entry and reads
all of it.

The spool keeps the same counts in the commits that accept messages; a service that starts loads them from
there, each shard once.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec import Struct

from sams.core.clock import Clock
from sams.core.ids import MAX_SHARD
from sams.core.reply import Reply, reply
from sams.identity.interface import Identity
from sams.identity.shared_table import TAG_OCTETS, Columns, SharedTable

HOURS = 24
DEFAULT_SLOTS = 65_536
"""Accounts that can be counted at once; beyond that, who sent longest ago is forgotten."""

_SECONDS = 3_600
_RECORD = struct.Struct(f"<7I{HOURS}I")
"""hour, used in it, used in the day, 4 x told, 24 counts; the count of `hour` itself is the second number."""
_FRONT = struct.Struct(f"<{TAG_OCTETS}sd3I")
"""A slot as far as the short way needs it: tag, when touched, hour, used in it, used in the day."""
_FRONT_OCTETS = _FRONT.size
_PLACES = 10_000
"""So many accounts' places are remembered."""
_NO_USE = (0,) * HOURS


class QuotaSettings(Struct, frozen=True):
    """Recipients of an account that has no limits of its own. notice_at: percent at which a notice is due."""

    per_hour: int = 1_000
    per_day: int = 5_000
    notice_at: int = 80


class QuotaVerdict(Struct, frozen=True, gc=False):
    """The answer to a charge.

    reply: the refusal, None: charged.
    warn: member and alarm should be told; once for each crossing of the notice's share and of the limit.
    text: what to tell them; empty without `warn`.
    """

    reply: Reply | None = None
    warn: bool = False
    text: str = ""


_CHARGED = QuotaVerdict()


class QuotaBooks:
    """The memory. Made before the fork. key: secret, 16 to 64 octets."""

    __slots__ = ("loaded", "table")

    def __init__(self, key: bytes, slots: int = DEFAULT_SLOTS) -> None:
        self.table = SharedTable(slots, _RECORD.size, key)
        self.loaded = Columns(MAX_SHARD + 1)


class _Window(NamedTuple):
    """One of the two windows. told: where in `_Use.told` its notice stands; the limit's stands behind it."""

    name: str
    per: str
    hours: int
    told: int


_WINDOWS = (_Window("hour", "an hour", 1, 0), _Window("day", "a day", HOURS, 2))


class _Use(NamedTuple):
    """What an account has used.

    hour: the clock hour of the last change. told: clock hours in which each notice was given, 0: never.
    counts: of each of the last 24 clock hours, the place is the hour modulo 24.
    """

    hour: int
    told: tuple[int, ...] = (0, 0, 0, 0)
    counts: tuple[int, ...] = _NO_USE

    def at(self, hour: int) -> _Use:
        """The use as it stands at a later hour. What lies in the future (the clock was put back) is dropped."""
        if hour == self.hour:
            return self
        if not self.hour < hour < self.hour + HOURS:
            return _Use(hour)
        passed = {past % HOURS for past in range(self.hour + 1, hour + 1)}
        kept = tuple(0 if place in passed else count for place, count in enumerate(self.counts))
        return _Use(hour, self.told, kept)

    def last(self, hours: int) -> int:
        """Recipients of the last so many clock hours, this one included."""
        return sum(self.counts) if hours == HOURS else self.counts[self.hour % HOURS]

    def plus(self, recipients: int, hour: int) -> _Use:
        """With so many more (or fewer) in one hour."""
        place, counts = hour % HOURS, list(self.counts)
        counts[place] = max(0, counts[place] + recipients)
        return _Use(self.hour, self.told, tuple(counts))

    def with_told(self, place: int) -> _Use:
        told = list(self.told)
        told[place] = self.hour
        return self._replace(told=tuple(told))


class Quota:
    """Counts and limits. Made in each worker, on books that all share."""

    __slots__ = ("_books", "_clock", "_memory", "_places", "_settings", "_share", "_swap")

    def __init__(self, books: QuotaBooks, clock: Clock, settings: QuotaSettings) -> None:
        self._books = books
        self._clock = clock
        self._settings = settings
        self._share = min(settings.notice_at, 100)
        self._memory, self._swap = books.table.memory, books.table.swap
        self._places: dict[str, tuple[bytes, int]] = {}

    def foresee(self, identity: Identity, recipients: int) -> Reply | None:
        """At RCPT: whether a message to so many recipients in all would be refused now. Charges nothing."""
        place = self._places.get(identity.login)
        if place is not None:
            tag, _, hour, in_hour, in_day = _FRONT.unpack_from(self._memory, place[1])
            per_hour, per_day = self._limits(identity)
            is_this = tag == place[0] and hour == int(self._clock.now()) // _SECONDS
            if is_this and in_hour + recipients <= per_hour and in_day + recipients <= per_day:
                return None
        tag = self._tag(identity.login)
        use = _unpack(self._books.table.read(tag), self._hour())
        return self._refusal(identity, use, recipients)

    def refused(self, identity: Identity, recipients: int) -> QuotaVerdict:
        """After `foresee` refused: the same refusal, with the notice that it is the first time to give."""
        verdict = QuotaVerdict()

        def change(use: _Use) -> _Use:
            nonlocal verdict
            use, verdict = self._refused(identity, use, recipients) or (use, verdict)
            return use

        self._change(identity.login, change)
        return verdict

    def charge(self, identity: Identity, recipients: int) -> QuotaVerdict:
        """Charge a whole message or refuse it: 450 4.7.1 with the limit, the use and the time it ends."""
        place = self._places.get(identity.login)
        if place is None:
            return self._charge(identity, recipients)
        known, position = place
        before = self._memory[position : position + _FRONT_OCTETS]
        tag, _, hour, in_hour, in_day = _FRONT.unpack(before)
        per_hour, per_day = self._limits(identity)
        now, in_hour, in_day = self._clock.now(), in_hour + recipients, in_day + recipients
        is_short = (
            tag == known
            and hour == int(now) // _SECONDS
            and in_hour * 100 < per_hour * self._share
            and in_day * 100 < per_day * self._share
            and self._swap(position, before, _FRONT.pack(tag, now, hour, in_hour, in_day))
        )
        return _CHARGED if is_short else self._charge(identity, recipients)

    def _charge(self, identity: Identity, recipients: int) -> QuotaVerdict:
        verdict = QuotaVerdict()

        def change(use: _Use) -> _Use:
            nonlocal verdict
            use, verdict = self._refused(identity, use, recipients) or self._charged(
                identity, use, recipients
            )
            return use

        self._change(identity.login, change)
        return verdict

    def refund(self, identity: Identity, recipients: int) -> None:
        """Give back what was charged in this hour for a message that could not be stored."""
        self._add(identity.login, self._hour(), -recipients)

    def load(self, shard: int, rows: Iterable[tuple[str, int, int]]) -> bool:
        """Add what a shard knows: (login, clock hour, recipients). Each shard counts once; whether it did now.

        A worker that takes the place of a dead one finds the counts in memory still.
        """
        if self._books.loaded.numbers[shard]:
            return False
        self._books.loaded.numbers[shard] = 1
        newest = self._hour()
        for login, hour, recipients in rows:
            if newest - HOURS < hour <= newest:
                self._add(login, hour, recipients)
        return True

    def used(self, login: str) -> tuple[int, int]:
        """Recipients of this clock hour, and of the last 24."""
        use = _unpack(self._books.table.read(self._tag(login)), self._hour())
        return use.last(1), use.last(HOURS)

    def _add(self, login: str, hour: int, recipients: int) -> None:
        self._change(login, lambda use: use.plus(recipients, hour))

    def _change(self, login: str, function: Callable[[_Use], _Use]) -> None:
        now, hour, tag, table = self._clock.now(), self._hour(), self._tag(login), self._books.table
        table.change(tag, now, lambda payload: _pack(function(_unpack(payload, hour))))
        position = table.locate(tag)
        if position is not None:
            if len(self._places) >= _PLACES:
                self._places.clear()
            self._places[login] = (tag, position)

    def _refused(self, identity: Identity, use: _Use, recipients: int) -> tuple[_Use, QuotaVerdict] | None:
        """The refusal of a charge, with its notice; None: there is room."""
        for window in _WINDOWS:
            refusal = self._refusal_of(identity, use, recipients, window)
            if refusal is not None:
                use, text = self._notice(identity, use, window, is_refused=True)
                return use, QuotaVerdict(refusal, warn=bool(text), text=text)
        return None

    def _charged(self, identity: Identity, use: _Use, recipients: int) -> tuple[_Use, QuotaVerdict]:
        """The use after a charge for which there is room, and the notices of it."""
        use, texts = use.plus(recipients, use.hour), []
        for window in _WINDOWS:
            if use.last(window.hours) * 100 >= self._limit(identity, window) * self._settings.notice_at:
                use, text = self._notice(identity, use, window, is_refused=False)
                texts += [text] if text else []
        return use, QuotaVerdict(warn=bool(texts), text="; ".join(texts))

    def _notice(
        self, identity: Identity, use: _Use, window: _Window, *, is_refused: bool
    ) -> tuple[_Use, str]:
        """What to tell about a window, noted as told; empty where the same was told within the window."""
        place = window.told + is_refused
        if use.told[place] > use.hour - window.hours:
            return use, ""
        limit, used = self._limit(identity, window), use.last(window.hours)
        state = "is refused mail at the limit" if is_refused else "comes near the limit"
        text = f"{identity.login} {state}: {used} of {limit} recipients in the last {window.name}"
        return use.with_told(place), text

    def _refusal(self, identity: Identity, use: _Use, recipients: int) -> Reply | None:
        for window in _WINDOWS:
            refusal = self._refusal_of(identity, use, recipients, window)
            if refusal is not None:
                return refusal
        return None

    def _refusal_of(self, identity: Identity, use: _Use, recipients: int, window: _Window) -> Reply | None:
        limit, used = self._limit(identity, window), use.last(window.hours)
        if used + recipients <= limit:
            return None
        room = f"You may send to {limit} recipients {window.per} and have sent to {used}"
        if recipients > limit:
            return reply(450, "4.7.1", f"{room}; this message alone has more: split it")
        ends = _ends(use, recipients, limit, window)
        return reply(450, "4.7.1", f"{room}; try again after {ends}")

    def _limit(self, identity: Identity, window: _Window) -> int:
        return self._limits(identity)[window.hours != 1]

    def _limits(self, identity: Identity) -> tuple[int, int]:
        """Of an hour and of a day."""
        per_hour, per_day = identity.recipients_per_hour, identity.recipients_per_day
        return (
            self._settings.per_hour if per_hour is None else per_hour,
            self._settings.per_day if per_day is None else per_day,
        )

    def _hour(self) -> int:
        return int(self._clock.now()) // _SECONDS

    def _tag(self, login: str) -> bytes:
        return self._books.table.tag(login.encode())


def _ends(use: _Use, recipients: int, limit: int, window: _Window) -> str:
    """When so many fit again if nothing more is sent: always a full hour."""
    hour = use.hour + 1
    while window.hours > 1 and use.at(hour).last(HOURS) + recipients > limit and hour < use.hour + HOURS:
        hour += 1
    return time.strftime("%a %H:%M UTC", time.gmtime(hour * _SECONDS))


def _unpack(payload: bytes | None, hour: int) -> _Use:
    if payload is None:
        return _Use(hour)
    known, in_hour, _, *told = _RECORD.unpack(payload)
    counts = told[4:]
    counts[known % HOURS] = in_hour
    return _Use(known, tuple(told[:4]), tuple(counts)).at(hour)


def _pack(use: _Use) -> bytes:
    return _RECORD.pack(use.hour, use.last(1), use.last(HOURS), *use.told, *use.counts)
