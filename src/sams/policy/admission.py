"""Who may connect: how many connections there may be, from one address, of one login, and in all.

Theory of operation. Behind one NAT sit thousands, so an address is held only to those connections that are
*not yet* signed in: how many at once, and how many new ones a minute that no sign-in followed. A connection
that signs in moves from its address's count to its login's.

A worker counts its own connections in dictionaries of its own, and writes what the others must know into a table
that it alone writes: there is no lock, and where there is one worker there is no table. A limit is on the sum of
one's own count and what stands in the tables of the others; those who come to two workers in the same microsecond
may both be let in. When a worker dies, the supervisor clears its table (`AdmissionBooks.forget`).
"""

from __future__ import annotations

import ipaddress
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from msgspec import Struct

from sams.core.clock import Clock
from sams.core.reply import Reply, reply
from sams.identity.origin import Network, covering, origin_key
from sams.identity.shared_table import Columns, OwnedTable
from sams.policy.shared_address import SharedAddresses

DEFAULT_SLOTS = 65_536

_MINUTE = 60
_FORGET = 4
"""Origins that a connection looks at, to let go of who is gone."""
_RECORD = struct.Struct("<III")
"""Minute, new ones in it, and those held now."""
_FULL = reply(421, "4.3.2", "Too many connections at the moment, try again later")
_TOO_MANY = reply(421, "4.7.0", "Too many connections from your address that are not signed in")
_EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
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


class _Count(Struct, gc=False):
    """What one worker counts of one address or login. fresh: new ones in this minute. tag: in its table."""

    tag: bytes
    minute: int = 0
    fresh: int = 0
    held: int = 0


class _WorkerBooks:
    """What one worker counts.

    origins: in the order of their minutes. table: where the others read it, None where there are none.
    """

    __slots__ = ("logins", "origins", "shared", "table")

    def __init__(self, table: OwnedTable | None) -> None:
        self.table = table
        self.origins: OrderedDict[bytes, _Count] = OrderedDict()
        self.logins: dict[str, _Count] = {}
        self.shared = SharedAddresses()


class AdmissionBooks:
    """The memory. Made before the fork.

    workers: how many there are, at least 1. key: secret, 16 to 64 octets.
    slots: addresses and logins of one worker that the others can know of.
    """

    __slots__ = ("connections", "slots", "workers")

    def __init__(self, workers: int, key: bytes, slots: int = DEFAULT_SLOTS) -> None:
        self.slots = slots
        self.connections = Columns(workers)
        self.workers = tuple(
            _WorkerBooks(OwnedTable(slots, _RECORD.size, key) if workers > 1 else None)
            for _ in range(workers)
        )

    def forget(self, worker: int) -> None:
        """A worker is dead: its connections are. For the supervisor, before another takes its number."""
        self.connections.numbers[worker] = 0
        table = self.workers[worker].table
        if table is not None:
            table.clear()


class Admission:
    """Counts one worker's connections. Each is told of once: `connected`, maybe `signed_in`, `disconnected`."""

    __slots__ = (
        "_books",
        "_clock",
        "_connections",
        "_is_free",
        "_limits",
        "_others",
        "_own",
        "_slots",
        "_table",
        "_worker",
    )

    def __init__(self, books: AdmissionBooks, worker: int, clock: Clock, limits: AdmissionLimits) -> None:
        self._books = books
        self._worker = worker
        self._clock = clock
        self._limits = limits
        self._is_free = covering(limits.allow)
        self._slots = books.slots
        self._connections = books.connections.numbers
        self._own = books.workers[worker]
        self._table = self._own.table
        others = [other.table for number, other in enumerate(books.workers) if number != worker]
        self._others = tuple(table for table in others if table is not None)

    @property
    def under_pressure(self) -> bool:
        """So many of this worker's connections are taken that who is not signed in should be brief."""
        return self._connections[self._worker] * 100 >= self._limits.connections * self._limits.pressure_at

    @property
    def shared_addresses(self) -> tuple[str, ...]:
        """Private addresses from which all members came lately, many from each; mostly none."""
        return tuple([address for address in self._own.shared.found if not self._is_free(address)])

    def connected(self, address: str, make_room: Callable[[], bool] = lambda: False) -> Reply | None:
        """A connection from an address; the refusal, or None: it counts until `disconnected`.

        make_room: asked where all connections are taken; whether another one is ended for this one. That one
            may still be counted for a moment.
        """
        count = None if self._is_free(address) else self._of_origin(origin_key(address))
        if count is not None:
            refusal = self._address_refusal(count)
            if refusal is not None:
                return refusal
        open_now = self._connections[self._worker]
        if open_now >= self._limits.connections and not make_room():
            return _FULL
        self._connections[self._worker] = open_now + 1
        if count is not None:
            count.held += 1
            count.fresh += 1
            if self._table is not None:
                self._publish(self._table, count)
        return None

    def hold(self, make_room: Callable[[], bool]) -> Reply | None:
        """A connection of which it is not known yet whose it is; the refusal, or None: it counts until `release`.

        make_room: as in `connected`.
        """
        open_now = self._connections[self._worker]
        if open_now >= self._limits.connections and not make_room():
            return _FULL
        self._connections[self._worker] = open_now + 1
        return None

    def release(self) -> None:
        """It ended, or it is known now whose it is, and is told of anew."""
        if self._connections[self._worker]:
            self._connections[self._worker] -= 1

    def without_caps(self) -> Admission:
        """The same for connections that count for no address and no login."""
        limits = replace(self._limits, allow=_EVERYWHERE)
        return Admission(self._books, self._worker, self._clock, limits)

    def signed_in(self, address: str, login: str) -> Reply | None:
        """It signed in; the refusal, or None: from now on it counts for the login, not for the address."""
        if self._is_free(address):
            return None
        count = self._of_login(login)
        refusal = self._login_refusal(count)
        if refusal is not None:
            if not count.held:
                del self._own.logins[login]
            return refusal
        count.held += 1
        if self._table is not None:
            self._publish(self._table, count)
        self._leave_origin(origin_key(address), fresh_step=1)
        self._own.shared.note(address, login)
        return None

    def disconnected(self, address: str, login: str | None) -> None:
        """It ended. login: as which it was signed in; None where it was not."""
        if self._connections[self._worker]:
            self._connections[self._worker] -= 1
        if self._is_free(address):
            return
        if login is None:
            self._leave_origin(origin_key(address), fresh_step=0)
        else:
            self._leave_login(login)

    # --- limits

    def _address_refusal(self, count: _Count) -> Reply | None:
        fresh, held = count.fresh, count.held
        for table in self._others:
            payload = table.read(count.tag)
            if payload is not None:
                minute, their_fresh, their_held = _RECORD.unpack(payload)
                held += their_held
                fresh += their_fresh if minute == count.minute else 0
        if held >= self._limits.per_address:
            return _TOO_MANY
        return _TOO_FAST if fresh >= self._limits.new_per_minute else None

    def _login_refusal(self, count: _Count) -> Reply | None:
        held, most = count.held, self._limits.per_login
        for table in self._others:
            payload = table.read(count.tag)
            held += _RECORD.unpack(payload)[2] if payload is not None else 0
        if held < most:
            return None
        return reply(421, "4.7.0", f"This account has {most} connections already, close some or try later")

    # --- counts

    def _of_origin(self, key: bytes) -> _Count:
        """What this worker counts of it, in this minute."""
        minute = int(self._clock.monotonic()) // _MINUTE & 0xFFFF_FFFF
        origins = self._own.origins
        if origins:
            self._forget_some(minute)
        count = origins.get(key)
        if count is None:
            count = origins[key] = _Count(self._tag(b"address\0", key), minute)
        elif count.minute != minute:
            self._renew(key, count, minute)
        return count

    def _of_login(self, login: str) -> _Count:
        count = self._own.logins.get(login)
        if count is None:
            count = self._own.logins[login] = _Count(self._tag(b"login\0", login.encode()))
        return count

    def _leave_origin(self, key: bytes, fresh_step: int) -> None:
        count = self._own.origins.get(key)
        if count is None:
            return
        if count.held:
            count.held -= 1
        if count.fresh:
            count.fresh -= fresh_step
        if not count.held and not count.fresh:
            del self._own.origins[key]
        if self._table is not None:
            self._publish(self._table, count)

    def _leave_login(self, login: str) -> None:
        count = self._own.logins.get(login)
        if count is None:
            return
        if count.held:
            count.held -= 1
        if not count.held:
            del self._own.logins[login]
        if self._table is not None:
            self._publish(self._table, count)

    def _forget_some(self, minute: int) -> None:
        """Let go of a few who came in an earlier minute and are gone, or of the oldest where too many came.

        A few at each connection, and more than it adds: what a flood leaves is never forgotten all at once.
        """
        origins = self._own.origins
        for key, count in list(islice(origins.items(), _FORGET)):
            if count.minute == minute and len(origins) < self._slots:
                return
            if count.held:
                self._renew(key, count, minute)
            else:
                del origins[key]
                count.fresh = 0
                if self._table is not None:
                    self._publish(self._table, count)

    def _renew(self, key: bytes, count: _Count, minute: int) -> None:
        """It is in this minute, too: what it counts by the minute begins anew."""
        if count.minute != minute:
            count.minute, count.fresh = minute, 0
        self._own.origins.move_to_end(key)

    def _tag(self, kind: bytes, name: bytes) -> bytes:
        return b"" if self._table is None else self._table.tag(kind + name)

    def _publish(self, table: OwnedTable, count: _Count) -> None:
        """Write what the others must know. An entry that their full table forgot is not missed."""
        is_there = count.held or count.fresh
        payload = _RECORD.pack(count.minute, count.fresh, count.held) if is_there else None
        table.put(count.tag, self._clock.monotonic(), payload)
