"""Who may connect: how many connections there may be, from one address, of one login, and in all.

Theory of operation. Behind one NAT sit thousands, so an address is held only to those connections that are
*not yet* signed in: how many at once, and how many new ones a minute that no sign-in followed. A connection
that signs in moves from its address's count to its login's. Each entry of the shared table has one counter
for each worker, so that what a dead worker held can be taken out (`AdmissionBooks.forget`); a limit is on
their sum.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from sams.core.clock import Clock
from sams.core.reply import Reply, reply
from sams.identity.origin import Network, Networks, origin_key
from sams.identity.shared_table import Change, Columns, SharedTable

DEFAULT_SLOTS = 65_536

_MINUTE = 60
_RefusalOf = Callable[[int, int], Reply | None]
"""From the new ones of this minute and those held to the refusal, or None."""
_FULL = reply(421, "4.3.2", "Too many connections at the moment, try again later")
_TOO_MANY = reply(421, "4.7.0", "Too many connections from your address that are not signed in")
_TOO_FAST = reply(421, "4.7.0", "Too many new connections from your address, try again in a minute")


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """How many connections there may be.

    connections: of one worker.
    per_address: at once from one origin, not yet signed in.
    new_per_minute: from one origin, that no sign-in followed.
    per_login: at once, signed in.
    pressure_at: percent of `connections` from which on there is pressure.
    allow: networks for which only `connections` holds.
    """

    connections: int = 2_000
    per_address: int = 50
    new_per_minute: int = 300
    per_login: int = 50
    pressure_at: int = 80
    allow: tuple[Network, ...] = ()


class AdmissionBooks:
    """The memory. Made before the fork.

    workers: how many there are, at least 1. key: secret, 16 to 64 octets.
    """

    __slots__ = ("connections", "record", "table")

    def __init__(self, workers: int, key: bytes, slots: int = DEFAULT_SLOTS) -> None:
        self.record = struct.Struct(f"<{2 + workers}I")
        self.table = SharedTable(slots, self.record.size, key)
        self.connections = Columns(workers)

    def forget(self, worker: int, now: float) -> None:
        """A worker is dead: its connections are. For the supervisor, before another takes its number."""
        self.connections.set(worker, 0)

        def without(payload: bytes | None) -> bytes | None:
            minute, fresh, *counts = self.record.unpack(payload or bytes(self.record.size))
            counts[worker] = 0
            return self.record.pack(minute, fresh, *counts) if fresh or any(counts) else None

        self.table.change_each(now, without)


class Admission:
    """Counts one worker's connections. Each is told of once: `connected`, maybe `signed_in`, `disconnected`."""

    def __init__(self, books: AdmissionBooks, worker: int, clock: Clock, limits: AdmissionLimits) -> None:
        self._books = books
        self._worker = worker
        self._clock = clock
        self._limits = limits
        self._allow = Networks(limits.allow)

    @property
    def under_pressure(self) -> bool:
        """So many of this worker's connections are taken that who is not signed in should be brief."""
        open_now = self._books.connections.get(self._worker)
        return open_now * 100 >= self._limits.connections * self._limits.pressure_at

    def connected(self, address: str, make_room: Callable[[], bool] = lambda: False) -> Reply | None:
        """A connection from an address; the refusal, or None: it counts until `disconnected`.

        make_room: asked where all connections are taken; whether another one is ended for this one. That one
            may still be counted for a moment.
        """
        is_counted = address not in self._allow
        if is_counted:
            refusal = self._enter(_about_address(address), self._address_refusal, fresh_step=1)
            if refusal is not None:
                return refusal
        open_now = self._books.connections.get(self._worker)
        if open_now >= self._limits.connections and not make_room():
            if is_counted:
                self._leave(_about_address(address), fresh_step=1)
            return _FULL
        self._books.connections.set(self._worker, open_now + 1)
        return None

    def signed_in(self, address: str, login: str) -> Reply | None:
        """It signed in; the refusal, or None: from now on it counts for the login, not for the address."""
        if address in self._allow:
            return None
        refusal = self._enter(_about_login(login), self._login_refusal, fresh_step=0)
        if refusal is None:
            self._leave(_about_address(address), fresh_step=1)
        return refusal

    def disconnected(self, address: str, login: str | None) -> None:
        """It ended. login: as which it was signed in; None where it was not."""
        open_now = self._books.connections.get(self._worker)
        self._books.connections.set(self._worker, max(0, open_now - 1))
        if address not in self._allow:
            self._leave(_about_address(address) if login is None else _about_login(login), fresh_step=0)

    def _address_refusal(self, fresh: int, held: int) -> Reply | None:
        if held >= self._limits.per_address:
            return _TOO_MANY
        return _TOO_FAST if fresh >= self._limits.new_per_minute else None

    def _login_refusal(self, _fresh: int, held: int) -> Reply | None:
        most = self._limits.per_login
        if held < most:
            return None
        return reply(421, "4.7.0", f"This account has {most} connections already, close some or try later")

    def _enter(self, about: bytes, refusal_of: _RefusalOf, fresh_step: int) -> Reply | None:
        """Count one more for this worker, unless that is refused."""
        refusal: Reply | None = None

        def change(payload: bytes | None) -> bytes | None:
            nonlocal refusal
            fresh, counts = self._unpack(payload)
            refusal = refusal_of(fresh, sum(counts))
            if refusal is not None:
                return payload
            counts[self._worker] += 1
            return self._pack(fresh + fresh_step, counts)

        self._update(about, change)
        return refusal

    def _leave(self, about: bytes, fresh_step: int) -> None:
        """Count one less for this worker. An entry that the full table forgot is not missed."""

        def change(payload: bytes | None) -> bytes | None:
            fresh, counts = self._unpack(payload)
            counts[self._worker] = max(0, counts[self._worker] - 1)
            return self._pack(max(0, fresh - fresh_step), counts)

        self._update(about, change)

    def _update(self, about: bytes, change: Change) -> None:
        table = self._books.table
        table.change(table.tag(about), self._clock.monotonic(), change)

    def _unpack(self, payload: bytes | None) -> tuple[int, list[int]]:
        """How many are new in this minute, and how many each worker holds."""
        record = self._books.record
        minute, fresh, *counts = record.unpack(payload or bytes(record.size))
        return (fresh if minute == self._minute() else 0), counts

    def _pack(self, fresh: int, counts: list[int]) -> bytes | None:
        """None, which frees the entry, where nothing is left to count."""
        return self._books.record.pack(self._minute(), fresh, *counts) if fresh or any(counts) else None

    def _minute(self) -> int:
        return int(self._clock.monotonic()) // _MINUTE & 0xFFFF_FFFF


def _about_address(address: str) -> bytes:
    return b"address\0" + origin_key(address)


def _about_login(login: str) -> bytes:
    return b"login\0" + login.encode()
