"""Reloads: one at a time, and who asked is told what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger

from sams.core.errors import OperatorError
from sams.service.channel import ReloadOutcome
from sams.service.notify import ServiceManager
from sams.service.reloads import Reloads, Renewal


@dataclass
class Stage:
    """Plays the supervisor with two workers; `found`: what is read next, a text: why it is refused."""

    found: list[str | Renewal] = field(default_factory=list)
    handed_on: list[bytes] = field(default_factory=list)
    answers: list[tuple[int, ReloadOutcome]] = field(default_factory=list)
    workers: set[int] = field(default_factory=lambda: {0, 1})
    log: CapturingLogger = field(default_factory=CapturingLogger)

    def __post_init__(self) -> None:
        log: FilteringBoundLogger = self.log
        self.reloads = Reloads(self.read, self.hand_on, self.answer, ServiceManager(), log)

    def read(self) -> Renewal:
        found = self.found.pop(0)
        if isinstance(found, str):
            raise OperatorError(found)
        return found

    def hand_on(self, octets: bytes) -> set[int]:
        self.handed_on.append(octets)
        return set(self.workers)

    def answer(self, worker: int, outcome: ReloadOutcome) -> None:
        self.answers.append((worker, outcome))


def test_who_asks_during_a_round_gets_one_of_their_own_all_together() -> None:
    stage = Stage([Renewal(b"1"), Renewal(b"2", ("a note",)), Renewal(b"3")])
    for asker in (0, 1, None, 0):
        stage.reloads.ask(asker)
    assert stage.handed_on == [b"1"]
    stage.reloads.took(0)
    assert stage.answers == []
    stage.reloads.took(1)
    assert stage.answers == [(0, ReloadOutcome())]
    assert stage.handed_on == [b"1", b"2"]
    stage.reloads.took(1)
    stage.reloads.took(0)
    second = ReloadOutcome(None, ("a note",))
    assert stage.answers[1:] == [(1, second), (0, second)]
    assert stage.handed_on == [b"1", b"2"]


def test_a_thousand_signals_in_one_round_are_one_more_round() -> None:
    stage = Stage([Renewal(b"1"), Renewal(b"2")])
    for _ in range(1_000):
        stage.reloads.ask()
    for worker in (0, 1, 0, 1):
        stage.reloads.took(worker)
    assert stage.handed_on == [b"1", b"2"]


def test_what_is_refused_is_handed_to_nobody() -> None:
    stage = Stage(["sams.toml:3: nonsense", Renewal(b"good")])
    stage.reloads.ask(1)
    assert (stage.handed_on, stage.answers) == ([], [(1, ReloadOutcome("sams.toml:3: nonsense"))])
    stage.reloads.ask(1)
    assert stage.handed_on == [b"good"]


def test_a_worker_that_cannot_use_it_is_named() -> None:
    stage = Stage([Renewal(b"1")])
    stage.reloads.ask(0)
    stage.reloads.failed(1, "cannot read ca.pem")
    stage.reloads.took(0)
    ((_, outcome),) = stage.answers
    assert outcome.refused == "worker 1 goes on with the old configuration: cannot read ca.pem"


def test_without_a_worker_that_serves_it_is_over_at_once() -> None:
    stage = Stage([Renewal(b"1")], workers=set())
    stage.reloads.ask(0)
    assert stage.answers == [(0, ReloadOutcome())]


def test_a_late_answer_of_a_round_that_is_over_counts_for_none() -> None:
    stage = Stage([Renewal(b"1")])
    stage.reloads.took(0)
    stage.reloads.failed(1, "late")
    stage.reloads.ask(0)
    assert stage.answers == []
