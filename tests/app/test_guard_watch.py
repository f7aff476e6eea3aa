"""What the guard knows is written now and then, outlives a restart, and is told to people."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from sams.activity.events import GuardLocked
from sams.app.guard_watch import SAVE_EVERY, GuardKeeper, alarm_text, kept_guard
from sams.core.clock import SystemClock
from sams.identity.guard.file import guard_path, read_guard
from sams.identity.guard.interface import GuardSettings, SignInAttempt
from sams.identity.guard.memory import GuardMemory
from sams.identity.guard.shared_guard import SharedGuard
from tests.support.service import PATIENCE, Service

CAFE = "198.51.100.7"


def keeper(folder: Path, memory: GuardMemory) -> GuardKeeper:
    log = structlog.wrap_logger(structlog.testing.CapturingLogger(), processors=[])
    return GuardKeeper(memory, folder, SystemClock(), log)


def lock_somebody(memory: GuardMemory) -> None:
    guard = SharedGuard(memory, SystemClock(), GuardSettings(pair_failures=1))
    guard.failed(SignInAttempt(CAFE, "alice", "wrong"), 1)


def test_it_is_written_once_a_minute_where_something_changed_and_at_the_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        memory = GuardMemory(slots=64)
        one = keeper(tmp_path, memory)
        for _ in range(2 * SAVE_EVERY):
            one.beat()
        await asyncio.sleep(0)
        assert not guard_path(tmp_path).exists(), "nothing changed"
        lock_somebody(memory)
        await one.close()
        first = guard_path(tmp_path).stat()
        await one.close()
        assert guard_path(tmp_path).stat().st_ino == first.st_ino, "nothing changed since"
        memory.note_change()
        for _ in range(SAVE_EVERY):
            one.beat()
        await one.close()
        assert guard_path(tmp_path).stat().st_ino != first.st_ino

    asyncio.run(scenario())
    assert read_guard(guard_path(tmp_path)) is not None


def test_what_cannot_be_written_is_said_once_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"

    async def scenario() -> list[Any]:
        memory = GuardMemory(slots=64)
        lock_somebody(memory)
        logger = structlog.testing.CapturingLogger()
        one = GuardKeeper(memory, folder, SystemClock(), structlog.wrap_logger(logger, processors=[]))
        await one.close()
        await one.close()
        folder.mkdir()
        await one.close()
        return logger.calls

    calls = asyncio.run(scenario())
    assert [call.method_name for call in calls] == ["warning"]
    assert guard_path(folder).exists()


def test_a_damaged_file_begins_empty_and_says_so(tmp_path: Path) -> None:
    guard_path(tmp_path).write_bytes(b"nonsense")
    logger = structlog.testing.CapturingLogger()
    memory = kept_guard(tmp_path, SystemClock(), structlog.wrap_logger(logger, processors=[]))
    assert list(memory.noted_locks()) == []
    assert "damaged" in logger.calls[0].kwargs["why"]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (GuardLocked("network", "", "198.51.100.0/24", 300, 300), "from the network 198.51.100.0/24"),
        (GuardLocked("login", "alice", "", 86_400, 100), "The member is not locked out"),
        (GuardLocked("login", "alice", CAFE, 300, 1), ""),
        (GuardLocked("pair", "alice", CAFE, 300, 10), ""),
        (GuardLocked("address", "", CAFE, 300, 30), ""),
    ],
)
def test_people_are_told_of_what_concerns_more_than_a_login_at_an_address(
    event: GuardLocked, words: str
) -> None:
    text = alarm_text(event)
    assert words in text
    assert bool(text) == bool(words)


# --- the service itself


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two workers that lock after three wrong passwords."""
    allow = '[]\npair_failures = 3\nfailure_delay = "0 s"'
    service = Service(tmp_path_factory.mktemp("guard") / "server", workers=2, allow=allow)
    service.add_account("alice")
    service.add_account("bob")
    with service.running():
        yield service


def guess(service: Service, login: str) -> None:
    """Three wrong passwords, to either worker; smtplib tries each by PLAIN and by LOGIN."""
    for number in range(3):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            service.signed_in(login, f"guess {number}")


def refused(service: Service, login: str) -> str:
    with pytest.raises(smtplib.SMTPAuthenticationError) as failed:
        service.signed_in(login)
    assert failed.value.smtp_code == 454
    return str(failed.value.smtp_error)


def listed(service: Service) -> dict[str, str]:
    locks = json.loads(service.sams("guard", "list", "--json").stdout)["locks"]
    return {lock["login"]: lock["level"] for lock in locks}


@pytest.mark.real
def test_a_lock_is_of_all_workers_outlives_a_restart_and_is_ended_by_a_person(service: Service) -> None:
    service.signed_in("bob").quit()
    guess(service, "alice")
    assert "Too many wrong passwords" in refused(service, "alice")
    assert listed(service) == {"alice": "pair"}
    assert service.stop() == 0
    assert listed(service) == {"alice": "pair"}
    service.start()
    assert all("try again after" in refused(service, "alice") for _ in range(4))
    assert (
        service.sams("guard", "release", "alice@example.org").stdout == "1 lock of alice@example.org ended\n"
    )
    service.signed_in("alice").quit()
    assert listed(service) == {}
    story = service.sams("activity", "show", "alice").stdout
    assert "guard: alice at 127.0.0.1 is locked for" in story
    metrics = service.sams("metrics").stdout
    assert "sams_guard_locks_released_total 1.0" in metrics


@pytest.mark.real
def test_a_worker_that_is_killed_takes_no_lock_with_it(service: Service) -> None:
    guess(service, "nobody")
    health = json.loads(service.sams("health", "--json").stdout)
    first = next(worker["pid"] for worker in health["workers"] if worker["number"] == 0)
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + PATIENCE
    while service.sams("health", check=False).returncode != 0:
        assert time.monotonic() < until, service.log
    assert listed(service) == {"nobody": "pair"}
    service.sams("guard", "release", "--all")


@pytest.mark.real
def test_with_a_damaged_file_the_service_starts_and_says_so(service: Service) -> None:
    assert service.stop() == 0
    guard_path(service.folder / "data").write_bytes(b"nonsense")
    service.start()
    assert "the guard begins without known places and locks" in service.log
    service.signed_in("alice").quit()
