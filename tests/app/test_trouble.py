from __future__ import annotations

from typing import Any

from sams.app.trouble import EVERY, Trouble
from sams.core.errors import TemporaryFailure
from sams.identity.replies import UNAVAILABLE
from tests.identity.rig import FakeClock


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def error(self, event: str, **facts: Any) -> None:
        self.told.append((event, facts))


def test_an_outage_is_told_in_words_and_once_a_minute() -> None:
    lines, clock = Lines(), FakeClock()
    trouble = Trouble(lines, clock)  # type: ignore[arg-type]  # of a log this is all that is used
    for _ in range(200):
        trouble(TemporaryFailure(UNAVAILABLE, "accounts.db cannot be read: it is damaged"))
        trouble(TemporaryFailure(UNAVAILABLE, "another"))
    assert [facts["why"] for _, facts in lines.told] == [
        "accounts.db cannot be read: it is damaged",
        "another",
    ]
    assert "exc_info" not in lines.told[0][1]
    clock.seconds += EVERY
    trouble(TemporaryFailure(UNAVAILABLE, "another"))
    assert len(lines.told) == 3


def test_a_bug_has_its_trace_each_time_and_what_is_kept_is_bounded() -> None:
    lines = Lines()
    trouble = Trouble(lines, FakeClock())  # type: ignore[arg-type]  # as above
    bug = KeyError("sn")
    trouble(bug)
    trouble(bug)
    assert [facts["exc_info"] for _, facts in lines.told] == [bug, bug]
    for number in range(1_000):
        trouble(TemporaryFailure(UNAVAILABLE, str(number)))
    assert len(trouble._told) <= 100
