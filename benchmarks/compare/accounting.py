"""The CPU and memory of a server's whole process tree, short-lived children included.

A control group knows them best: whatever the start command brings forth is charged to it. Version 1 needs the
controller `cpuacct`; in version 2 every group has `cpu.stat`. Both need the right to make a group, as root has.
Elsewhere `/proc` is summed: each living process with what its reaped children used. That is exact but for the
clock ticks it is told in, and for a child whose parent ended before it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

_GROUP = "sams-bench"


class Usage(NamedTuple):
    """Seconds of CPU. total: more exact than the sum of the others."""

    total: float
    user: float
    system: float

    def since(self, before: Usage) -> Usage:
        """What was used between the two."""
        return Usage(*(now - then for now, then in zip(self, before, strict=True)))


class Account(Protocol):
    """Counts what a target uses. kind: how."""

    kind: str

    def wrap(self, command: Sequence[str]) -> list[str]:
        """The command that starts the target so that it is counted."""

    def usage(self) -> Usage:
        """So far."""

    def processes(self) -> list[int]:
        """Those that live."""


class _Group:
    """What the two versions of control groups have in common."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder

    def wrap(self, command: Sequence[str]) -> list[str]:
        enter = 'echo $$ > "$1" && shift && exec "$@"'
        return ["sh", "-c", enter, "sh", str(self._folder / "cgroup.procs"), *command]

    def remove(self) -> None:
        self._folder.rmdir()

    def processes(self) -> list[int]:
        return [int(line) for line in (self._folder / "cgroup.procs").read_text().split()]

    def _table(self, name: str) -> dict[str, int]:
        lines = (self._folder / name).read_text().splitlines()
        return {key: int(value) for key, value in (line.split() for line in lines)}


class GroupV1(_Group):
    """A control group of version 1, controller `cpuacct`."""

    kind = "control group v1"

    def usage(self) -> Usage:
        """So far."""
        ticks, table = os.sysconf("SC_CLK_TCK"), self._table("cpuacct.stat")
        total = int((self._folder / "cpuacct.usage").read_text()) / 1e9
        return Usage(total, table["user"] / ticks, table["system"] / ticks)


class GroupV2(_Group):
    """A control group of version 2."""

    kind = "control group v2"

    def usage(self) -> Usage:
        """So far."""
        table = self._table("cpu.stat")
        return Usage(table["usage_usec"] / 1e6, table["user_usec"] / 1e6, table["system_usec"] / 1e6)


class ProcessTree:
    """Sums over `/proc`. roots: the target's first processes; asked again each time, as they may be replaced."""

    kind = "/proc"

    def __init__(self, roots: Callable[[], Sequence[int]]) -> None:
        self._roots = roots

    def wrap(self, command: Sequence[str]) -> list[str]:
        """Nothing is needed."""
        return list(command)

    def usage(self) -> Usage:
        """So far."""
        ticks = os.sysconf("SC_CLK_TCK")
        user = system = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):  # it may have ended since
                fields = _stat_fields(pid)
                user += fields[_USER] + fields[_CHILDREN_USER]
                system += fields[_SYSTEM] + fields[_CHILDREN_SYSTEM]
        return Usage((user + system) / ticks, user / ticks, system / ticks)

    def processes(self) -> list[int]:
        """Those that live."""
        return [pid for root in self._roots() for pid in _family(root)]


_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = range(11, 15)
"""Their places behind the name and the state, proc(5) `/proc/pid/stat` fields 14 to 17."""


def _stat_fields(pid: int) -> list[int]:
    """The numbers behind the state; the name before it may hold blanks and brackets."""
    text = Path(f"/proc/{pid}/stat").read_text()
    state_and_numbers = text.rpartition(") ")[2].split()
    return [0, *map(int, state_and_numbers[1:])]


def _family(pid: int) -> Iterator[int]:
    """A process and what descends from it; nothing if it is gone."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return
    yield pid
    for task in tasks:
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _mounted(kind: str, option: str = "") -> Path | None:
    """Where such control groups are."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, type_, options, *_ = line.split()
        if type_ == kind and (not option or option in options.split(",")):
            return Path(place)
    return None


def open_account(name: str, roots: Callable[[], Sequence[int]]) -> Account:
    """The best account that this machine gives a target of this name."""
    group = f"{_GROUP}-{name.replace(':', '-')}-{os.getpid()}"
    found: Callable[[Path], Account]
    for found, place in ((GroupV1, _mounted("cgroup", "cpuacct")), (GroupV2, _mounted("cgroup2"))):
        if place is not None:
            with contextlib.suppress(OSError):  # no right to make one here
                account = found(place / group)
                account.usage()
                return account
    return ProcessTree(roots)


def _remove(group: _Group) -> None:
    """Once the last process has left it, which takes a moment; a group that stays does no harm."""
    for _ in range(50):
        with contextlib.suppress(OSError):
            group.remove()
            return
        time.sleep(0.02)


def close_account(account: Account, patience: float = 10.0) -> None:
    """Take a group away again, and what is still alive in it.

    Only a group knows for sure which processes are its own: what `/proc` tells may come from an old file.
    """
    if not isinstance(account, _Group):
        return
    until = time.monotonic() + patience
    while account.processes() and time.monotonic() < until:
        time.sleep(0.1)
    for pid in account.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _remove(account)


def memory(processes: Sequence[int]) -> int:
    """The sum of their proportional sets, KiB; those that may not be looked at, or ended, count nothing."""
    total = 0
    for pid in processes:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


class Machine(NamedTuple):
    """CPU seconds of the whole machine since it started."""

    busy: float
    steal: float

    @classmethod
    def now(cls) -> Machine:
        """From proc(5) `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal."""
        ticks = os.sysconf("SC_CLK_TCK")
        with Path("/proc/stat").open() as file:
            user, nice, system, _, _, irq, softirq, steal, *_ = map(int, file.readline().split()[1:])
        return cls((user + nice + system + irq + softirq) / ticks, steal / ticks)
