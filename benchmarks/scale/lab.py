"""What the scale scenarios share: the real service in a scratch folder, its cost, and the table of results."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sams.core.clock import SystemClock
from sams.identity.accounts.store import AccountStore
from sams.identity.passwords.hashes import HashCost, Hashes
from tests.support.service import PASSWORD, Service, smarthost

ROUTE = "hub"
TICK = os.sysconf("SC_CLK_TCK")
LIMITS = """\
message_size = "100 MiB"
connections = 30000
connections_per_login = 30000
recipients_per_hour = 10_000_000
recipients_per_day = 100000000
password_checks_waiting = 1000
"""
"""No limit is to be met. More may wait for a check than by default: a storm is to be slow, and none of it refused."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number of a scenario. wanted: in words; holds: whether it was reached, None: only told."""

    what: str
    wanted: str
    measured: str
    holds: bool | None = None


@dataclass
class Table:
    """The results of one scenario, shown as they come."""

    title: str
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        print(f"\n{self.title}\n\n| what | wanted | measured | |\n|---|---|---|---|", flush=True)  # noqa: T201 - a report

    def add(self, what: str, measured: str, wanted: str = "", *, holds: bool | None = None) -> None:
        """Show a result."""
        self.rows.append(Row(what, wanted, measured, holds))
        mark = {True: "yes", False: "NO", None: ""}[holds]
        print(f"| {what} | {wanted} | {measured} | {mark} |", flush=True)  # noqa: T201 - a report


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder that is gone afterwards. On the disk of TMPDIR (`make bench-scale`: BENCH_DIR): syncs are measured."""
    folder = Path(tempfile.mkdtemp(prefix=f"sams-scale-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_service(
    folder: Path, hop: int, *, accounts: int = 1, cost: HashCost | None = None, connections: int = 20
) -> Service:
    """A service that relays to a next hop on this port, with members `member0@example.org` and so on.

    cost: of their password hashes; None: next to nothing, for scenarios that are about something else.
    connections: to the next hop, over all workers.
    """
    route = f"{smarthost(hop, name=ROUTE)}connections = {connections}\n"
    service = Service(folder, route=route, workers=os.cpu_count() or 1, limits=LIMITS)
    data = folder / "data"
    data.mkdir(mode=0o700)
    book = AccountStore(
        data / "accounts.db",
        SystemClock(),
        Hashes(cost or HashCost(memory=64, passes=1, scram_iterations=16)),
    )
    book.prepare()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(lambda number: _add(book, number), range(accounts)))
    return service


def _add(book: AccountStore, number: int) -> None:
    book.add(f"member{number}", password_of(number), [f"member{number}@example.org"])


def password_of(number: int) -> str:
    """Each member has one of its own."""
    return f"{PASSWORD}-{number}"


def main_pid(service: Service) -> int:
    """The supervisor's."""
    assert service.process is not None
    return service.process.pid


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{each}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree so far."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICK


def memory_kib(pid: int) -> int:
    """The proportional set size of a process tree: shared pages count once."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


@dataclass
class Peak:
    """The largest memory that was seen."""

    pid: int
    kib: int = 0

    def look(self) -> None:
        """Look once more."""
        self.kib = max(self.kib, memory_kib(self.pid))


def percentile(values: Sequence[float], part: float) -> float:
    """The value that this part of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def milliseconds(seconds: float) -> str:
    """For the table."""
    return f"{seconds * 1000:.2f} ms"


class Watch:
    """Wall and CPU time of a process tree since it was made."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._wall = time.monotonic()
        self._cpu = cpu_seconds(pid)

    @property
    def wall(self) -> float:
        """Seconds."""
        return time.monotonic() - self._wall

    @property
    def cpu(self) -> float:
        """Seconds."""
        return cpu_seconds(self._pid) - self._cpu
