"""Where a message's time goes: calls by room, and CPU by library where `perf` is there. `make bench-profile`.

One worker in one process (the target `sams:w0`) is loaded by 16 clients, once with a connection for each message and
once with 50 messages a connection. Calls of Python and C functions are counted by cProfile on the loop's thread; they
hardly change from run to run. `perf` samples all threads, in a run of its own without a profiler.
"""

from __future__ import annotations

import argparse
import pstats
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from os import kill
from pathlib import Path
from typing import Any

import sams
from benchmarks.compare.programs import BenchError, Generator, Programs, Sink, running_sink
from benchmarks.compare.targets import BENCHMARKS, Target

MODES = ("fresh", "persist")
_SAMS = f"{Path(sams.__file__).parent}/"
_TARGET = "sams:w0"
_SINK_PORT = 29_025
_MESSAGES = 1_000
_SAMPLED = 3.0
"""Seconds of load that `perf` looks at."""
_SETTLE = 1.0
"""Seconds for what follows the last delivery: settlements, rows of the journal."""
_PATIENCE = 30.0
_LIBRARIES = (
    ("the interpreter", re.compile(r"(?:lib)?python3")),
    ("the kernel", re.compile(r"\[")),
    ("OpenSSL", re.compile(r"libssl|libcrypto")),
    ("SQLite (apsw)", re.compile(r"__init__\.cpython|libsqlite|apsw")),
)
_SHARE = re.compile(r"\s*([0-9.]+)%\s+(\S+)")


def say(line: str) -> None:
    """Tell."""
    print(line, flush=True)  # noqa: T201 - a command


def room_of(filename: str) -> str:
    """The room of a file of SAMS; `ssl` for Python's part of TLS; else `other`."""
    if filename.startswith(_SAMS):
        return filename[len(_SAMS) :].partition("/")[0]
    return "ssl" if filename.endswith("/ssl.py") else "other"


def calls_by_room(functions: Mapping[tuple[str, int, str], tuple[Any, ...]]) -> Counter[str]:
    """Of the table of a `pstats.Stats`. A call of a C function counts for the room that made it."""
    rooms: Counter[str] = Counter()
    for (filename, _, _), (_, calls, _, _, callers) in functions.items():
        if filename != "~":
            rooms[room_of(filename)] += calls
            continue
        for (caller, _, _), (made, *_) in callers.items():
            rooms[room_of(caller)] += made
    return rooms


def share_by_library(report: str) -> dict[str, float]:
    """Percent of the samples, from what `perf report --sort dso` prints."""
    shares = dict.fromkeys([name for name, _ in _LIBRARIES], 0.0) | {"all else": 0.0}
    for line in report.splitlines():
        found = _SHARE.match(line)
        if found:
            names = [name for name, pattern in _LIBRARIES if pattern.match(found[2])]
            shares[names[0] if names else "all else"] += float(found[1])
    return shares


def table(head: str, columns: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """Markdown: a row for each name in any column, the largest first."""
    names = {
        name: sum(column.get(name, 0) for column in columns.values())
        for one in columns.values()
        for name in one
    }
    rows = [f"| {head} | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for name in sorted(names, key=lambda name: -names[name]):
        values = " | ".join(f"{column.get(name, 0):.0f}{unit}" for column in columns.values())
        rows.append(f"| {name} | {values} |")
    return "\n".join(rows)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait for another process.

    Raises:
        BenchError: it takes too long.
    """
    until = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > until:
            raise BenchError(f"{what} takes longer than {_PATIENCE:.0f} s")
        time.sleep(0.02)


class Profiling:
    """A running service, looked at. kept: the folder for statistics and samples."""

    def __init__(self, target: Target, programs: Programs, sink: Sink, kept: Path) -> None:
        self._target = target
        self._programs = programs
        self._sink = sink
        self._kept = kept
        (self._pid,) = target.account.processes()

    def calls(self, mode: str, switch: Path) -> dict[str, float]:
        """Calls a message by room. switch: what the service calls its statistics."""
        self._load(mode, "-n", "200")
        mark = Path(f"{switch}.on")
        kill(self._pid, signal.SIGUSR2)
        wait_until(mark.exists, "to begin a profile")
        sent = self._load(mode, "-n", str(_MESSAGES))
        kill(self._pid, signal.SIGUSR2)
        wait_until(lambda: not mark.exists(), "to end a profile")
        kept = shutil.move(switch, self._kept / f"profile-{mode}.prof")
        rooms = calls_by_room(vars(pstats.Stats(str(kept)))["stats"])
        return {"all": rooms.total() / sent} | {room: calls / sent for room, calls in rooms.items()}

    def shares(self, mode: str, perf: str) -> dict[str, float]:
        """Percent of CPU by library.

        Raises:
            BenchError: `perf` may not, or cannot.
        """
        samples = str(self._kept / f"perf-{mode}.data")
        generator = Generator(self._command(mode, "-d", str(_SAMPLED + 2)))
        try:
            time.sleep(1.0)
            events = ("-e", "cpu-clock", "-F", "2000", "-p", str(self._pid), "-o", samples)
            _run([perf, "record", "-q", *events, "--", "sleep", str(_SAMPLED)])
            generator.result()
        finally:
            generator.end()
        return share_by_library(_run([perf, "report", "--stdio", "-q", "--sort", "dso", "-i", samples]))

    def _load(self, mode: str, *amount: str) -> int:
        """Send, wait until all is delivered, and tell how many it were."""
        before = self._sink.ask("GET").rcpts
        sent = Generator(self._command(mode, *amount)).result().accepted
        wait_until(lambda: self._sink.ask("GET").rcpts >= before + sent, "delivery")
        time.sleep(_SETTLE)
        return sent

    def _command(self, mode: str, *amount: str) -> list[str]:
        arguments = ["--mode", mode, "--tls", "starttls", "-c", "16", "-s", "4096", "-M", "50", *amount]
        ids = self._kept / "profile-ids"
        return self._programs.load_command(self._target.port("starttls"), arguments, int(time.time()), ids)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - perf, with our words
    if done.returncode:
        raise BenchError(f"{' '.join(command[:2])} failed: {done.stderr.strip()[:500]}")
    return done.stdout


def profile(built: Path, scratch: Path, output: Path) -> None:
    """Print the tables. built: the folder of loadgen and sink."""
    switch = scratch / "profile"
    environment = {
        "BENCH_HOME": str(BENCHMARKS),
        "BENCH_DIR": str(scratch),
        "SINK_PORT": str(_SINK_PORT),
        "SAMS_MODULE": "benchmarks.sams.profiled",
        "SAMS_PROFILE": str(switch),
    }
    with running_sink(built, _SINK_PORT, _SINK_PORT + 1) as sink:
        target = Target(_TARGET, environment, scratch)
        try:
            target.start()
            profiling = Profiling(target, Programs(built, scratch / "users"), sink, output)
            say(table("calls a message", {mode: profiling.calls(mode, switch) for mode in MODES}, ""))
            perf = shutil.which("perf")
            if perf is None:
                say("\nperf is not there: no shares of CPU by library.")
            else:
                say("\n" + table("CPU", {mode: profiling.shares(mode, perf) for mode in MODES}, " %"))
        finally:
            target.stop()
    say(f"\nkept in {output}: profile-*.prof for `python -m pstats`, perf-*.data for `perf report -i`")


def main() -> int:
    """See the file's own words."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    for name in ("programs", "scratch", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    try:
        profile(options.programs.resolve(), options.scratch.resolve(), options.output)
    except BenchError as error:
        print(f"bench-profile: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
