"""Unix sockets below the data folder, however long its path is.

The address of a Unix socket holds 107 octets; a path that is longer goes through the folder's descriptor in
/proc/self/fd (unix(7), proc(5)).
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from sams.core.errors import OperatorError

FOLDER = "control"
SERVICE = "service.sock"
_MAX_ADDRESS = 107
_FOLDER_MODE = 0o711
_MODE = 0o666
"""Who may ask what is decided by the peer's uid; the mode only lets it ask."""
_PROBE_SECONDS = 2.0


def service_path(data_dir: Path) -> Path:
    """Where the service as a whole is asked: its first worker listens there."""
    return data_dir / FOLDER / SERVICE


def worker_path(data_dir: Path, number: int) -> Path:
    """Where worker `number`, counted from 0, listens."""
    return data_dir / FOLDER / f"worker-{number}.sock"


def worker_paths(data_dir: Path) -> list[Path]:
    """The workers' sockets that are there; some may be left over from a service that died.

    Raises:
        PermissionError: the folder may not be read.
    """
    try:
        return sorted((data_dir / FOLDER).glob("worker-*.sock"))
    except (FileNotFoundError, NotADirectoryError):
        return []


def connect(path: Path, timeout: float) -> socket.socket:
    """A blocking connection with a time-out in seconds for every step.

    Raises:
        OSError: nobody listens (FileNotFoundError, ConnectionRefusedError), or it may not be reached.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        with _address(path) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def connect_at_once(path: Path) -> socket.socket:
    """A connection that never blocks, for an event loop.

    Raises:
        BlockingIOError: more connections wait there than are let in.
        OSError: nobody listens, or it may not be reached.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with _address(path) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def listen(path: Path, backlog: int) -> socket.socket:
    """A listening socket at `path`, in a folder that is made where it is missing.

    A socket left over from a process that died is replaced.

    Raises:
        OperatorError: somebody listens there already, or something else has this name.
        OSError: the folder or the socket cannot be made.
    """
    _make(path.parent)
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(path) as address:
            listener.bind(address)
        path.chmod(_MODE)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _make(folder: Path) -> None:
    """Passable for everybody whatever the umask; the data folder's own mode decides who gets here."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(_FOLDER_MODE)


def _clear(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise OperatorError(f"{path} is no socket: move it away and start again")
    try:
        connect(path, _PROBE_SECONDS).close()
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
        return
    raise OperatorError(f"a service listens on {path} already: stop it first")


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    if len(os.fsencode(path)) <= _MAX_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
