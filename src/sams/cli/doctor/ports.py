"""The ports: answered by the running service, or free for it to take."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from sams.cli.doctor.finding import Finding, fail, ok, warn
from sams.config.model import Config, Listener

_SECONDS = 5.0


def check(config: Config, *, running: bool) -> Iterator[Finding]:
    """Each listener."""
    for listener in config.listeners:
        yield check_answered(listener) if running else check_free(listener)


def check_answered(listener: Listener) -> Finding:
    """Whether somebody takes a connection there."""
    subject = _subject(listener)
    target = (_reachable(listener.address), listener.port)
    try:
        socket.create_connection(target, _SECONDS).close()
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
