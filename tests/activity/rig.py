"""Parts for the tests of activity: a clock to move, a journal in memory, a log to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sams.activity.events import Alarmed
from sams.activity.journal import Journal
from sams.activity.lines import Lines
from sams.activity.logs import FactLog, make_logger
from sams.activity.metrics import Board
from sams.activity.recorder import Recorder
from sams.activity.rows import Keep, Record, Row, decode_record

Later = Callable[[float, Callable[[], None]], object]
START = 1_700_000_000.0
KEEP = {Keep.STRANGERS: 10.0, Keep.SESSIONS: 100.0, Keep.DELIVERIES: 1_000.0, Keep.SERVICE: 10_000.0}


@dataclass
class FakeClock:
    wall: float = START
    passed: float = 0.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.passed

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.passed += seconds


class FakeLines(Lines):
    """Keeps the lines."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.lines: list[bytes] = []

    def msg(self, line: bytes) -> None:
        self.lines.append(line)

    def later(self, line: bytes, *, urgent: bool = False) -> None:
        del urgent
        self.lines.append(line)

    debug = info = warning = error = critical = msg

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@dataclass
class MemoryJournal:
    """A row sink that keeps the last version of each row."""

    rows: dict[int, Row] = field(default_factory=dict)
    puts: int = 0
    lost: int = 0
    last: int = 0

    def next_number(self, now: float) -> int:
        del now
        self.last += 1
        return self.last

    def put(self, row: Row) -> None:
        self.puts += 1
        self.rows[row.number] = row

    def take_lost(self) -> int:
        lost, self.lost = self.lost, 0
        return lost

    def records(self) -> list[Record]:
        return [decode_record(row.record) for row in self.rows.values()]


class Rig:
    """A recorder with all that it needs."""

    def __init__(self, level: str = "info", *, people: bool = False, later: Later | None = None) -> None:
        self.clock = FakeClock()
        self.lines = FakeLines()
        self.journal = MemoryJournal()
        self.board = Board(1)
        self.alarms: list[Alarmed] = []
        log = make_logger(level, people=people, clock=self.clock, lines=self.lines)
        self.recorder = Recorder(
            clock=self.clock,
            journal=self.journal,
            log=log,
            facts=FactLog(log, level, people=people, lines=self.lines),
            metrics=self.board.slot(0),
            on_alarm=self.alarms.append,
            later=later,
        )


def journal_at(folder: Path, clock: FakeClock, **options: Any) -> Journal:
    """A journal that writes at once, in the place where a shard has it."""
    given: dict[str, Any] = {"keep": KEEP, "max_octets": 2**30, "min_free": 0, "on_trouble": print, **options}
    shard = folder / "spool" / "shard-0000"
    shard.mkdir(parents=True, exist_ok=True)
    return Journal(shard / "activity.db", clock=clock, gather=0.0, **given)
