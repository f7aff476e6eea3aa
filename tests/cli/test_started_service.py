"""The commands against the real service, as an administrator runs them."""

from __future__ import annotations

import json
import os
import smtplib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sams.cli.sendmail.failure import SysExit
from sams.identity.passwords.foreign.libcrypt import LibCrypt
from tests.support.service import PASSWORD, PATIENCE, Service, smarthost

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose next hop is never there: what is sent waits."""
    service = Service(tmp_path_factory.mktemp("started") / "server", route=smarthost(9), workers=2)
    service.add_account("alice", "alice@example.org")
    password = service.folder / "password"
    password.touch(mode=0o600)
    password.write_text(f"{PASSWORD}\n")
    (service.folder / "sendmail.toml").write_text(
        'login = "alice"\npassword_file = "password"\nfrom = "alice@example.org"\nname = "smtp.example.org"\n'
        f'address = "127.0.0.1"\nport = {service.starttls}\nca_file = "ca.pem"\n'
    )
    with service.running():
        yield service


def _sendmail(
    server: Service, *arguments: str, text: str = "Subject: x\n\nHello\n"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sams", "sendmail", *arguments],
        input=text,
        text=True,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "SAMS_SENDMAIL": str(server.folder / "sendmail.toml")},
    )


def _queue(server: Service, *filters: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(server.sams("queue", "list", "--json", *filters).stdout)[
        "messages"
    ]
    return found


def test_sendmail_submits_what_cron_writes(server: Service) -> None:
    text = "From: root (Cron Daemon)\nTo: root\nSubject: Cron\n\noutput\n.\nmore\n"
    sent = _sendmail(server, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "cron-user", text=text)
    assert (sent.returncode, sent.stderr) == (SysExit.OK, "")
    (message,) = _queue(server, "--recipient", "cron-user@example.org")
    assert message["sender"] == "alice@example.org"


def test_sendmail_takes_recipients_from_the_header_over_implicit_tls(server: Service) -> None:
    settings = (server.folder / "sendmail.toml").read_text()
    other = server.folder / "implicit.toml"
    other.write_text(
        settings.replace(f"port = {server.starttls}", f'port = {server.implicit}\nsecurity = "implicit"')
    )
    text = "To: one@implicit.example\nBcc: two@implicit.example\nFrom: alice@example.org\n\nHello\n"
    sent = _sendmail(
        server, "-t", "-C", str(other), "-N", "failure,delay", "-R", "hdrs", "-V", "a+b", text=text
    )
    assert sent.returncode == SysExit.OK, sent.stderr
    (message,) = _queue(server, "--recipient", "*@implicit.example")
    assert message["recipient_count"] == 2
    assert message["envid"] == "a+b"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (('login = "alice"', 'login = "mallory"'), SysExit.NOPERM, "535"),
        (('from = "alice@example.org"', 'from = "bob@example.org"'), SysExit.UNAVAILABLE, "553"),
        (('name = "smtp.example.org"', 'name = "other.example"'), SysExit.CONFIG, "certificate"),
        (('ca_file = "ca.pem"', ""), SysExit.CONFIG, "certificate"),
        (('password_file = "password"', 'password_file = "none"'), SysExit.CONFIG, "cannot be read"),
    ],
)
def test_sendmail_says_why_nothing_was_sent(
    server: Service, tmp_path: Path, change: tuple[str, str], code: SysExit, said: str
) -> None:
    text = (server.folder / "sendmail.toml").read_text().replace(*change)
    for name in ("password", "ca.pem"):
        text = text.replace(f'"{name}"', f'"{server.folder / name}"')
    (tmp_path / "sendmail.toml").write_text(text)
    sent = _sendmail(server, "-C", str(tmp_path / "sendmail.toml"), "x@refused.example")
    assert (sent.returncode, said in sent.stderr) == (code, True), sent.stderr
    assert PASSWORD not in sent.stderr
    assert _queue(server, "--recipient", "*@refused.example") == []


def test_a_service_that_is_not_there_is_a_reason_to_try_again(server: Service, tmp_path: Path) -> None:
    text = (server.folder / "sendmail.toml").read_text().replace(f"port = {server.starttls}", "port = 1")
    for name in ("password", "ca.pem"):
        text = text.replace(f'"{name}"', f'"{server.folder / name}"')
    (tmp_path / "sendmail.toml").write_text(text)
    sent = _sendmail(server, "-C", str(tmp_path / "sendmail.toml"), "x@example.net")
    assert sent.returncode == SysExit.TEMPFAIL


def test_the_queue_is_changed_while_the_service_runs(server: Service) -> None:
    for _ in range(3):
        assert _sendmail(server, "x@running.example").returncode == SysExit.OK
    mine = ("--recipient", "*@running.example")
    first = str(_queue(server, *mine)[0]["id"])
    assert json.loads(server.sams("queue", "hold", first, "--json").stdout) == {"changed": 1}
    assert [message["id"] for message in _queue(server, "--held")] == [first]
    assert "held" in server.sams("queue", "show", first).stdout
    assert server.sams("queue", "delete", *mine, check=False).returncode == 2
    assert json.loads(server.sams("queue", "delete", *mine, "--yes", "--json").stdout) == {"changed": 3}
    assert _queue(server, *mine) == []


def test_a_suspension_is_in_force_at_once(server: Service) -> None:
    server.add_account("dora")
    client = server.signed_in("dora")
    server.sams("account", "suspend", "Dora", "--reason", "on leave")
    until = time.monotonic() + PATIENCE
    while client.noop()[0] == 250:
        assert time.monotonic() < until
    client.close()
    assert "on leave" in server.sams("account", "show", "dora").stdout
    server.sams("account", "resume", "dora")
    server.signed_in("dora").quit()


def test_an_app_password_is_made_used_seen_and_revoked_while_the_service_runs(server: Service) -> None:
    server.add_account("erik")
    command = "account", "app-password"
    added = json.loads(server.sams(*command, "add", "erik", "--name", "phone", "--json").stdout)
    client = server.signed_in("erik", added["password"].upper())
    until = time.monotonic() + PATIENCE
    while "127.0.0.1" not in (listed := server.sams(*command, "list", "erik").stdout):
        assert time.monotonic() < until, listed
    server.sams(*command, "revoke", "erik", "phone")
    while client.noop()[0] == 250:
        assert time.monotonic() < until
    client.close()
    with pytest.raises(smtplib.SMTPAuthenticationError):
        server.signed_in("erik", added["password"])
    server.signed_in("erik").quit()


def test_a_device_of_the_running_service_signs_in_from_its_networks_alone(server: Service) -> None:
    options = "--owner", "alice", "--address", "printer@example.org", "--network", "127.0.0.1"
    added = json.loads(server.sams("device", "add", "printer", *options, "--json").stdout)
    server.signed_in("printer", added["password"]).quit()
    server.sams("device", "change", "printer", "--network", "192.0.2.0/24")
    with pytest.raises(smtplib.SMTPAuthenticationError, match="other networks"):
        server.signed_in("printer", added["password"])


def test_the_service_tells_how_it_is(server: Service) -> None:
    found = json.loads(server.sams("health", "--json", check=False).stdout)
    assert [worker["number"] for worker in found["workers"]] == [0, 1]
    assert all(worker["ready"] for worker in found["workers"])


def test_a_next_hop_that_is_not_there_is_told_wherever_somebody_asks_why_mail_waits(server: Service) -> None:
    route = "127.0.0.1:9"
    assert _sendmail(server, "x@down.example").returncode == SysExit.OK
    until = time.monotonic() + PATIENCE
    while not (found := json.loads(server.sams("health", "--json", check=False).stdout))["routes_down"]:
        assert time.monotonic() < until, found
    (problem,) = [one for one in found["problems"] if route in one]
    assert " is down since 20" in problem
    assert "451 4.4.1 " in problem
    assert problem.endswith("; run `sams doctor`")
    (message,) = _queue(server, "--recipient", "*@down.example")
    shown = server.sams("queue", "show", str(message["id"])).stdout
    assert f"route {route}  down since 20" in shown
    assert f"route {route} is down since 20" in server.sams("queue", "list").stdout
    assert "down since 20" in server.sams("queue", "depth").stdout
    while f'sams_route_up{{route="{route}"}} 0.0' not in (told := server.sams("metrics").stdout):
        assert time.monotonic() < until, told


def test_a_story_is_told_while_the_service_runs(server: Service) -> None:
    assert _sendmail(server, "x@story.example").returncode == SysExit.OK
    (message,) = _queue(server, "--recipient", "*@story.example")
    until = time.monotonic() + PATIENCE
    while "accepted as" not in (
        told := server.sams("activity", "show", str(message["id"]), check=False).stdout
    ):
        assert time.monotonic() < until, told
    assert "signed in as alice" in told


def test_members_of_another_system_sign_in_with_their_passwords_once_they_are_imported(
    server: Service, tmp_path: Path
) -> None:
    """The hash is that of `PASSWORD`; the first sign-in replaces it."""
    hashed = LibCrypt().crypt(PASSWORD.encode(), b"$2b$04$abcdefghijklmnopqrstuu")
    assert hashed is not None
    (tmp_path / "htpasswd").write_text(f"imported:{hashed.decode()}\nbroken:nonsense\n")
    said = server.sams("account", "import", str(tmp_path / "htpasswd"), check=False)
    assert said.returncode == 1
    assert "line 2: broken: refused" in said.stdout
    server.signed_in("imported").quit()
    with closing(sqlite3.connect(server.folder / "data" / "accounts.db")) as connection:
        ((stored,),) = connection.execute("SELECT password FROM accounts WHERE login = 'imported'").fetchall()
    assert stored.startswith("$argon2id$")
    until = time.monotonic() + PATIENCE
    while "imported by" not in (told := server.sams("activity", "show", "imported", check=False).stdout):
        assert time.monotonic() < until, told


def test_a_password_that_is_guessed_at_once_is_refused_by_the_service(server: Service) -> None:
    for word in ("Password1!", "example-2025"):
        said = server.sams("account", "passwd", "alice", "--password-stdin", text=f"{word}\n", check=False)
        assert said.returncode == 1
        assert "guessed too soon" in said.stderr
        assert word not in said.stderr


def test_a_backup_of_the_running_service_can_be_restored(server: Service, tmp_path: Path) -> None:
    assert _sendmail(server, "x@backup.example").returncode == SysExit.OK
    server.sams("backup", str(tmp_path / "copy"))
    other = Service(tmp_path / "other")
    other.sams("restore", str(tmp_path / "copy"))
    assert len(_queue(other, "--recipient", "*@backup.example")) == 1
    assert "alice@example.org" in other.sams("account", "list").stdout
