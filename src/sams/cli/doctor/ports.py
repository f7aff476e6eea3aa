"""The ports: answered by the running service, or free for it to take."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator

from sams.cli.doctor.finding import Finding, fail, ok, warn
from sams.config.model import Config, Listener

_SECONDS = 5.0
_LINE = 2_048


def check(config: Config, *, running: bool) -> Iterator[Finding]:
    """Each listener."""
    for listener in config.listeners:
        yield check_answered(listener) if running else check_free(listener)


def check_answered(listener: Listener, seconds: float = _SECONDS) -> Finding:
    """Whether somebody takes a connection there, within so many seconds."""
    subject = _subject(listener)
    target = (_reachable(listener.address), listener.port)
    try:
        with socket.create_connection(target, seconds) as connection:
            _take_leave(connection, listener)
    except OSError as error:
        what = f"the service runs, but {target[0]} takes no connection: {error.strerror or error}"
        return fail(subject, what, "see the service's log and `sams health`; a new listener needs a restart")
    if listener.proxy_protocol:
        return ok(subject, f"takes connections, and serves those from {', '.join(listener.proxy_from)}")
    return ok(subject, "takes connections; that others reach it is up to firewalls on the way")


def check_free(listener: Listener) -> Finding:
    """Whether the service could take it."""
    subject = _subject(listener)
    try:
        _bind(listener)
    except OSError as error:
        return _refused(subject, listener, error)
    return ok(subject, "free; the service does not run")


def _take_leave(connection: socket.socket, listener: Listener) -> None:
    """Say QUIT, so that this is no lost session in journal, log and metrics; to who speaks PROXY first, nothing."""
    if listener.proxy_protocol:
        return
    with contextlib.suppress(OSError):  # it took the connection, and that was asked
        if listener.security == "starttls":
            _quit(connection)
            return
        with _blind().wrap_socket(connection) as secured:
            _quit(secured)


def _quit(connection: socket.socket) -> None:
    """Greeting and goodbye are one line each."""
    connection.recv(_LINE)
    connection.sendall(b"QUIT\r\n")
    connection.recv(_LINE)


def _blind() -> ssl.SSLContext:
    """TLS with whatever certificate there is: `certificate.py` looks at that."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _refused(subject: str, listener: Listener, error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE:
        what = "another program has it, and the service will not start"
        return fail(subject, what, f"see which: ss -ltnp 'sport = :{listener.port}'")
    if error.errno in {errno.EACCES, errno.EPERM}:
        what = "only root may take it, so that cannot be looked at by this user"
        return warn(subject, what, "run `sams doctor` as root")
    if error.errno == errno.EADDRNOTAVAIL:
        what = f"this machine does not have the address {listener.address}"
        return fail(subject, what, "correct [[listener]] address, or set up the address")
    return fail(subject, f"cannot be taken: {error.strerror}", "correct [[listener]]")


def _bind(listener: Listener) -> None:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, listener.address != "::")
        probe.bind((listener.address, listener.port))
        probe.listen(1)


def _subject(listener: Listener) -> str:
    return f"port {listener.port} ({listener.security})"


def _reachable(address: str) -> str:
    return {"::": "localhost", "0.0.0.0": "127.0.0.1"}.get(address, address)  # noqa: S104 - compared, never bound
