"""Workers beside each other: what one begins another goes on with, and what befalls one the others never notice."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.service import PASSWORD, Service, message

pytestmark = [pytest.mark.real, pytest.mark.faults]

TRIES = 64
"""Connections until both workers had one: the kernel chooses by chance."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "service", workers=2)
    made.add_account("alice")
    with made.running():
        yield made


def worker_of(service: Service, client: socket.socket) -> int:
    """The worker at the other end of a connection."""
    port, peer = client.getpeername()[1], client.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines():
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[2] == f"0100007F:{peer:04X}":
            return next(pid for pid in service.worker_pids() if f"socket:[{fields[9]}]" in open_files(pid))
    raise AssertionError(f"nobody has the connection from port {peer}")


def open_files(pid: int) -> set[str]:
    found = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(one.readlink()))
    return found


@contextmanager
def connection(
    service: Service, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Iterator[ssl.SSLSocket]:
    """A connection whose greeting was read, and with it the ticket."""
    with (
        socket.create_connection(("127.0.0.1", service.implicit), 20) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as secured,
    ):
        assert secured.recv(4_096).startswith(b"220 ")
        yield secured


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_that_one_worker_began_is_resumed_by_the_other(
    service: Service, version: ssl.TLSVersion
) -> None:
    context = service.trust()
    context.minimum_version = context.maximum_version = version
    with connection(service, context) as first:
        began, session = worker_of(service, first), first.session
    resumed_by = set()
    for _ in range(TRIES):
        with connection(service, context, session) as again:
            assert again.session_reused
            resumed_by.add(worker_of(service, again))
            session = again.session or session
        if resumed_by - {began}:
            return
    raise AssertionError(f"no connection came to another worker than {began}")


def test_when_a_worker_dies_sessions_of_the_other_go_on(service: Service) -> None:
    sessions: dict[int, list[smtplib.SMTP]] = defaultdict(list)
    for _ in range(TRIES):
        client = service.signed_in("alice", PASSWORD)
        assert client.sock is not None
        sessions[worker_of(service, client.sock)].append(client)
        if len(sessions) == 2:
            break
    victim, survivor = sessions
    os.kill(victim, signal.SIGKILL)
    for client in sessions[survivor]:
        client.send_message(message("alice@example.org"))
        client.quit()
    for client in sessions[victim]:
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            client.noop()
        client.close()
    service.delivered(len(sessions[survivor]))


def times_awake(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("voluntary_ctxt_switches")))


def test_passwords_are_hashed_beside_the_workers_and_a_hasher_that_dies_costs_nobody_a_sign_in(
    service: Service,
) -> None:
    for login in ("bob", "carol"):
        service.add_account(login)
    service.signed_in("alice").quit()
    first = service.hasher_pid()
    before = times_awake(first)
    service.signed_in("bob").quit()
    assert times_awake(first) > before
    os.kill(first, signal.SIGKILL)
    service.signed_in("carol").quit()
    until = time.monotonic() + 20
    while service.hasher_pid() in {0, first}:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_no_process_of_the_service_leaves_its_memory_behind(service: Service) -> None:
    assert service.process is not None
    for pid in (service.process.pid, *service.worker_pids(), service.hasher_pid()):
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        assert next(line.split()[4:6] for line in limits if line.startswith("Max core file size")) == [
            "0",
            "0",
        ]
