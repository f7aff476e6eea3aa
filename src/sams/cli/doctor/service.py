"""What the running service itself says is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sams.cli.doctor.finding import Finding, ok, warn
from sams.control.running import RunningService
from sams.core.errors import OperatorError

_SUBJECT = "running service"


def check(data_dir: Path) -> Iterator[Finding]:
    """Ask it, where it runs."""
    try:
        problems = RunningService(data_dir).health().problems
    except OperatorError as error:
        yield warn(_SUBJECT, f"it does not say how it is: {error}", "see its log")
        return
    for problem in problems:
        yield warn(_SUBJECT, problem, "see its log, and `sams health` as it goes on")
    if not problems:
        yield ok(_SUBJECT, "says that it is well")
