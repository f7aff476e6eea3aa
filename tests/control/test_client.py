from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sams.control import sockets
from sams.control.client import ControlClient, is_running
from sams.control.messages import Changed, HealthQuery, ServiceHealth
from sams.control.operations import NotRunning
from sams.core.errors import OperatorError
from tests.control.fakes import listening, supervisor


def test_a_missing_and_a_left_over_socket_mean_not_running(tmp_path: Path) -> None:
    assert not is_running(tmp_path)
    sockets.listen(sockets.service_path(tmp_path), 1).close()
    assert not is_running(tmp_path)
    with pytest.raises(NotRunning, match="sams serve"):
        ControlClient(sockets.service_path(tmp_path))


def test_a_service_that_listens_is_running(tmp_path: Path) -> None:
    with listening(tmp_path, supervisor(0)):
        assert is_running(tmp_path)


def test_a_service_of_which_only_workers_listen_is_not_taken_for_a_stopped_one(tmp_path: Path) -> None:
    with (
        sockets.listen(sockets.worker_path(tmp_path, 1), 1),
        pytest.raises(OperatorError, match="starts or stops just now"),
    ):
        is_running(tmp_path)


@contextmanager
def _answering(data_dir: Path, answer: bytes | None) -> Iterator[Path]:
    """A service that answers the first line by these octets and hangs up; None: never answers."""
    path = sockets.service_path(data_dir)
    done = threading.Event()
    listener = sockets.listen(path, 1)
    listener.setblocking(True)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.makefile("rb").readline()
            if answer is None:
                done.wait(10)
            else:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield path
    finally:
        done.set()
        thread.join(10)
        listener.close()


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (b"", NotRunning, "ended before it answered"),
        (b'{"version":1,"mess', NotRunning, "ended before it answered"),
        (b"garbage\n", OperatorError, "not a control message"),
        (b'{"version":2,"message":{}}\n', OperatorError, "version 2, this one 1"),
        (b'{"version":1,"message":{"type":"changed","count":1}}\n', OperatorError, "another question"),
        (None, OperatorError, "no answer in time"),
    ],
)
def test_a_bad_answer_is_an_error_that_says_what_happened(
    answer: bytes | None, error: type[Exception], text: str, tmp_path: Path
) -> None:
    with (
        _answering(tmp_path, answer) as path,
        ControlClient(path, timeout=5 if answer is not None else 0.05) as client,
        pytest.raises(error, match=text),
    ):
        client.ask(HealthQuery(), ServiceHealth)


def test_an_answer_of_the_expected_type_is_returned(tmp_path: Path) -> None:
    answer = b'{"version":1,"message":{"type":"changed","count":3}}\n'
    with _answering(tmp_path, answer) as path, ControlClient(path, timeout=5) as client:
        assert client.ask(HealthQuery(), Changed).count == 3
