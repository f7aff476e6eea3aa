"""The running service as its administrator knows it: commands, reload, restarts, reports."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.load import Members
from tests.support.service import MAILDIR, PATIENCE, Service, free_ports, message, smarthost
from tests.support.sink import marked, sink

pytestmark = pytest.mark.real


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for it."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.05)


@pytest.fixture(params=[0, 2], ids=["one process", "two workers"])
def service(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    """A running service with an account, whose next hop is down."""
    (closed,) = free_ports(1)
    made = Service(tmp_path / "service", route=smarthost(closed), workers=request.param)
    made.add_account("alice")
    with made.running():
        yield made


def queue(service: Service, *arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(service.sams("queue", "list", "--json", *arguments).stdout)[
        "messages"
    ]
    return found


def submit(service: Service, count: int = 1) -> None:
    with service.signed_in("alice") as client:
        for number in range(count):
            client.send_message(message("alice@example.org", f"number {number}"))


def test_what_waits_is_listed_shown_held_released_and_deleted(service: Service) -> None:
    submit(service, 3)
    waiting = queue(service)
    assert len(waiting) == 3
    first = str(waiting[0]["id"])
    assert "friend@example.net" in service.sams("queue", "show", first).stdout
    service.sams("queue", "hold", first)
    assert [entry["id"] for entry in queue(service, "--held")] == [first]
    service.sams("queue", "release", first)
    assert queue(service, "--held") == []
    service.sams("queue", "delete", first, "--yes")
    assert [entry["id"] for entry in queue(service)] == [entry["id"] for entry in waiting[1:]]


def test_a_suspension_ends_the_session_and_holds_what_waits(service: Service) -> None:
    submit(service)
    client = service.signed_in("alice")
    service.sams("account", "suspend", "alice", "--reason", "ask the help desk", "--hold-queue")
    until(lambda: len(queue(service, "--held")) == 1, "held")
    with pytest.raises(
        (smtplib.SMTPServerDisconnected, smtplib.SMTPSenderRefused, smtplib.SMTPResponseException)
    ):
        client.send_message(message("alice@example.org"))
    client.close()
    with service.client() as fresh, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        fresh.login("alice", "a-long-enough-secret")
    assert "5.7.13" in str(refused.value)
    assert "ask the help desk" in str(refused.value)
    service.sams("account", "resume", "alice")
    service.signed_in("alice").quit()


def test_health_says_well_and_not_running(service: Service) -> None:
    assert json.loads(service.sams("health", "--json").stdout)
    assert service.stop() == 0
    assert service.sams("health", check=False).returncode == 3
    service.start()


def test_a_reload_takes_a_new_certificate_and_keeps_running_sessions(service: Service) -> None:
    assert service.process is not None
    before = service.signed_in("alice")
    fresh = Authority.make()
    pair = fresh.host("smtp.example.org", "localhost", "127.0.0.1").pairs[0]
    (service.folder / "certificate.pem").write_bytes(pair.chain)
    (service.folder / "key.pem").write_bytes(pair.key)
    service.process.send_signal(signal.SIGHUP)
    until(lambda: '"reloaded"' in service.log, "reloaded")
    service.authority = fresh
    until(lambda: works(service), "the new certificate")
    before.send_message(message("alice@example.org"))
    before.quit()


def works(service: Service) -> bool:
    try:
        service.signed_in("alice").quit()
    except OSError:
        return False
    return True


def test_a_broken_configuration_changes_nothing(service: Service) -> None:
    assert service.process is not None
    service.config.write_text(service.config.read_text() + "\n[nonsense]\nkey = 1\n")
    service.process.send_signal(signal.SIGHUP)
    until(lambda: "the old one goes on" in service.log, "told")
    assert "nonsense" in service.log
    submit(service)


def test_two_services_never_share_one_data_folder(service: Service) -> None:
    service.starttls, service.implicit = free_ports(2)
    service.configure()
    second = service.sams("serve", check=False)
    assert second.returncode != 0
    assert "in use" in second.stdout + second.stderr


def test_a_backup_taken_while_running_is_restored_whole(service: Service, tmp_path: Path) -> None:
    submit(service, 2)
    service.sams("backup", str(tmp_path / "backup"))
    assert service.stop() == 0
    (service.folder / "data").rename(service.folder / "lost")
    service.sams("restore", str(tmp_path / "backup"))
    service.start()
    assert len(queue(service)) == 2
    service.signed_in("alice").quit()


def test_the_doctor_finds_what_is_wrong_and_says_what_to_do(service: Service) -> None:
    told = service.sams("doctor", "--json", check=False)
    findings = json.loads(told.stdout)
    assert told.returncode == 1
    assert "fail" in json.dumps(findings)


def test_a_worker_that_dies_is_replaced_and_loses_nothing(tmp_path: Path) -> None:
    with sink() as hop:
        service = Service(tmp_path / "service", route=smarthost(hop.port), workers=2)
        service.add_account("alice")
        with service.running():
            assert service.process is not None
            members = Members(service, count=4, sizes=(500,))
            members.start()
            for _ in range(4):
                until(lambda: len(service.worker_pids()) == 2, "both workers")
                _some_more(members)
                os.kill(service.worker_pids()[0], signal.SIGKILL)
            until(lambda: len(service.worker_pids()) == 2, "both workers")
            _some_more(members)
            members.stop()
            until(lambda: members.promised <= hop.marks.keys(), "all arrived")
            assert hop.broken == []


def _some_more(members: Members) -> None:
    promised = len(members.promised)
    until(lambda: len(members.promised) >= promised + 5, "mail is taken")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stop_under_load_loses_and_doubles_nothing(tmp_path: Path, workers: int) -> None:
    with sink() as hop:
        service = Service(tmp_path / "service", route=smarthost(hop.port), workers=workers)
        service.add_account("alice")
        members = Members(service, count=4, sizes=(500, 200_000))
        hop.pause = 0.1  # so that at each stop it has mail of which it has not said so yet
        service.start()
        members.start()
        for _ in range(3):
            _some_more(members)
            assert service.stop() == 0
            service.start()
        members.stop()
        until(lambda: members.promised <= hop.marks.keys(), "all arrived")
        assert service.stop() == 0
        assert members.promised
        assert hop.broken == []
        assert {mark: times for mark, times in hop.marks.items() if times > 1} == {}


@pytest.mark.parametrize("workers", [0, 2])
def test_the_service_manager_hears_when_it_is_ready_that_it_lives_and_when_it_stops(
    tmp_path: Path, workers: int
) -> None:
    name = f"sams-test-{os.getpid()}-{workers}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(PATIENCE)
        service = Service(tmp_path / "service", workers=workers)
        service.environment = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "600000"}
        with service.running():
            assert said(manager, b"READY=1") <= {b"WATCHDOG=1"}
            said(manager, b"WATCHDOG=1")
        assert said(manager, b"STOPPING=1") <= {b"WATCHDOG=1"}


def said(manager: socket.socket, wanted: bytes) -> set[bytes]:
    """What was said before this."""
    before = [manager.recv(1_000)]
    while before[-1] != wanted:
        assert len(before) < 20, before
        before.append(manager.recv(1_000))
    return set(before[:-1])


def test_a_refused_recipient_is_reported_to_the_sender(tmp_path: Path) -> None:
    with sink() as hop:
        local = MAILDIR.replace('["*"]', '["example.org"]')
        service = Service(tmp_path / "service", route=local + smarthost(hop.port), workers=0)
        service.add_account("alice")
        hop.refused.add(b"nobody@example.net")
        with service.running():
            with service.signed_in("alice") as client:
                client.sendmail(
                    "alice@example.org",
                    ["nobody@example.net", "friend@example.net"],
                    marked("one", "alice@example.org", b"Hello.\r\n"),
                )
            (report,) = service.delivered(1)
            until(lambda: hop.marks["one"] == 1, "the other one arrived")
        assert "nobody@example.net" in report
        assert "friend@example.net" not in report
        assert "Action: failed" in report
        assert "Status: 5.1.1" in report
        assert "550 5.1.1 nobody here" in report.replace("\n ", " ")
        assert "Return-Path: <>" in report


def test_the_commands_work_on_what_waits_while_the_service_is_down(service: Service) -> None:
    submit(service)
    assert service.stop() == 0
    assert len(queue(service)) == 1
    service.sams("queue", "delete", "--all", "--yes")
    assert queue(service) == []
    service.add_account("bob")
    service.start()
    service.signed_in("bob").quit()
