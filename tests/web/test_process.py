"""The web process by itself, as who starts it starts it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from sams.config.offered import MailServer
from sams.core.memory_files import memory_file
from sams.web.site import Brand, Certificate, Site
from sams.web.starting import Orders, decode, encode, spawn_pages

PATIENCE = 60.0
PLAIN = Site(
    "smtp.example.org",
    "1",
    "https://smtp.example.org",
    ("example.org",),
    (MailServer("smtp", "smtp.example.org", 465, "implicit"),),
    Brand("Example", "Example"),
    "/nonexistent",
)
BROKEN = Certificate(b"no chain", b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n")


@dataclass
class Started:
    """Web processes, and what they write."""

    folder: Path
    pids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)

    def get(self) -> bytes:
        """The front page, by whichever of them takes the connection."""
        address, port = self.listening.getsockname()
        return front_page(address, port)

    @property
    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]

    def start(self, site: bytes, orders: Orders | None = None) -> int:
        """One, with stderr in a file."""
        stderr, descriptor = os.dup(2), memory_file(site)
        log = os.open(self.folder / "log", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        try:
            os.dup2(log, 2)
            self.pids.append(spawn_pages(orders or Orders(os.getpid()), self.listening, descriptor))
        finally:
            os.dup2(stderr, 2)
            for one in (stderr, log, descriptor):
                os.close(one)
        return self.pids[-1]

    def status(self, pid: int) -> int:
        """How it ended."""
        until = time.monotonic() + PATIENCE
        while (found := os.waitpid(pid, os.WNOHANG))[0] == 0:
            assert time.monotonic() < until, "it does not end"
            time.sleep(0.02)
        self.pids.remove(pid)
        return os.waitstatus_to_exitcode(found[1])


def front_page(address: str, port: int) -> bytes:
    client = http.client.HTTPConnection(address, port, timeout=PATIENCE)
    with contextlib.closing(client):
        client.request("GET", "/")
        answer = client.getresponse()
        assert answer.status == 200
        return answer.read()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    made = Started(tmp_path)
    yield made
    made.listening.close()
    for pid in made.pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def test_it_serves_what_it_was_told_and_ends_in_order(started: Started) -> None:
    pid = started.start(encode(PLAIN))
    assert b"Example" in started.get()
    os.kill(pid, signal.SIGTERM)
    assert started.status(pid) == 0
    (ready,) = started.log
    assert (ready["level"], ready["event"]) == ("info", "the pages are ready")


def test_it_logs_as_it_is_told_to(started: Started) -> None:
    pid = started.start(encode(PLAIN), Orders(os.getpid(), level="warning"))
    started.get()
    os.kill(pid, signal.SIGTERM)
    assert started.status(pid) == 0
    assert started.log == []


def test_two_take_turns_on_one_socket_and_nobody_is_refused(started: Started) -> None:
    first = started.start(encode(PLAIN))
    started.get()
    second = started.start(encode(PLAIN))
    until(lambda: len(started.log) == 2)
    os.kill(first, signal.SIGTERM)
    for _ in range(20):
        started.get()
    assert started.status(first) == 0
    os.kill(second, signal.SIGTERM)
    assert started.status(second) == 0


def test_without_the_parent_that_it_was_started_for_it_ends_at_once(started: Started) -> None:
    assert started.status(started.start(encode(PLAIN), Orders(os.getppid()))) == 0
    assert started.log == []


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    program = f"""
import os, socket, time
from sams.core.memory_files import memory_file
from sams.web.starting import Orders, spawn_pages
from tests.web.test_process import PLAIN, encode
listening = socket.create_server(("127.0.0.1", 0))
pid = spawn_pages(Orders(os.getpid()), listening, memory_file(encode(PLAIN)))
print(pid, listening.getsockname()[1], flush=True)
time.sleep({PATIENCE})
"""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'src'}"},
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pid, port = map(int, parent.stdout.readline().split())
        assert b"Example" in front_page("127.0.0.1", port), "it has begun"
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
        parent.wait(PATIENCE)
    try:
        until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())
    except AssertionError:
        os.kill(pid, signal.SIGKILL)  # a test that fails leaves nothing running
        raise


@pytest.mark.parametrize(
    "site",
    [
        b"\xc1 no site",
        encode(msgspec.structs.replace(PLAIN, does_tls=True, certificates=(BROKEN,))),
    ],
    ids=["unreadable", "a broken certificate"],
)
def test_what_cannot_be_served_ends_it_with_a_word_and_no_key(site: bytes, started: Started) -> None:
    assert started.status(started.start(site)) == 1
    written = (started.folder / "log").read_text()
    assert '"level":"error"' in written
    assert "c2VjcmV0" not in written


def test_what_it_is_told_comes_back_whole() -> None:
    assert decode(encode(PLAIN)) == PLAIN


def test_its_memory_is_nobodys_and_it_gets_no_new_rights(started: Started) -> None:
    pid = started.start(encode(PLAIN))
    started.get()
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]
    assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
