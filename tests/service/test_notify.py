"""What systemd is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sams.service.notify import ServiceManager


@pytest.mark.parametrize("abstract", [False, True])
def test_each_state_is_told_to_the_managers_socket(tmp_path: Path, abstract: bool) -> None:
    path = f"@sams-test-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(10.0)
        receiver.bind("\0" + path[1:] if abstract else path)
        manager = ServiceManager.from_environment({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"})
        assert manager.watchdog == 30.0
        manager.ready()
        manager.reloading(12.5)
        manager.alive()
        manager.stopping()
        manager.ready("refused: sams.toml:3\nREADY=0\n" + "x" * 1_000)
        told = [receiver.recv(2_000) for _ in range(5)]
    assert told[:4] == [b"READY=1", b"RELOADING=1\nMONOTONIC_USEC=12500000", b"WATCHDOG=1", b"STOPPING=1"]
    ready, status = told[4].split(b"\n")
    assert ready == b"READY=1"
    assert status.startswith(b"STATUS=refused: sams.toml:3 READY=0 xxx")
    assert len(status) < 520


def test_without_a_manager_nobody_is_told() -> None:
    ServiceManager.from_environment({}).ready()


def test_a_manager_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "nobody")).ready()
