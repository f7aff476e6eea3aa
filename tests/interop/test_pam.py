"""The real service with the PAM helper beside it: who starts it, who replaces it, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.service import MAILDIR, Service

pytestmark = pytest.mark.real
SERVICE = "sams-no-such-service"
SOURCE = f"""\
[[accounts.source]]
type = "builtin"

[[accounts.source]]
type = "pam"
service = "{SERVICE}"
"""
WORD = "write that file"
"""What the helper says of a service that has no file: it was asked, and answered."""


def until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def helpers(session: int) -> list[int]:
    """The helper's processes of a service, which is a session of its own."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes()
            if (
                b"pam.helper" in command
                and SERVICE.encode() in command
                and os.getsid(int(folder.name)) == session
            ):
                found.append(int(folder.name))
        except (OSError, ValueError):  # no process, or gone meanwhile
            continue
    return sorted(found)


def says(service: Service) -> str:
    return service.sams("account", "test", "alice", "--json", check=False).stdout


@pytest.mark.parametrize(("workers", "processes"), [(2, 1), (0, 2)])
def test_the_helper_lives_as_long_as_the_service(tmp_path: Path, workers: int, processes: int) -> None:
    service = Service(tmp_path / "sams", route=f"{SOURCE}\n{MAILDIR}", workers=workers)
    with service.running():
        assert service.process is not None
        session = service.process.pid
        assert WORD in says(service)
        assert len(helpers(session)) == processes
        victim = helpers(session)[-1]
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(helpers(session)) == processes and victim not in helpers(session))
        assert WORD in says(service)
        if workers:
            assert "a helper ended and is replaced" in service.log
    until(lambda: not helpers(session))


def test_the_helper_ends_with_a_service_that_is_killed(tmp_path: Path) -> None:
    service = Service(tmp_path / "sams", route=f"{SOURCE}\n{MAILDIR}")
    service.start()
    assert service.process is not None
    session = service.process.pid
    os.kill(session, signal.SIGKILL)
    service.process.wait(20)
    until(lambda: not helpers(session))


@pytest.mark.skipif(os.geteuid() != 0, reason="the helper is open to root alone: run this test as root")
def test_no_worker_can_hear_what_others_ask(tmp_path: Path) -> None:
    """The helper's end of the socket is the helper's and the supervisor's alone."""
    service = Service(tmp_path / "sams", route=f"{SOURCE}\n{MAILDIR}")
    with service.running():
        assert service.process is not None
        session = service.process.pid
        (helper,) = helpers(session)
        hearing = str(Path(f"/proc/{helper}/fd/3").readlink())
        workers = Path(f"/proc/{session}/task/{session}/children").read_text().split()
        holders = [pid for pid in workers if hearing in _opened(pid)]
        assert holders == [str(helper)]
        assert all(
            "socket:" in one or "/null" in one or one.endswith("/log") or "pidfd" in one or "eventpoll" in one
            for one in _opened(str(helper))
        )


def test_without_the_service_a_command_has_a_helper_of_its_own(tmp_path: Path) -> None:
    service = Service(tmp_path / "sams", route=f"{SOURCE}\n{MAILDIR}")
    words = json.loads(says(service))["words"]
    assert [word["source"] for word in words] == ["builtin", "pam"]
    assert WORD in words[1]["detail"]


def test_a_reload_that_the_helper_would_not_follow_is_refused(tmp_path: Path) -> None:
    service = Service(tmp_path / "sams", route=f"{SOURCE}\n{MAILDIR}")
    with service.running():
        text = service.config.read_text()
        service.config.write_text(text.replace('type = "pam"\n', 'type = "pam"\ngroup = "mailusers"\n'))
        done = service.sams("reload", check=False)
        assert done.returncode != 0
        assert "group" in done.stderr
        assert "restart" in done.stderr


def _opened(pid: str) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(str(entry.readlink()))
        except OSError:
            continue
    return found
