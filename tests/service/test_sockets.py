"""Listening sockets."""

from __future__ import annotations

import socket

import pytest

from sams.core.errors import OperatorError
from sams.service.sockets import Endpoint, open_listener


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
