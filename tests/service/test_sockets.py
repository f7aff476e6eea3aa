"""Listening sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from sams.core.errors import OperatorError
from sams.service.sockets import (
    Activated,
    Endpoint,
    activated_sockets,
    match_activated,
    open_listener,
    share,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_each_worker_gets_a_socket_of_its_own_on_one_port() -> None:
    port = free_port()
    opened = open_listener(Endpoint("127.0.0.1", port), 3)
    assert {one.getsockname() for one in opened} == {("127.0.0.1", port)}
    assert len({one.fileno() for one in opened}) == 3
    for one in opened:
        one.close()


def test_a_port_that_another_service_has_is_refused_with_advice() -> None:
    port = free_port()
    opened = open_listener(Endpoint("127.0.0.1", port), 1)
    with pytest.raises(OperatorError, match=f"another program listens there already .*{port}"):
        open_listener(Endpoint("127.0.0.1", port), 1)
    opened[0].close()


def test_an_address_of_another_machine_is_refused_with_advice() -> None:
    with pytest.raises(OperatorError, match="does not have that address"):
        open_listener(Endpoint("192.0.2.1", free_port()), 1)


def test_the_address_of_both_families_takes_ipv4_too() -> None:
    port = free_port()
    opened = open_listener(Endpoint("::", port), 1)
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    opened[0].close()


def listening(address: str = "127.0.0.1") -> Activated:
    return Activated(socket.create_server((address, 0)), "sams.socket")


def test_a_socket_of_the_service_manager_serves_its_own_address_and_port_only() -> None:
    one, every = listening(), listening("0.0.0.0")  # noqa: S104 - a socket that is never connected to
    both = [one, every]
    assert match_activated(both, one.endpoint) == [one]
    assert match_activated(both, Endpoint("127.0.0.2", one.endpoint.port)) == []
    assert match_activated(both, Endpoint("127.0.0.1", every.endpoint.port)) == []
    assert match_activated(both, Endpoint("::", every.endpoint.port)) == [every]
    assert match_activated(both, Endpoint("0:0:0:0:0:0:0:0", every.endpoint.port)) == [every]
    for each in both:
        each.listening.close()


@pytest.mark.parametrize(("sockets", "workers"), [(1, 1), (1, 4), (2, 4), (3, 4), (4, 4), (7, 4), (4, 1)])
def test_every_worker_has_a_socket_and_every_socket_a_worker(sockets: int, workers: int) -> None:
    opened = [socket.socket() for _ in range(sockets)]
    shares = [share(opened, number, workers) for number in range(workers)]
    assert all(shares)
    assert {one.fileno() for each in shares for one in each} == {one.fileno() for one in opened}
    for one in opened:
        one.close()


@pytest.mark.parametrize(
    "environment", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": "here", "LISTEN_FDS": "x"}]
)
def test_what_is_meant_for_another_process_is_left_alone(environment: dict[str, str]) -> None:
    here = {name: value.replace("here", str(os.getpid())) for name, value in environment.items()}
    assert activated_sockets(here) == []


_TAKES = """
import os, socket, sys
from sams.core.errors import OperatorError
from sams.service.sockets import activated_sockets
os.dup2(int(sys.argv[1]), 3, inheritable=True)
try:
    (one,) = activated_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "sams"})
    print(one, os.get_inheritable(3), one.listening.getblocking())
except OperatorError as error:
    print(error)
"""


def takes(descriptor: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _TAKES, str(descriptor)],
        pass_fds=[descriptor],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_what_is_handed_over_is_taken_by_its_name_and_kept_from_children() -> None:
    one = listening()
    assert takes(one.listening.fileno()) == f"{one.endpoint} (sams) False False\n"
    one.listening.close()


def test_what_is_no_listening_tcp_socket_is_refused_with_advice() -> None:
    datagrams, pipe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), os.pipe()
    connected = socket.create_connection((listener := socket.create_server(("127.0.0.1", 0))).getsockname())
    assert "ListenStream=" in takes(datagrams.fileno())
    assert "Accept=no" in takes(connected.fileno())
    assert "is no socket" in takes(pipe[0])
    for one in (datagrams, connected, listener):
        one.close()
    for end in pipe:
        os.close(end)
