from __future__ import annotations

import pytest

from sams.cli.failures import Exit
from sams.control.messages import AccountList, AccountPage, HealthQuery, QueueList, QueuePage, WorkerHealth
from tests.cli.desk import Desk
from tests.control.fakes import Answers, entry, listening, supervisor

WAITS = "0123456789ABCDE"


def _service() -> Answers:
    return {**supervisor(1), AccountList: lambda _: AccountPage((), more=False)}


def _worker() -> Answers:
    health = WorkerHealth(0, 7, True, 3, 2, 9, 4, 1_000.0)
    return {HealthQuery: lambda _: health, QueueList: lambda _: QueuePage((entry(WAITS),), more=False)}


@pytest.fixture
def wrong(desk: Desk) -> Desk:
    """An edit that can be read and not be used."""
    desk.server.config.write_text(desk.server.config.read_text() + "\n[nonsense]\n[rubbish]\n")
    desk.data_dir.mkdir(mode=0o700)
    return desk


@pytest.fixture
def broken(desk: Desk) -> Desk:
    """An edit in the middle of a line."""
    desk.server.config.write_text(desk.server.config.read_text() + "\n[limits")
    desk.data_dir.mkdir(mode=0o700)
    return desk


@pytest.mark.parametrize("command", [("health",), ("queue", "list"), ("account", "list")])
def test_a_mistake_in_the_file_keeps_nobody_from_the_running_service(
    wrong: Desk, command: tuple[str, ...]
) -> None:
    with listening(wrong.data_dir, _service(), _worker()):
        told = wrong.sams(*command).stderr
    assert told.count("\n") == 1
    assert "warning" in told
    assert "nonsense: there is no such section" in told
    assert "(and 1 more mistake)" in told


def test_the_warning_is_not_among_what_programs_read(wrong: Desk) -> None:
    with listening(wrong.data_dir, _service(), _worker()):
        assert wrong.json("health")["healthy"]
        assert wrong.json("queue", "list")["messages"][0]["id"] == WAITS


def test_without_a_service_a_mistake_in_the_file_is_an_error(wrong: Desk) -> None:
    told = wrong.sams("queue", "list", code=Exit.FAILED).stderr
    assert "nonsense" in told
    assert "warning" not in told


def test_a_file_that_is_no_toml_is_told_with_the_way_to_the_running_service(broken: Desk) -> None:
    with listening(broken.data_dir, _service(), _worker()):
        told = broken.sams("health", code=Exit.FAILED).stderr
    assert "this is not TOML" in told
    assert "SAMS_DATA_DIR=" in told


def test_the_environment_names_the_running_service_where_the_file_cannot(
    broken: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMS_DATA_DIR", str(broken.data_dir))
    with listening(broken.data_dir, _service(), _worker()):
        assert "this is not TOML" in broken.sams("queue", "list").stderr
    assert "this is not TOML" in broken.sams("queue", "list", code=Exit.FAILED).stderr


def test_the_environment_counts_for_nothing_beside_a_file_that_can_be_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMS_DATA_DIR", "/nowhere")
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, _service(), _worker()):
        assert desk.sams("health").stderr == ""
