"""The load generator and the sink (benchmarks/native), driven from here."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.compare.results import Load

_GRACE = 180.0
"""Seconds for which a generator may go on after its time: large messages under way."""


class BenchError(Exception):
    """Something that the user can mend. The text says what."""


class Programs(NamedTuple):
    """Where they are."""

    folder: Path
    users: Path

    def load_command(self, port: int, arguments: Sequence[str], run_id: int, id_log: Path) -> list[str]:
        """Of one run."""
        fixed = ["--port", str(port), "--users", str(self.users), "--timeout", "20"]
        identity = ["--runid", str(run_id), "--idlog", str(id_log)]
        return [str(self.folder / "loadgen"), *fixed, *arguments, *identity]


class Generator:
    """A generator at work."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a command made by this program
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def wait_for_idle(self) -> None:
        """Until it says READY: the idle connections are there."""
        assert self._process.stderr is not None
        self._process.stderr.readline()

    def result(self) -> Load:
        """When it is done."""
        out, err = self._process.communicate(timeout=_GRACE)
        if self._process.returncode:
            raise BenchError(f"loadgen failed: {err.decode()}")
        return msgspec.json.decode(out, type=Load)

    def end(self) -> None:
        """Whatever happened before."""
        self._process.kill()
        self._process.wait()


class Sink:
    """The running sink."""

    def __init__(self, control: int) -> None:
        self._control = control

    def ask(self, line: str) -> Counts:
        """GET, RESET or DUMP FILE."""
        with socket.create_connection(("127.0.0.1", self._control), timeout=10) as connection:
            connection.sendall(line.encode() + b"\n")
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        return msgspec.json.decode(answer, type=Counts)


class Counts(msgspec.Struct, frozen=True):
    """What the sink knows. rcpts: recipients of all messages. last: CLOCK_MONOTONIC."""

    unique: int
    rcpts: int
    last: float
    cpu_user_s: float
    cpu_sys_s: float

    @property
    def cpu(self) -> float:
        """Seconds of CPU of the sink."""
        return self.cpu_user_s + self.cpu_sys_s


@contextmanager
def running_sink(programs: Path, port: int, control: int) -> Iterator[Sink]:
    """A sink on these ports."""
    command = [str(programs / "sink"), "--port", str(port), "--ctl", str(control)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - a command made by this program
    sink = Sink(control)
    try:
        _wait_until_it_answers(process, sink)
        yield sink
    finally:
        process.terminate()
        process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], sink: Sink) -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise BenchError("the sink did not start: is another benchmark running on its ports?")
        try:
            sink.ask("GET")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise BenchError("the sink does not answer")
