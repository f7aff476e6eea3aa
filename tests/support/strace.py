"""Errors from the kernel: strace attached to a running process lets chosen system calls fail."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60.0
IS_THERE = shutil.which("strace") is not None


@dataclass(frozen=True)
class Injection:
    """System calls that fail.

    calls: their names, with commas. when: which of them, counted for each thread from 1: `1`, `2`, `1+` (all).
    """

    calls: str
    error: str
    when: str = "1+"

    def options(self) -> list[str]:
        return ["-e", f"inject={self.calls}:error={self.error}:when={self.when}"]


@contextlib.contextmanager
def failing(pid: int, folder: Path, *injections: Injection, paths: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Let calls of a process fail inside the block; where paths are given, those on them only. Gives the trace."""
    trace = folder / "strace.out"
    trace.unlink(missing_ok=True)
    calls = ",".join(injection.calls for injection in injections)
    command = [
        "strace",
        "-f",
        "-q",
        "-y",
        "-s",
        "40",
        "-o",
        str(trace),
        "-p",
        str(pid),
        "-e",
        f"trace={calls}",
    ]
    command += [option for injection in injections for option in injection.options()]
    command += [part for path in paths for part in ("-P", str(path))]
    with (folder / "strace.err").open("wb") as told:
        tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
    try:
        _wait_until_attached(pid, tracer, folder / "strace.err")
        yield trace
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(PATIENCE)


def _wait_until_attached(pid: int, tracer: subprocess.Popen[bytes], told: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not all(_is_traced(task) for task in Path(f"/proc/{pid}/task").iterdir()):
        assert tracer.poll() is None, told.read_text()
        assert time.monotonic() < until, "strace did not attach"
        time.sleep(0.01)


def _is_traced(task: Path) -> bool:
    try:
        lines = (task / "status").read_text().splitlines()
    except FileNotFoundError:
        return True
    return any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in lines)
