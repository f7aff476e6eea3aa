"""An administrator hears that guard and caps are blind."""

from __future__ import annotations

from sams.activity.logs import make_logger
from sams.app.sharing import SharingWatch
from sams.core.clock import SystemClock
from tests.app.rig import LogLines


def test_a_finding_is_told_once_in_the_log_and_stays_a_problem_while_it_lasts() -> None:
    lines = LogLines()
    watch = SharingWatch(make_logger("info", people=False, clock=SystemClock(), lines=lines))
    for addresses in ((), ("10.0.0.11",), ("10.0.0.11",)):
        watch.look(addresses)
    (problem,) = watch.problems()
    assert "all members come from 10.0.0.11" in problem
    assert "proxy_protocol" in problem
    assert [(line["level"], line["note"]) for line in lines.lines] == [("warning", problem)]
    watch.look(("10.0.0.11", "10.0.0.12"))
    assert "10.0.0.11 and 10.0.0.12" in watch.problems()[0]
    watch.look(())
    assert watch.problems() == ()
    assert len(lines.lines) == 2
