"""What a command can ask for, whoever carries it out: the running service, or the command while it is down.

Every method raises OperatorError where the person can put something right, `NotPermitted` where their rights
do not suffice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sams.control.messages import (
    AccountEntry,
    AccountTested,
    AccountTransfer,
    AppPasswordAdd,
    AppPasswordAdded,
    AppPasswordEntry,
    DamagedEntry,
    DeviceEntry,
    GuardEntry,
    ImportOutcome,
    QueueEntry,
    QueueSearch,
    RouteDown,
    RouteEntry,
    ServiceHealth,
    SourceDown,
    WorkerHealth,
)
from sams.core.clock import local_time
from sams.core.errors import OperatorError


class NotRunning(OperatorError):
    """Nobody listens: the service does not run here."""


class NotPermitted(OperatorError):
    """The user who asks may not do this."""


class QueueOperations(Protocol):
    """What waits, over all shards of this server."""

    def list(self, search: QueueSearch, after: str | None, limit: int) -> Sequence[QueueEntry]:
        """At most `limit` messages by rising id behind `after`; fewer mean that there are no more."""
        ...

    def show(self, message_id: str) -> QueueEntry | None:
        """One message with all of its recipients."""
        ...

    def hold(self, search: QueueSearch) -> int:
        """Stop delivery of what matches; the number of messages."""
        ...

    def release(self, search: QueueSearch) -> int:
        """Let it go on, due at once; the number of messages."""
        ...

    def retry(self, search: QueueSearch) -> int:
        """Make it due now; the number of messages."""
        ...

    def delete(self, search: QueueSearch) -> int:
        """Remove it for good, without a report; the number of messages."""
        ...

    def depth(self) -> Sequence[RouteEntry]:
        """How much waits, by route."""
        ...


class DamagedOperations(Protocol):
    """What was set aside because it could not be read, over all shards of this server."""

    def damaged(self, after: str | None, limit: int) -> Sequence[DamagedEntry]:
        """At most `limit` of it by rising id behind `after`; fewer mean that there is no more."""
        ...

    def put_back(self, message_id: str) -> int:
        """Let one wait in the queue again; 0 where none has this id. Refused while it still cannot be read."""
        ...

    def discard(self, message_id: str) -> int:
        """Remove one for good, without a report; 0 where none has this id."""
        ...


class AccountOperations(Protocol):
    """The built-in accounts. Logins are prepared (RFC 8265) by who carries it out."""

    def list(self, after: str | None, limit: int, *, devices: bool = False) -> Sequence[AccountEntry]:
        """At most `limit` accounts by rising login behind `after`; fewer mean that there are no more."""
        ...

    def set_device(self, login: str, device: DeviceEntry) -> None:
        """Replace what a device has besides."""
        ...

    def show(self, login: str) -> AccountEntry | None:
        """One account."""
        ...

    def add(self, account: AccountEntry, password: str) -> None:
        """Make an account with this login, these addresses and limits; it is active at once."""
        ...

    def take_over(
        self, accounts: Sequence[AccountTransfer], *, update: bool, dry_run: bool
    ) -> Sequence[ImportOutcome]:
        """Take at most `MAX_TRANSFERS` accounts of another system over; what became of each, in their order."""
        ...

    def set_password(self, login: str, password: str) -> None:
        """Set another password, in force at once."""
        ...

    def set_addresses(self, login: str, addresses: Sequence[str], may_send_as: Sequence[str]) -> None:
        """Replace what it may send from."""
        ...

    def set_limits(self, login: str, per_hour: int | None, per_day: int | None) -> None:
        """Replace its own limits of recipients; None: the service's."""
        ...

    def suspend(self, login: str, reason: str) -> None:
        """Suspend it, in force at once; the reason is told to the member."""
        ...

    def resume(self, login: str) -> None:
        """Let it work again."""
        ...

    def remove(self, login: str) -> None:
        """Remove it; what it has in the queue stays."""
        ...


class AppPasswordOperations(Protocol):
    """App passwords of the members of all sources."""

    def list(self, login: str | None, after: tuple[str, str], limit: int) -> Sequence[AppPasswordEntry]:
        """At most `limit` by rising login and id behind `after`; fewer mean that there are no more."""
        ...

    def add(self, wanted: AppPasswordAdd) -> AppPasswordAdded:
        """Make one; its password is told here alone."""
        ...

    def revoke(self, login: str | None, name: str | None, source: str) -> int:
        """End one or all of a login, or with None as login all of a source, at once. How many there were."""
        ...


class GuardOperations(Protocol):
    """The locks against guessing."""

    def list(self) -> Sequence[GuardEntry]:
        """All locks in force, by rising id."""
        ...

    def release(self, target: str | None) -> int:
        """End the locks of a login, an address, or a network and all in it; None: all. How many there were."""
        ...


class SourceOperations(Protocol):
    """The sources of accounts."""

    def test(self, login: str, password: str | None) -> AccountTested:
        """What each says of a login, in their order. password: None: only who the login is."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """The whole service: its status board, each worker's own view, and who does not answer."""

    service: ServiceHealth
    workers: tuple[WorkerHealth, ...]
    silent: tuple[int, ...] = ()

    @property
    def routes_down(self) -> dict[str, RouteDown]:
        """By name, over all workers."""
        return merged_down(worker.routes_down for worker in self.workers)

    @property
    def sources_down(self) -> dict[str, SourceDown]:
        """By name: since the first worker found it, with what the last one heard."""
        found: dict[str, SourceDown] = {}
        for worker in self.workers:
            for name, down in worker.sources_down.items():
                since = min(down.since, found[name].since) if name in found else down.since
                found[name] = SourceDown(since, down.why)
        return dict(sorted(found.items()))

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each thing that is wrong."""
        found = list(self.service.problems)
        if not self.service.ready:
            found.append("the service is not ready: not every listener accepts yet")
        found += [f"worker {number} does not answer" for number in self.silent]
        for worker in self.workers:
            found += [f"worker {worker.number}: {problem}" for problem in worker.problems]
            if not worker.ready:
                found.append(f"worker {worker.number} is not ready")
        for route, down in self.routes_down.items():
            found.append(f"the next hop of route {route} is {told_down(down)}; run `sams doctor`")
        for name, source in self.sources_down.items():
            found.append(
                f"the source of accounts {name} is down since {local_time(source.since)}: {source.why}; members who "
                "signed in lately still get in (`grace`), all others are told to try again later"
            )
        return tuple(found)


def merged_down(views: Iterable[Mapping[str, RouteDown]]) -> dict[str, RouteDown]:
    """What several found, by name of the route: down since the first time, with what was heard last."""
    found: dict[str, RouteDown] = {}
    for view in views:
        for route, down in view.items():
            found[route] = both_down(found.get(route), down)
    return dict(sorted(found.items()))


def both_down(one: RouteDown | None, other: RouteDown) -> RouteDown:
    """The same of two; None: the one found nothing."""
    if one is None:
        return other
    last = max(one, other, key=lambda each: each.at)
    times = [each.since for each in (one, other) if each.since is not None]
    return RouteDown(min(times, default=None), last.reply, last.at)


def told_down(down: RouteDown) -> str:
    """In words: `down since 2026-03-01 14:05:09: 451 4.4.1 …`."""
    since = "" if down.since is None else f" since {local_time(down.since)}"
    return f"down{since}: {down.reply}"
