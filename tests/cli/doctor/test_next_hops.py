from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import trustme

from sams.cli.doctor import next_hops
from sams.cli.doctor.finding import Level
from sams.cli.place import read_config
from sams.config.model import Config, Route
from sams.config.places import HostPort
from tests.cli.desk import Desk

_OFFERS = "SIZE 104857600\nPIPELINING\n8BITMIME\nDSN"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@contextmanager
def _hub(
    offers: str = _OFFERS,
    *,
    context: ssl.SSLContext | None = None,
    greeting: str = "220 hub",
    heard: list[str] | None = None,
) -> Iterator[int]:
    """A next hop on loopback that answers one client, and notes what it `heard`; STARTTLS where it is offered."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection: socket.socket = listener.accept()[0]
        connection.settimeout(10)
        try:
            connection.sendall(f"{greeting}\r\n".encode())
            while command := connection.recv(1_024).decode().strip().upper():
                if heard is not None:
                    heard.append(command)
                if command == "STARTTLS" and context is not None:
                    connection.sendall(b"220 go on\r\n")
                    connection = context.wrap_socket(connection, server_side=True)
                else:
                    connection.sendall(_answer(command, offers))
        except OSError:
            pass
        finally:
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(10)


def _answer(command: str, offers: str) -> bytes:
    if command.startswith("EHLO"):
        lines = ["hub", *offers.split("\n")]
        marks = ["-"] * (len(lines) - 1) + [" "]
        return "".join(f"250{mark}{line}\r\n" for mark, line in zip(marks, lines, strict=True)).encode()
    if command.startswith("AUTH PLAIN"):
        return b"535 5.7.8 no\r\n"
    return b"250 fine\r\n"


def _server_context(ca: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(name).configure_cert(context)
    return context


def _check(desk: Desk, port: int, **settings: object) -> list[tuple[Level, str]]:
    values = {"domains": ("*",), "hosts": (HostPort("127.0.0.1", port),), **settings}
    config: Config = msgspec.structs.replace(read_config(desk.server.config), routes=(Route(**values),))  # type: ignore[arg-type]
    return [(finding.level, finding.what) for finding in next_hops.check(config, timeout=5)]


def _level_of(found: list[tuple[Level, str]], words: str) -> Level:
    (level,) = [level for level, what in found if words in what]
    return level


def test_a_hub_that_takes_less_than_we_do_is_found(desk: Desk) -> None:
    with _hub("SIZE 10240000") as port:
        found = _check(desk, port)
    assert _level_of(found, "takes messages up to 9.8 MiB, we up to 50.0 MiB") is Level.WARN
    assert _level_of(found, "offers no STARTTLS") is Level.WARN


def test_a_good_hub_is_fine(desk: Desk, ca: trustme.CA, tmp_path: Path) -> None:
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    heard: list[str] = []
    with _hub(f"STARTTLS\n{_OFFERS}", context=_server_context(ca, "127.0.0.1"), heard=heard) as port:
        found = _check(desk, port, security="verified", ca_file=tmp_path / "ca.pem")
    assert {level for level, _ in found} == {Level.OK}
    assert heard[-1] == "QUIT"
    assert _level_of(found, "certificate verified") is Level.OK


def test_a_certificate_for_another_name_fails_where_it_is_verified(
    desk: Desk, ca: trustme.CA, tmp_path: Path
) -> None:
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with _hub("STARTTLS", context=_server_context(ca, "other.example")) as port:
        found = _check(desk, port, security="verified", ca_file=tmp_path / "ca.pem")
    assert _level_of(found, "TLS fails") is Level.FAIL


def test_the_same_certificate_is_fine_where_nobody_looks(desk: Desk, ca: trustme.CA) -> None:
    with _hub("STARTTLS", context=_server_context(ca, "other.example")) as port:
        assert _level_of(_check(desk, port, security="required"), "STARTTLS works") is Level.OK


@pytest.mark.parametrize("security", ["required", "verified"])
def test_a_hub_without_the_tls_that_is_needed_fails(desk: Desk, security: str) -> None:
    with _hub() as port:
        assert _level_of(_check(desk, port, security=security), "nothing is sent to it") is Level.FAIL


def test_a_refused_password_is_found(desk: Desk, ca: trustme.CA, tmp_path: Path) -> None:
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("geheim\n")
    settings = {"username": "relay", "password_file": tmp_path / "password", "ca_file": tmp_path / "ca.pem"}
    with _hub("STARTTLS\nAUTH PLAIN", context=_server_context(ca, "127.0.0.1")) as port:
        found = _check(desk, port, security="verified", **settings)
    assert _level_of(found, "refuses our user name and password: 535") is Level.FAIL
    assert "geheim" not in str(found)


@pytest.mark.parametrize("greeting", ["554 go away\x1b[31m", "nonsense", "220-\r\n220"])
def test_a_bad_greeting_is_a_finding_that_is_safe_to_print(desk: Desk, greeting: str) -> None:
    with _hub(greeting=greeting) as port:
        found = _check(desk, port)
    assert found
    assert all("\x1b" not in what for _, what in found)


def test_a_hub_that_is_not_there_is_found(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert _level_of(_check(desk, port), "cannot be reached") is Level.FAIL


def test_a_maildir_that_can_be_made_is_fine(tmp_path: Path) -> None:
    assert next_hops.check_maildir(tmp_path / "Maildir").level is Level.OK
