"""What telling costs a message: CPU of all threads, with the log read by another process.

Messages come in bursts with pauses, so that journal and log gather what comes as they do in a service.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
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

EACH = 50
"""Messages of a burst, one loop."""
_PAUSE = 0.02
"""Seconds from the beginning of one burst to the next."""
_MEMBERS = 1_000
_PER_CONNECTION = 50
_CIPHER = "TLS_AES_256_GCM_SHA384"
_CLOCK = SystemClock()


@dataclass
class Teller:
    """Tells what a service tells, of members and recipients that differ."""

    recorder: Recorder
    journal: Journal
    ids: IdMaker = field(default_factory=lambda: IdMaker(_CLOCK, 0))
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
        if self.told % _PER_CONNECTION == 0:
            self._hang_up()
            self._connect()
        self.told += 1
        self._send()

    def _connect(self) -> None:
        number = random.randrange(_MEMBERS)  # noqa: S311 - nothing secret
        self.login = f"member{number}"
        self.session = session = self.recorder.session(self.ids.next(), f"192.0.2.{number % 250}", 587)
        session.tell(Greeted("EHLO", "client.example.org"))
        session.tell(TlsStarted("TLSv1.3", _CIPHER, "smtp.example.org", resumed=True))
        session.tell(Greeted("EHLO", "client.example.org"))
        session.tell(SignedIn(self.login, "PLAIN", remembered=True))

    def _send(self) -> None:
        session, message = self.session, self.ids.next()
        assert session is not None
        recipient = f"someone{random.randrange(10 * _MEMBERS)}@example.com"  # noqa: S311 - nothing secret
        session.tell(Enveloped("member@example.org", 1, recipient))
        session.tell(Accepted(message, 4_300, 1))
        result = RecipientResult(recipient, "delivered", "250 2.0.0 queued as 12345")
        self.recorder.tell(
            Attempted(
                message, "hub", "127.0.0.1:25", f"TLSv1.3 {_CIPHER}", (result,), 0.01, self.login, session.id
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
        log = make_logger("info", people=False, clock=_CLOCK, lines=lines)
        journal = Journal(
            folder / "activity.db",
            clock=_CLOCK,
            keep=keep_times(ActivityTimes()),
            max_octets=2**31,
            min_free=0,
            on_trouble=print,
        )
        journal.start()
        facts = FactLog(log, "info", people=False, lines=lines)
        metrics = Board(1).slot(0)
        recorder = Recorder(
            clock=_CLOCK, journal=journal, log=log, facts=facts, metrics=metrics, on_alarm=print
        )
        with lines.gathered():
            yield Teller(recorder, journal)
            journal.close()


def _run(loops: int, *, scratch: str | None, kind: str) -> float:
    with tempfile.TemporaryDirectory(dir=scratch) as folder, teller(Path(folder)) as one:
        tell: Callable[[], None] = getattr(one, kind)
        _burst(one, tell)
        one.journal.flush()
        began = time.process_time()
        for _ in range(loops):
            due = time.perf_counter() + _PAUSE
            _burst(one, tell)
            time.sleep(max(0.0, due - time.perf_counter()))
        one.journal.flush()
        return time.process_time() - began


def _burst(one: Teller, tell: Callable[[], None]) -> None:
    for _ in range(EACH):
        tell()
    one.recorder.tick()


def parts(scratch: str | None) -> Mapping[str, tuple[Callable[[int], float], int]]:
    """Each with the messages in one loop."""
    return {
        f"activity, {name}": (partial(_run, scratch=scratch, kind=kind), EACH)
        for name, kind in (("session with one message", "fresh"), ("further message", "persist"))
    }
