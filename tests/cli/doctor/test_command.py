from __future__ import annotations

from sams.cli.failures import Exit
from tests.cli.desk import Desk
from tests.control.fakes import listening, supervisor


def test_a_server_that_is_fine_is_0_with_warnings(desk: Desk) -> None:
    found = desk.json("doctor", "--offline")
    assert found["worst"] in {"ok", "warn"}
    subjects = {finding["subject"] for finding in found["findings"]}
    assert {"configuration", "data folder", "disk", "clock"} <= subjects
    assert all(finding["advice"] for finding in found["findings"] if finding["level"] != "ok")


def test_a_failure_is_1_and_says_what_to_do(desk: Desk) -> None:
    desk.data_dir.mkdir(mode=0o700)
    with listening(desk.data_dir, supervisor(0)):
        result = desk.sams("doctor", "--offline", code=Exit.FAILED)
    assert "FAIL  port" in result.stdout
    assert "do: see the service's log" in result.stdout


def test_a_configuration_that_cannot_be_read_is_a_finding(desk: Desk) -> None:
    desk.server.config.write_text("this is not TOML")
    found = desk.json("doctor", "--offline", code=Exit.FAILED)
    assert [finding["subject"] for finding in found["findings"]] == ["configuration"]
