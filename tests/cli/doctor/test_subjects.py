from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sams.cli.doctor import clock, configuration, folders, names, ports
from sams.cli.doctor.finding import Level
from sams.config.model import Listener
from tests.cli.desk import Desk
from tests.submission.rig import serving

GIB = 2**30


def _levels(findings: Any) -> list[Level]:
    return [finding.level for finding in findings]


def test_a_wrong_configuration_is_told_line_by_line(desk: Desk) -> None:
    desk.server.config.write_text(desk.server.config.read_text().replace("workers = 1", "workers = -1"))
    (finding,) = configuration.check(desk.server.config)
    assert finding.level is Level.FAIL
    assert "server.workers" in finding.what


@pytest.mark.parametrize(
    ("mode", "level"), [(0o700, Level.OK), (0o711, Level.OK), (0o750, Level.WARN), (0o770, Level.FAIL)]
)
def test_the_data_folder_is_the_services_alone(tmp_path: Path, mode: int, level: Level) -> None:
    tmp_path.chmod(mode)
    assert _levels(folders.check_rights(tmp_path, tmp_path.stat().st_uid, "sams")) == [level]


def test_a_data_folder_of_another_user_is_found(tmp_path: Path) -> None:
    (finding,) = folders.check_rights(tmp_path, tmp_path.stat().st_uid + 1, "sams")
    assert finding.level is Level.FAIL
    assert finding.advice.startswith("chown")


@pytest.mark.parametrize(
    ("free", "inodes", "levels"),
    [
        (100 * GIB, 10**6, [Level.OK]),
        (2 * GIB, 10**6, [Level.WARN]),
        (GIB // 2, 10**6, [Level.FAIL]),
        (100 * GIB, 5, [Level.OK, Level.WARN]),
    ],
)
def test_room_is_measured_against_min_free(free: int, inodes: int, levels: list[Level]) -> None:
    space = folders.Space(free, inodes, 10**7)
    assert _levels(folders.check_space(space, GIB, 50 * 2**20, Path("/var"))) == levels


def test_a_file_system_that_counts_no_inodes_is_fine() -> None:
    assert _levels(folders.check_space(folders.Space(100 * GIB, 0, 0), GIB, 1, Path("/var"))) == [Level.OK]


def test_the_room_of_a_folder_to_be_is_that_of_the_one_above(tmp_path: Path) -> None:
    assert folders.space_of(tmp_path / "not" / "yet").octets > 0


def test_a_port_is_free_taken_or_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = Listener(address="127.0.0.1", port=taken.getsockname()[1])
        assert ports.check_free(listener).level is Level.FAIL
        assert "ss -ltnp" in ports.check_free(listener).advice
        assert ports.check_answered(listener, seconds=0.2).level is Level.OK
        behind = msgspec.structs.replace(listener, proxy_protocol=True, proxy_from=("10.0.0.11", "10.0.0.12"))
        assert "those from 10.0.0.11, 10.0.0.12" in ports.check_answered(behind).what
    assert ports.check_free(listener).level is Level.OK
    assert ports.check_answered(listener).level is Level.FAIL


def test_a_look_at_a_port_is_a_session_that_ended_in_order(tmp_path: Path) -> None:
    async def scene() -> list[str]:
        async with serving(tmp_path) as rig:
            for port, security in ((rig.starttls, "starttls"), (rig.implicit, "implicit")):
                listener = Listener(address="127.0.0.1", port=port, security=security)  # type: ignore[arg-type]
                finding = await asyncio.to_thread(ports.check_answered, listener)
                assert finding.level is Level.OK
            while len(rig.told.ended) < 2:  # noqa: ASYNC110 - the end of a session tells of no event
                await asyncio.sleep(0.01)
            return rig.told.ended

    assert asyncio.run(asyncio.wait_for(scene(), 20)) == ["quit", "quit"]


def test_an_address_of_another_machine_is_found() -> None:
    finding = ports.check_free(Listener(address="192.0.2.1", port=2_525))
    assert finding.level is Level.FAIL
    assert "does not have the address" in finding.what


def _lookup(answers: dict[str, list[str]] | Exception) -> Callable[[str, str], list[str]]:
    def look_up(name: str, kind: str) -> list[str]:
        if isinstance(answers, Exception):
            raise answers
        return answers.get(kind, [])

    return look_up


@pytest.mark.parametrize(
    ("answers", "level"),
    [
        ({"A": ["192.0.2.1"]}, Level.OK),
        ({"AAAA": ["2001:db8::1"]}, Level.OK),
        ({"A": ["127.0.0.1"], "AAAA": ["::1"]}, Level.WARN),
        ({}, Level.FAIL),
        (names.NoSuchNameError(), Level.FAIL),
        (names.NoAnswerError("NoNameservers"), Level.WARN),
    ],
)
def test_dns_is_told_of_and_never_a_crash(answers: dict[str, list[str]] | Exception, level: Level) -> None:
    (finding,) = names.check("smtp.example.org", _lookup(answers))
    assert finding.level is level
    assert bool(finding.advice) is (level is not Level.OK)


@pytest.mark.parametrize(
    ("state", "level"), [(0, Level.OK), (1, Level.OK), (5, Level.WARN), (-1, Level.WARN)]
)
def test_the_clock_is_judged_by_the_kernels_word(state: int, level: Level) -> None:
    assert _levels(clock.check(lambda: state)) == [level]


def test_the_kernel_can_be_asked() -> None:
    assert -1 <= clock.kernel_state() <= 5
