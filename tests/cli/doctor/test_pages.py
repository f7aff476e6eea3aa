"""The doctor and the pages, where these are not as they should be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sams.cli.doctor import pages
from sams.cli.doctor.finding import Level
from sams.config.web import Web
from tests.config.samples import MINIMAL, loaded
from tests.support.service import free_ports


@contextmanager
def answering(octets: bytes) -> Iterator[int]:
    """Somebody who says this to whoever connects; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4_096)
                connection.sendall(octets)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)


def test_where_there_are_no_pages_and_where_the_service_does_not_run_nothing_is_looked_at() -> None:
    assert list(pages.check(loaded().config, running=True)) == []
    assert list(pages.check(loaded(f"{MINIMAL}[web]\n").config, running=False)) == []


def test_a_page_that_comes_is_well() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as port:
        assert pages.check_answers(Web(port=port)).level is Level.OK


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "answered with 500"),
        (b"220 smtp.example.org ESMTP\r\n", "no page comes"),
        (b"", "no page comes"),
    ],
    ids=["a mistake", "another program", "nothing"],
)
def test_an_answer_that_is_no_page_is_a_failure_with_advice(octets: bytes, words: str) -> None:
    with answering(octets) as port:
        found = pages.check_answers(Web(port=port))
    assert found.level is Level.FAIL
    assert words in found.what
    assert "the service's log" in found.advice


def test_nobody_at_the_port_is_a_failure() -> None:
    (port,) = free_ports(1)
    found = pages.check_answers(Web(port=port, security="tls"))
    assert found.level is Level.FAIL
    assert "Connection refused" in found.what
    assert found.subject == f"pages (port {port}, HTTPS)"
