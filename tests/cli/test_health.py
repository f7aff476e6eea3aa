from __future__ import annotations

from sams.cli.failures import Exit
from sams.control.messages import HealthQuery, RouteDown, WorkerHealth
from sams.core.clock import local_time
from tests.cli.desk import Desk
from tests.control.fakes import Answers, listening, supervisor


def _worker(**more: object) -> Answers:
    health = WorkerHealth(0, 7, True, 3, 2, 9, 4, 1_000.0, **more)  # type: ignore[arg-type]
    return {HealthQuery: lambda _: health}


def test_a_service_that_is_well_is_0(desk: Desk) -> None:
    desk.data_dir.mkdir()
    with listening(desk.data_dir, supervisor(1), _worker()):
        found = desk.json("health")
        text = desk.sams("health").stdout
    assert found["healthy"]
    assert found["workers"][0]["queued"] == 9
    assert "state        well" in text


def test_a_problem_is_1_and_is_named(desk: Desk) -> None:
    desk.data_dir.mkdir()
    with listening(desk.data_dir, supervisor(2), _worker(problems=("the next hop is down\x1b",))):
        found = desk.json("health", code=Exit.FAILED)
        text = desk.sams("health", code=Exit.FAILED).stdout
    assert not found["healthy"]
    assert found["problems"] == ["worker 1 does not answer", "worker 0: the next hop is down\x1b"]
    assert found["workers"][1]["queued"] is None
    assert "problem: worker 0: the next hop is down\\x1b" in text


def test_a_route_that_is_down_is_told_with_its_time_its_reason_and_what_to_do(desk: Desk) -> None:
    desk.data_dir.mkdir()
    down = _worker(routes_down={"hub": RouteDown(1_000.0, "451 4.4.1 refused\x1b", 2_000.0)})
    with listening(desk.data_dir, supervisor(2), down, down):
        found = desk.json("health", code=Exit.FAILED)
        text = desk.sams("health", code=Exit.FAILED).stdout
    assert found["routes_down"] == {
        "hub": {"since": 1_000.0, "reply": "451 4.4.1 refused\x1b", "at": 2_000.0}
    }
    line = f"down since {local_time(1_000.0)}: 451 4.4.1 refused\\x1b; run `sams doctor`"
    assert [one for one in text.splitlines() if "hub" in one] == [
        f"problem: the next hop of route hub is {line}"
    ]
