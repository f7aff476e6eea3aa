"""The operations of a running service: asked of its workers, and put together.

A worker owns some shards, so what concerns the queue is asked of all of them and merged by id. Before that
the first worker, which answers for the service, is asked which workers there are: one that does not answer is an
error, for a list without its messages would look complete, and a hold that misses them would be worse.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from sams.control import sockets
from sams.control.client import LONG_SECONDS, ControlClient, Expected
from sams.control.messages import (
    MAX_PAGE,
    AccountAdd,
    AccountAddresses,
    AccountChanged,
    AccountDevice,
    AccountEntry,
    AccountImport,
    AccountLimits,
    AccountList,
    AccountPage,
    AccountPassword,
    AccountRemove,
    AccountResume,
    AccountShow,
    AccountShown,
    AccountsImported,
    AccountSuspend,
    AccountTest,
    AccountTested,
    AccountTransfer,
    AppPasswordAdd,
    AppPasswordAdded,
    AppPasswordEntry,
    AppPasswordList,
    AppPasswordPage,
    AppPasswordRevoke,
    BackedUp,
    Backup,
    Changed,
    DamagedDelete,
    DamagedEntry,
    DamagedList,
    DamagedPage,
    DamagedRelease,
    Depth,
    DeviceEntry,
    Done,
    GuardEntry,
    GuardList,
    GuardPage,
    GuardRelease,
    HealthQuery,
    ImportOutcome,
    Metrics,
    MetricsQuery,
    QueueDelete,
    QueueDepth,
    QueueEntry,
    QueueHold,
    QueueList,
    QueuePage,
    QueueRelease,
    QueueRetry,
    QueueSearch,
    QueueShow,
    QueueShown,
    Reload,
    Reloaded,
    Request,
    RouteEntry,
    ServiceHealth,
    WorkerHealth,
)
from sams.control.operations import Health, NotRunning, both_down
from sams.core.errors import OperatorError


class RunningService:
    """Finds the sockets of a data folder's service and workers, and asks them."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def ask(self, request: Request, expected: type[Expected], timeout: float | None = None) -> Expected:
        """Ask the service as a whole: its first worker answers.

        Raises:
            NotRunning: there is none.
        """
        with ControlClient(sockets.service_path(self._data_dir)) as client:
            return client.ask(request, expected, timeout)

    def workers(self) -> tuple[int, ...]:
        """The numbers of the workers that there should be, by the service's word."""
        return tuple(worker.number for worker in self.ask(HealthQuery(), ServiceHealth).workers)

    def ask_workers(
        self, request: Request, expected: type[Expected], timeout: float | None = None
    ) -> list[Expected]:
        """Ask every worker, one after the other.

        Raises:
            OperatorError: one of them does not answer; those before it have carried it out.
        """
        return [self.ask_worker(number, request, expected, timeout) for number in self.workers()]

    def ask_worker(
        self, number: int, request: Request, expected: type[Expected], timeout: float | None = None
    ) -> Expected:
        """Ask one worker.

        Raises:
            OperatorError: it does not answer.
        """
        try:
            with ControlClient(sockets.worker_path(self._data_dir, number)) as client:
                return client.ask(request, expected, timeout)
        except NotRunning:
            raise OperatorError(
                f"worker {number} does not answer, and what it owns is out of reach: "
                "try again in some seconds, and see `sams health`"
            ) from None

    def health(self) -> Health:
        """How the service and every worker are; a worker that does not answer is named as silent."""
        service = self.ask(HealthQuery(), ServiceHealth)
        answers: list[WorkerHealth] = []
        silent: list[int] = []
        for worker in service.workers:
            try:
                answers.append(self.ask_worker(worker.number, HealthQuery(), WorkerHealth))
            except OperatorError:
                silent.append(worker.number)
        return Health(service, tuple(answers), tuple(silent))

    def metrics(self) -> str:
        """All counters and gauges, in Prometheus' text form."""
        return self.ask(MetricsQuery(), Metrics).text

    def reload(self) -> tuple[str, ...]:
        """As SIGHUP does; notes on what needs a restart."""
        return self.ask(Reload(), Reloaded, LONG_SECONDS).notes

    def backup(self, target: str) -> tuple[str, ...]:
        """Copies of the accounts and of every worker's shards; the paths below `target`."""
        request = Backup(target)
        answers = [self.ask(request, BackedUp, LONG_SECONDS)]
        answers += self.ask_workers(request, BackedUp, LONG_SECONDS)
        return tuple(itertools.chain.from_iterable(answer.paths for answer in answers))


class RunningQueue:
    """`QueueOperations` of a running service."""

    def __init__(self, service: RunningService) -> None:
        self._service = service

    def list(self, search: QueueSearch, after: str | None, limit: int) -> Sequence[QueueEntry]:
        """The first `limit` messages behind `after` of all workers."""
        streams = [self._entries(number, search, after, limit) for number in self._service.workers()]
        return tuple(itertools.islice(heapq.merge(*streams, key=lambda entry: entry.id), limit))

    def _entries(
        self, number: int, search: QueueSearch, after: str | None, limit: int
    ) -> Iterator[QueueEntry]:
        more = True
        while more:
            request = QueueList(search, after, min(limit, MAX_PAGE))
            page = self._service.ask_worker(number, request, QueuePage)
            yield from page.entries
            more = page.more and bool(page.entries)
            after = page.entries[-1].id if page.entries else after

    def show(self, message_id: str) -> QueueEntry | None:
        """One message with all its recipients, from the worker that has it."""
        for number in self._service.workers():
            entry = self._whole(number, message_id)
            if entry is not None:
                return entry
        return None

    def _whole(self, number: int, message_id: str) -> QueueEntry | None:
        def ask(after: int) -> QueueShown:
            return self._service.ask_worker(number, QueueShow(message_id, after), QueueShown)

        return whole_entry(ask)

    def hold(self, search: QueueSearch) -> int:
        """Stop delivery of what matches."""
        return self._change(QueueHold(search))

    def release(self, search: QueueSearch) -> int:
        """Let it go on."""
        return self._change(QueueRelease(search))

    def retry(self, search: QueueSearch) -> int:
        """Make it due now."""
        return self._change(QueueRetry(search))

    def delete(self, search: QueueSearch) -> int:
        """Remove it for good."""
        return self._change(QueueDelete(search))

    def _change(self, request: Request) -> int:
        return sum(answer.count for answer in self._service.ask_workers(request, Changed, LONG_SECONDS))

    def damaged(self, after: str | None, limit: int) -> Sequence[DamagedEntry]:
        """The first `limit` behind `after` of what all workers have set aside."""
        streams = [self._damaged(number, after, limit) for number in self._service.workers()]
        return tuple(itertools.islice(heapq.merge(*streams, key=lambda entry: entry.id), limit))

    def _damaged(self, number: int, after: str | None, limit: int) -> Iterator[DamagedEntry]:
        more = True
        while more:
            page = self._service.ask_worker(number, DamagedList(after, min(limit, MAX_PAGE)), DamagedPage)
            yield from page.entries
            more = page.more and bool(page.entries)
            after = page.entries[-1].id if page.entries else after

    def put_back(self, message_id: str) -> int:
        """Let one wait in the queue again."""
        return self._change(DamagedRelease(message_id))

    def discard(self, message_id: str) -> int:
        """Remove one for good."""
        return self._change(DamagedDelete(message_id))

    def depth(self) -> Sequence[RouteEntry]:
        """How much waits, by route, over all workers."""
        answers = self._service.ask_workers(QueueDepth(), Depth)
        return summed_depth(itertools.chain.from_iterable(answer.routes for answer in answers))


class RunningGuard:
    """`GuardOperations` of a running service: its workers share the memory, and the first one answers."""

    def __init__(self, service: RunningService) -> None:
        self._service = service

    def list(self) -> Sequence[GuardEntry]:
        """All locks in force."""
        found: list[GuardEntry] = []
        more = True
        while more:
            page = self._service.ask(GuardList(found[-1].id if found else None, MAX_PAGE), GuardPage)
            found += page.locks
            more = page.more and bool(page.locks)
        return tuple(found)

    def release(self, target: str | None) -> int:
        """End locks."""
        return self._service.ask(GuardRelease(target), Changed).count


class RunningSources:
    """`SourceOperations` of a running service: the first worker asks."""

    def __init__(self, service: RunningService) -> None:
        self._service = service

    def test(self, login: str, password: str | None) -> AccountTested:
        """What each source says."""
        return self._service.ask(AccountTest(login, password), AccountTested)


class RunningAccounts:
    """`AccountOperations` of a running service: the first worker writes, then all end sessions."""

    def __init__(self, service: RunningService) -> None:
        self._service = service

    def list(self, after: str | None, limit: int, *, devices: bool = False) -> Sequence[AccountEntry]:
        """Accounts by rising login."""
        found: list[AccountEntry] = []
        more = True
        while more and len(found) < limit:
            request = AccountList(after, min(limit - len(found), MAX_PAGE), devices)
            page = self._service.ask(request, AccountPage)
            found += page.accounts
            more = page.more and bool(page.accounts)
            after = found[-1].login if found else after
        return tuple(found)

    def show(self, login: str) -> AccountEntry | None:
        """One account."""
        return self._service.ask(AccountShow(login), AccountShown).account

    def add(self, account: AccountEntry, password: str) -> None:
        """Make an account."""
        request = AccountAdd(
            account.login,
            password,
            account.addresses,
            account.may_send_as,
            account.recipients_per_hour,
            account.recipients_per_day,
            account.device,
        )
        self._service.ask(request, Done)

    def set_device(self, login: str, device: DeviceEntry) -> None:
        """Replace what a device has besides."""
        self._change(AccountDevice(login, device), login)

    def take_over(
        self, accounts: Sequence[AccountTransfer], *, update: bool, dry_run: bool
    ) -> Sequence[ImportOutcome]:
        """Take accounts over. Sessions of those that are updated end within a second, when workers look."""
        request = AccountImport(tuple(accounts), update, dry_run)
        return self._service.ask(request, AccountsImported, LONG_SECONDS).outcomes

    def set_password(self, login: str, password: str) -> None:
        """Set another password; running sessions end."""
        self._change(AccountPassword(login, password), login)

    def set_addresses(self, login: str, addresses: Sequence[str], may_send_as: Sequence[str]) -> None:
        """Replace what it may send from."""
        self._change(AccountAddresses(login, tuple(addresses), tuple(may_send_as)), login)

    def set_limits(self, login: str, per_hour: int | None, per_day: int | None) -> None:
        """Replace its own limits of recipients."""
        self._change(AccountLimits(login, per_hour, per_day), login)

    def suspend(self, login: str, reason: str) -> None:
        """Suspend it; running sessions end."""
        self._change(AccountSuspend(login, reason), login)

    def resume(self, login: str) -> None:
        """Let it work again."""
        self._change(AccountResume(login), login)

    def remove(self, login: str) -> None:
        """Remove it; running sessions end."""
        self._change(AccountRemove(login), login)

    def _change(self, request: Request, login: str) -> None:
        self._service.ask(request, Done)
        self._service.ask_workers(AccountChanged(login), Changed)


class RunningAppPasswords:
    """`AppPasswordOperations` of a running service: the first worker writes, then all end sessions."""

    def __init__(self, service: RunningService) -> None:
        self._service = service

    def list(self, login: str | None, after: tuple[str, str], limit: int) -> Sequence[AppPasswordEntry]:
        """By rising login and id."""
        found: list[AppPasswordEntry] = []
        more = True
        while more and len(found) < limit:
            request = AppPasswordList(login, after, min(limit - len(found), MAX_PAGE))
            page = self._service.ask(request, AppPasswordPage)
            found += page.entries
            more = page.more and bool(page.entries)
            after = (found[-1].login, found[-1].id) if found else after
        return tuple(found)

    def add(self, wanted: AppPasswordAdd) -> AppPasswordAdded:
        """Make one, of whom a source knows."""
        return self._service.ask(wanted, AppPasswordAdded)

    def revoke(self, login: str | None, name: str | None, source: str) -> int:
        """End them. Those of a whole source end within a second, when workers look."""
        count = self._service.ask(AppPasswordRevoke(login, name, source), Changed).count
        if login is not None:
            self._service.ask_workers(AccountChanged(login), Changed)
        return count


def whole_entry(ask: Callable[[int], QueueShown]) -> QueueEntry | None:
    """Put a message together of answers that each carry some of its recipients."""
    shown = ask(-1)
    entry = shown.entry
    if entry is None:
        return None
    recipients = list(entry.recipients)
    while shown.more and shown.entry is not None and shown.entry.recipients:
        shown = ask(recipients[-1].number)
        recipients += shown.entry.recipients if shown.entry is not None else ()
    return msgspec.structs.replace(entry, recipients=tuple(recipients))


def summed_depth(routes: Iterator[RouteEntry]) -> tuple[RouteEntry, ...]:
    """One entry for each route, by name."""
    sums: dict[str, RouteEntry] = {}
    for entry in routes:
        known = sums.get(entry.route, RouteEntry(entry.route, 0, 0, None))
        oldest = min((time for time in (known.oldest, entry.oldest) if time is not None), default=None)
        down = known.down if entry.down is None else both_down(known.down, entry.down)
        sums[entry.route] = RouteEntry(
            entry.route, known.recipients + entry.recipients, known.due + entry.due, oldest, down
        )
    return tuple(sums[name] for name in sorted(sums))
