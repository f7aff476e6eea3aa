# ruff: noqa: T201 - a script of its own, which prints
"""What telling costs a message: CPU of the caller, and of all threads together, with the log read by another process.

Run it as `python benchmarks/micro_activity.py [FOLDER]`: the folder should be on the disk that is meant. Prints
numbers. Messages come in bursts with pauses, so that journal and log gather what comes as they do in a service.
"""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sams.activity.events import (
    Accepted,
    Attempted,
    Enveloped,
    Greeted,
    RecipientResult,
    SignedIn,
    TlsStarted,
)
from sams.activity.interface import SessionLog
from sams.activity.journal import Journal, keep_times
from sams.activity.lines import Lines
from sams.activity.logs import FactLog, make_logger
from sams.activity.metrics import Board
from sams.activity.recorder import Recorder
from sams.config.model import ActivityTimes
from sams.core.clock import SystemClock
from sams.core.ids import IdMaker

BURST, PAUSE, ROUNDS = 50, 0.1, 40
MEMBERS = 1_000
MESSAGES_PER_CONNECTION = 50
CIPHER = "TLS_AES_256_GCM_SHA384"
CLOCK = SystemClock()


@dataclass
class Teller:
    """Tells what a service tells, of members and recipients that differ."""

    recorder: Recorder
    journal: Journal
    ids: IdMaker = field(default_factory=lambda: IdMaker(CLOCK, 0))
    told: int = 0
    session: SessionLog | None = None
    login: str = ""

    def fresh(self) -> None:
        """A connection with one message."""
        self._connect()
        self._send()
        self._hang_up()

    def persist(self) -> None:
        """The next message of a connection with many."""
        if self.told % MESSAGES_PER_CONNECTION == 0:
            self._hang_up()
            self._connect()
        self.told += 1
        self._send()

    def _connect(self) -> None:
        number = random.randrange(MEMBERS)  # noqa: S311 - nothing secret
        self.login = f"member{number}"
        self.session = session = self.recorder.session(self.ids.next(), f"192.0.2.{number % 250}", 587)
        session.tell(Greeted("EHLO", "client.example.org"))
        session.tell(TlsStarted("TLSv1.3", CIPHER, "smtp.example.org", resumed=True))
        session.tell(Greeted("EHLO", "client.example.org"))
        session.tell(SignedIn(self.login, "PLAIN", remembered=True))

    def _send(self) -> None:
        session, message = self.session, self.ids.next()
        assert session is not None
        recipient = f"someone{random.randrange(10 * MEMBERS)}@example.com"  # noqa: S311 - nothing secret
        session.tell(Enveloped("member@example.org", 1, recipient))
        session.tell(Accepted(message, 4_300, 1))
        result = RecipientResult(recipient, "delivered", "250 2.0.0 queued as 12345")
        self.recorder.tell(
            Attempted(
                message, "hub", "127.0.0.1:25", f"TLSv1.3 {CIPHER}", (result,), 0.01, self.login, session.id
            )
        )

    def _hang_up(self) -> None:
        if self.session is not None:
            self.session.end("quit", 8)
            self.session = None


@contextmanager
def teller(folder: Path) -> Iterator[Teller]:
    """A recorder with a journal in the folder and a log into a pipe that is read."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        assert reader.stdin is not None
        lines = Lines(reader.stdin.fileno())
        log = make_logger("info", people=False, clock=CLOCK, lines=lines)
        journal = Journal(
            folder / "activity.db",
            clock=CLOCK,
            keep=keep_times(ActivityTimes()),
            max_octets=2**31,
            min_free=0,
            on_trouble=print,
        )
        journal.start()
        facts = FactLog(log, "info", people=False, lines=lines)
        metrics = Board(1).slot(0)
        recorder = Recorder(
            clock=CLOCK, journal=journal, log=log, facts=facts, metrics=metrics, on_alarm=print
        )
        with lines.gathered():
            yield Teller(recorder, journal)
            journal.close()


def burst(tell: Callable[[], None]) -> float:
    """Microseconds of this thread's CPU for a message, over one burst."""
    began = time.thread_time()
    for _ in range(BURST):
        tell()
    return (time.thread_time() - began) / BURST * 1e6


def measure(teller: Teller, name: str) -> None:
    """Print what a message costs."""
    tell: Callable[[], None] = getattr(teller, name)
    burst(tell)
    teller.journal.flush()
    began, here = time.process_time(), []
    for _ in range(ROUNDS):
        due = time.perf_counter() + PAUSE
        here.append(burst(tell))
        teller.recorder.tick()
        time.sleep(max(0.0, due - time.perf_counter()))
    teller.journal.flush()
    everywhere = (time.process_time() - began) / (ROUNDS * BURST) * 1e6
    mean = sum(here) / ROUNDS
    print(
        f"{name:8} caller {min(here):5.1f} us at best, {mean:5.1f} on average; "
        f"threads {everywhere - mean:5.1f}; in all {everywhere:5.1f} us a message"
    )


def main() -> None:
    """Measure both kinds of connections."""
    where = sys.argv[1] if len(sys.argv) > 1 else None
    for name in ("fresh", "persist"):
        with tempfile.TemporaryDirectory(dir=where) as folder, teller(Path(folder)) as one:
            gc.collect()
            gc.freeze()
            measure(one, name)


if __name__ == "__main__":
    main()
