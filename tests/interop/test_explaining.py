"""The real service is talked to as programs talk that are set up wrongly, and says what was wrong."""

from __future__ import annotations

import contextlib
import json
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import PASSWORD, PATIENCE, Service, free_ports, message, smarthost

pytestmark = pytest.mark.real

LOCAL = "127.0.0.1"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service with accounts, whose next hop is down."""
    (closed,) = free_ports(1)
    made = Service(tmp_path_factory.mktemp("service") / "it", route=smarthost(closed))
    for login in ("alice", "bob", "carol", "dave"):
        made.add_account(login)
    with made.running():
        yield made


def explained(service: Service, what: str, since: float) -> list[dict[str, Any]]:
    lines = service.sams("activity", "explain", what, "--json", "--limit", "20").stdout.splitlines()
    return [one for one in map(json.loads, lines) if one["begun"] >= since]


def verdict_of(service: Service, what: str, since: float, expected: str) -> dict[str, Any]:
    """The story with this verdict, once the journal has it: of the one connection since then."""
    end = time.monotonic() + PATIENCE
    while True:
        found = explained(service, what, since)
        if any(one["verdict"]["kind"] == expected for one in found):
            return next(one for one in found if one["verdict"]["kind"] == expected)
        assert time.monotonic() < end, (expected, found)
        time.sleep(0.2)


def _kinds(story: dict[str, Any]) -> list[str]:
    return [stage["kind"] for stage in story["stages"]]


def _speak(port: int, *lines: bytes) -> None:
    """In clear: read a line, say one, and so on, as long as somebody answers."""
    with socket.create_connection((LOCAL, port), PATIENCE) as peer, contextlib.suppress(OSError):
        answers = peer.makefile("rb")
        answers.readline()
        for line in lines:
            peer.sendall(line + b"\r\n")
            while answers.readline()[3:4] == b"-":
                pass


def _plain_text_to_tls(service: Service) -> None:
    with socket.create_connection((LOCAL, service.implicit), PATIENCE) as peer, contextlib.suppress(OSError):
        peer.sendall(b"EHLO laptop\r\n")
        peer.recv(1_000)


def _tls_to_plain(service: Service) -> None:
    with (
        socket.create_connection((LOCAL, service.starttls), PATIENCE) as peer,
        contextlib.suppress(ssl.SSLError, OSError),
    ):
        service.trust().wrap_socket(peer, server_hostname="localhost")


def _distrust(service: Service) -> None:
    with (
        socket.create_connection((LOCAL, service.implicit), PATIENCE) as peer,
        contextlib.suppress(ssl.SSLError, OSError),
    ):
        ssl.create_default_context().wrap_socket(peer, server_hostname="localhost")


def _in_tls(service: Service, *commands: str) -> None:
    client = service.client()
    with client, contextlib.suppress(smtplib.SMTPException):
        for command in commands:
            client.docmd(command)


def _clear(*lines: bytes) -> Callable[[Service], None]:
    return lambda service: _speak(service.starttls, *lines)


@pytest.mark.parametrize(
    ("talk", "kind"),
    [
        pytest.param(_plain_text_to_tls, "tls-failed-plain-text", id="plain text to the TLS port"),
        pytest.param(_tls_to_plain, "tls-failed-tls-to-plain", id="TLS to the plain port"),
        pytest.param(_distrust, "tls-failed-not-trusted", id="a certificate that is not trusted"),
        pytest.param(_clear(b"EHLO pc", b"QUIT"), "left-without-tls", id="STARTTLS hidden"),
        pytest.param(_clear(b"HELO pc", b"QUIT"), "left-without-tls-helo", id="HELO"),
        pytest.param(_clear(b"EHLO pc", b"XXXXXXXX", b"QUIT"), "starttls-mangled", id="STARTTLS mangled"),
        pytest.param(_clear(b"EHLO pc", b"AUTH PLAIN AGEAYg==", b"QUIT"), "sign-in-without-tls", id="538"),
        pytest.param(_clear(b"EHLO pc", b"MAIL FROM:<a@b.c>", b"QUIT"), "mail-without-tls", id="530"),
        pytest.param(
            _clear(b"EHLO pc", b"STARTTLS", b"EHLO pc"), "tls-failed-plain-text-after-starttls", id="220"
        ),
        pytest.param(_clear(b"GET / HTTP/1.1"), "not-smtp", id="a browser"),
        pytest.param(_clear(), "left-at-once", id="a scan"),
        pytest.param(lambda one: _in_tls(one, "QUIT"), "left-without-sign-in", id="no sign-in"),
        pytest.param(
            lambda one: _in_tls(one, "MAIL FROM:<a@b.c>", "QUIT"),
            "mail-without-sign-in",
            id="no authentication",
        ),
        pytest.param(lambda one: _in_tls(one, "AUTH NTLM", "QUIT"), "mechanism-not-offered", id="NTLM"),
        pytest.param(
            lambda one: _in_tls(one, "AUTH PLAIN", "*", "QUIT"), "sign-in-cancelled", id="cancelled"
        ),
    ],
)
def test_a_program_that_is_set_up_wrongly_is_told_what_is_wrong(
    service: Service, talk: Callable[[Service], None], kind: str
) -> None:
    since = time.time() - 0.001
    talk(service)
    story = verdict_of(service, LOCAL, since, kind)
    assert story["verdict"]["remedy"] or kind == "left-at-once"
    assert story["ended"]


def test_a_wrong_password_is_told_with_its_reference(service: Service) -> None:
    since = time.time() - 0.001
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        service.signed_in("bob", "not-the-password")
    reply = refused.value.smtp_error
    reference = str(reply.decode() if isinstance(reply, bytes) else reply).rpartition("(ref ")[2].rstrip(")")
    story = verdict_of(service, reference, since, "sign-in-wrong")
    assert story["login"] == "bob"
    assert _kinds(story)[:3] == ["connected-starttls", "greeted", "tls"]
    assert reference in service.sams("activity", "explain", "bob").stdout


def test_a_login_that_nobody_has_is_told_to_administrators(service: Service) -> None:
    since = time.time() - 0.001
    with pytest.raises(smtplib.SMTPAuthenticationError):
        service.signed_in("nobody-here")
    assert "no account" in verdict_of(service, "nobody-here", since, "sign-in-unknown")["verdict"]["sentence"]


def test_a_suspended_account_is_told(service: Service) -> None:
    since = time.time() - 0.001
    service.sams("account", "suspend", "dave", "--reason", "left")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        service.signed_in("dave")
    verdict_of(service, "dave", since, "sign-in-suspended")
    assert any("account-changed" in _kinds(one) for one in explained(service, "dave", since))


def test_an_app_password_is_told(service: Service) -> None:
    since = time.time() - 0.001
    made = json.loads(
        service.sams("account", "app-password", "add", "carol", "--name", "phone", "--json").stdout
    )
    with service.signed_in("carol", made["password"]):
        pass
    story = verdict_of(service, "carol", since, "nothing-sent")
    assert "signed-in-app-password" in _kinds(story)


def test_a_sender_that_is_not_the_members_is_told_at_both_places(service: Service) -> None:
    since = time.time() - 0.001
    with service.signed_in("bob") as client, pytest.raises(smtplib.SMTPSenderRefused):
        client.send_message(message("alice@example.org"))
    assert "alice@example.org" in verdict_of(service, "bob", since, "sender-refused")["verdict"]["sentence"]
    with service.signed_in("bob") as client, pytest.raises(smtplib.SMTPDataError):
        client.sendmail(
            "bob@example.org", ["x@example.net"], message("alice@example.org").as_bytes(policy=SMTP)
        )
    verdict_of(service, "bob", since, "from-refused")


def test_a_message_whose_connection_is_lost_is_told(service: Service) -> None:
    since = time.time() - 0.001
    client = service.signed_in("bob")
    for command in ("MAIL FROM:<bob@example.org>", "RCPT TO:<x@example.net>", "DATA"):
        client.docmd(command)
    client.close()
    verdict_of(service, "bob", since, "message-lost")


def test_what_was_accepted_waits_for_its_next_hop(service: Service) -> None:
    since = time.time() - 0.001
    with service.signed_in("alice") as client:
        client.send_message(message("alice@example.org"))
    verdict_of(service, "alice", since, "verdict-on-its-way")
    end = time.monotonic() + PATIENCE
    while True:
        (story,) = explained(service, "alice", since)
        if "waiting-again" in _kinds(story):
            break
        assert time.monotonic() < end, story
        time.sleep(0.2)
    (accepted,) = [stage for stage in story["stages"] if stage["kind"] == "accepted"]
    assert "deferred-not-reached" in _kinds(story)
    for name in (accepted["facts"]["message"], "friend@example.net", story["session"]):
        assert [one["session"] for one in explained(service, name, since)] == [story["session"]]


def test_what_was_delivered_is_told_with_the_next_hops_words(tmp_path: Path) -> None:
    since = time.time() - 0.001
    made = Service(tmp_path / "service")
    made.add_account("alice")
    with made.running():
        with made.signed_in("alice", PASSWORD) as client:
            client.send_message(message("alice@example.org"))
        made.delivered(1)
        story = verdict_of(made, "alice", since, "verdict-delivered")
    (delivered,) = [stage for stage in story["stages"] if stage["kind"] == "delivered"]
    assert delivered["facts"]["first"] == "friend@example.net"
    assert delivered["facts"]["reply"].startswith("250 ")
