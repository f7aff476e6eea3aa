"""A worker that stops is not killed while it stores what the next hops answered: that would be sent again."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from sams.app import worker
from sams.config.model import Server
from sams.delivery import scheduler, settling
from sams.service import supervisor


def test_the_supervisor_waits_for_all_that_a_worker_may_wait_for_and_systemd_for_the_supervisor() -> None:
    least_drain = 1.0
    beyond_grace = worker._ALARM_GRACE + least_drain + settling.FIRST_WAIT + scheduler.SETTLE_GRACE
    assert beyond_grace < supervisor._PATIENCE
    unit = (Path(__file__).parents[2] / "packaging" / "sams.service").read_text()
    [limit] = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    [grace] = [one.default for one in msgspec.structs.fields(Server) if one.name == "grace"]
    assert grace + supervisor._PATIENCE < int(limit)
