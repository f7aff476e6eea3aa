"""R4: a full disk is a temporary state, and queued mail still leaves."""

from __future__ import annotations

import contextlib
import os
import smtplib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import PATIENCE, Service, free_ports, smarthost
from tests.support.sink import Sink, marked, sink

pytestmark = [
    pytest.mark.real,
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", str(folder)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(client: smtplib.SMTP, size: int) -> tuple[int, smtplib.SMTPDataError | smtplib.SMTPSenderRefused]:
    """Send until the disk is full: how many got their 250, and the refusal."""
    line = b"x" * 70 + b"\r\n"
    for sent in range(1_000):
        try:
            client.sendmail(
                "alice@example.org",
                ["x@example.net"],
                marked(str(sent), "alice@example.org", line * (size // 72)),
            )
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as refusal:
            return sent, refusal
    raise AssertionError("the disk was never full")


@pytest.mark.parametrize("size", [60_000, 2_000_000])
def test_a_full_disk_is_told_and_what_waits_leaves_when_the_next_hop_comes(
    small_disk: Path, size: int
) -> None:
    (port,) = free_ports(1)
    service = Service(small_disk / "service", route=smarthost(port), workers=0)
    service.limits = "recipients_per_hour = 100000"
    service.configure()
    service.add_account("alice")
    with service.running():
        with service.signed_in("alice") as client:
            sent, refusal = fill(client, size)
            assert sent > 3
            assert refusal.smtp_code == 452
            assert "4.3.1" in str(refusal.smtp_error)
            assert client.noop()[0] == 250
        with sink(port) as hop:
            service.sams("queue", "retry", "--all")
            wait_for(hop, sent)
            send_when_there_is_room(service)
            wait_for(hop, sent + 1)
        assert hop.broken == []


def send_when_there_is_room(service: Service) -> None:
    """As a mail program does, which tries again: what has left is struck from the disk a moment later."""
    until = time.monotonic() + PATIENCE
    while (refusal := try_to_send(service)) is not None:
        assert 400 <= refusal.smtp_code < 500, refusal
        assert time.monotonic() < until, f"{refusal}\n{service.log}"
        time.sleep(0.2)


def try_to_send(service: Service) -> smtplib.SMTPDataError | smtplib.SMTPSenderRefused | None:
    with service.signed_in("alice") as client:
        try:
            client.sendmail("alice@example.org", ["x@example.net"], marked("later", "alice@example.org", b""))
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as refusal:
            return refusal
    return None


def test_a_disk_that_others_filled_is_told_by_health_until_there_is_room_again(small_disk: Path) -> None:
    service = Service(small_disk / "service", workers=0)
    service.add_account("alice")
    with service.running():
        assert service.sams("health", check=False).returncode == 0
        others = small_disk / "others"
        with contextlib.suppress(OSError), others.open("wb", 0) as file:
            while True:
                file.write(bytes(65_536))
        time.sleep(1.1)  # it is looked at once a second
        told = service.sams("health", check=False)
        assert (told.returncode, "new mail is refused" in told.stdout) == (1, True), told.stdout
        others.unlink()
        time.sleep(1.1)
        assert service.sams("health", check=False).returncode == 0


def wait_for(hop: Sink, count: int) -> None:
    until = time.monotonic() + PATIENCE
    while len(hop.marks) < count:
        assert time.monotonic() < until, f"{len(hop.marks)} of {count} messages arrived"
        time.sleep(0.05)
    assert len(hop.marks) == count
