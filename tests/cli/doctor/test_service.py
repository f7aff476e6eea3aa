"""The doctor passes on what the running service says of itself."""

from __future__ import annotations

from sams.cli.doctor import service
from sams.cli.doctor.finding import Level
from sams.control.messages import HealthQuery, WorkerHealth
from tests.cli.desk import Desk
from tests.control.fakes import Answers, listening, supervisor


def _worker(problems: tuple[str, ...]) -> Answers:
    health = WorkerHealth(0, 7, True, 3, 2, 9, 4, 1_000.0, problems=problems)
    return {HealthQuery: lambda _: health}


def test_each_problem_is_a_finding_and_none_is_one_as_well(desk: Desk) -> None:
    desk.data_dir.mkdir(mode=0o700)
    for problems, level in ((("all members come from 10.0.0.11",), Level.WARN), ((), Level.OK)):
        with listening(desk.data_dir, supervisor(1), _worker(problems)):
            (finding,) = service.check(desk.data_dir)
        assert finding.level is level
        assert bool(finding.advice) is (level is Level.WARN)
        assert all(problem in finding.what for problem in problems)


def test_a_service_that_does_not_answer_is_a_finding(desk: Desk) -> None:
    desk.data_dir.mkdir(mode=0o700)
    (finding,) = service.check(desk.data_dir)
    assert (finding.subject, finding.level) == ("running service", Level.WARN)
