"""The end of a command: one connection, one question at a time, every wait with an end."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from sams.control import sockets, wire
from sams.control.messages import Failure, Request, Response, Trouble
from sams.control.operations import NotPermitted, NotRunning
from sams.core.errors import OperatorError

ANSWER_SECONDS = 30.0
LONG_SECONDS = 3_600.0
"""For what copies or walks a whole queue."""

Expected = TypeVar("Expected", bound=Response)


class ControlClient:
    """A connection to one control socket.

    Args:
        path: of the socket.
        timeout: seconds for an answer.

    Raises:
        NotRunning: nobody listens; the file may be missing, or left over.
        NotPermitted: the folder is closed to this user.
    """

    def __init__(self, path: Path, timeout: float = ANSWER_SECONDS) -> None:
        self._path = path
        self._timeout = timeout
        self._connection = _connect(path, timeout)
        self._reader = self._connection.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._reader.close()
        self._connection.close()

    def ask(self, request: Request, expected: type[Expected], timeout: float | None = None) -> Expected:
        """Ask, and wait for an answer of the expected type.

        Raises:
            NotRunning: the service ended before it answered.
            NotPermitted: this user may not ask that.
            OperatorError: it was refused or failed, the versions differ, or no answer came in time.
        """
        self._connection.settimeout(self._timeout if timeout is None else timeout)
        response = self._exchange(wire.encode(request))
        if isinstance(response, Failure):
            raise _error_of(response)
        if not isinstance(response, expected):
            raise OperatorError(f"{self._path.name} gave an answer to another question: restart the service")
        return response

    def _exchange(self, line: bytes) -> Response:
        try:
            answer = self._send_and_read(line)
        except TimeoutError:
            raise OperatorError(f"{self._path.name} gave no answer in time: see `sams health`") from None
        except OSError as error:
            raise NotRunning(f"{self._path.name} broke off before it answered: {error.strerror}") from None
        if not answer.endswith(b"\n"):
            raise NotRunning(f"{self._path.name} ended before it answered: see the service's log")
        try:
            return wire.decode_response(answer)
        except wire.WireError as error:
            raise OperatorError(error.text) from None

    def _send_and_read(self, line: bytes) -> bytes:
        """What the service said before it hung up is read even where it did not read all of ours."""
        try:
            self._connection.sendall(line)
        except (BrokenPipeError, ConnectionResetError):
            return self._reader.readline(wire.MAX_LINE)
        return self._reader.readline(wire.MAX_LINE)


def is_running(data_dir: Path) -> bool:
    """Whether a service listens for commands on this data folder.

    Raises:
        NotPermitted: the folder is closed to this user.
        OperatorError: only workers listen: it starts or stops just now.
    """
    if _listens(sockets.service_path(data_dir)):
        return True
    if any(_listens(path) for path in sockets.worker_paths(data_dir)):
        raise OperatorError("the service starts or stops just now: try again in some seconds")
    return False


def _listens(path: Path) -> bool:
    try:
        _connect(path, ANSWER_SECONDS).close()
    except NotRunning:
        return False
    return True


def _connect(path: Path, timeout: float) -> socket.socket:
    try:
        return sockets.connect(path, timeout)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise NotRunning(
            f"no service runs on {path.parent.parent}: start it with `sams serve`, or name another --config"
        ) from None
    except PermissionError:
        raise NotPermitted(
            f"you may not reach {path}: run this as root or as the service's own user"
        ) from None
    except TimeoutError:
        raise OperatorError(f"{path.name} takes no connection in time: see the service's log") from None


def _error_of(failure: Failure) -> OperatorError:
    if failure.trouble is Trouble.FORBIDDEN:
        return NotPermitted(failure.text)
    return OperatorError(failure.text)
