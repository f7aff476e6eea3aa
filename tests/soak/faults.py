"""What is done to the service while members send: each kind of it on a thread of its own, by a plan made before."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.hop import Hop, Mood
from tests.soak.ledger import Ledger
from tests.soak.sampling import Sampler
from tests.support.service import PASSWORD, Service

BAD_MOODS = tuple(mood for mood in Mood if mood is not Mood.WELL)
FICKLE = "fickle"
"""The member whose account is changed all the time."""
KILL_BOTH_UNTIL = 1 / 3
"""Until this part of the time either worker is killed, then only the second: what the first holds over the last two
thirds would show a leak that each kill hides."""


@dataclass(frozen=True)
class Step:
    """at: seconds from the beginning. detail: which of its kind. lasts: seconds."""

    at: float
    detail: str
    lasts: float = 0.0


Plan = dict[str, list[Step]]


def make_plan(seconds: float, seed: int) -> Plan:
    """What happens when. The first twentieth and the last are quiet, so that there is something to compare with."""
    chance = random.Random(seed)
    begin, end = seconds / 20, seconds * 19 / 20

    def moments(mean: float) -> Iterator[float]:
        at = begin + chance.expovariate(1 / mean)
        while at < end:
            yield at
            at += max(mean / 4, chance.expovariate(1 / mean))

    return {
        "hop": list(_moods(begin, end, chance)),
        "kill": [
            Step(at, str(chance.randrange(2) if at < seconds * KILL_BOTH_UNTIL else 1))
            for at in moments(max(20.0, seconds / 60))
        ],
        "reload": [Step(at, chance.choice(RELOADS)) for at in moments(8.0)],
        "account": [Step(at, chance.choice(("password", "suspend"))) for at in moments(20.0)],
        "command": [Step(at, chance.choice(COMMANDS)) for at in moments(6.0)],
        "full disk": [Step(at, "", min(15.0, seconds / 20)) for at in (seconds * 0.3, seconds * 0.7)],
    }


def _moods(begin: float, end: float, chance: random.Random) -> Iterator[Step]:
    """A bad mood, then a good one that lasts as long, and on average half as long again."""
    at, moods = begin, list(BAD_MOODS)
    chance.shuffle(moods)
    while at < end:
        lasts = min(chance.uniform(3.0, 15.0), end - at)
        yield Step(at, moods[0], lasts)
        moods.append(moods.pop(0))
        at += lasts * chance.uniform(2.0, 3.0)


_MIB = 1_048_576
_PATIENCE = 300.0
"""Seconds for a command: the machine may be as busy as it likes."""
RELOADS = ("good", "broken configuration", "broken certificate")
COMMANDS = ("list", "depth", "hold", "retry", "activity", "health", "accounts", "backup")


class Stopped(Exception):
    """The soak ended while something was still to be done."""


@dataclass
class Faults:
    """All kinds, with what they need.

    disk: the folder that can be filled; None: no disk of our own could be mounted.
    """

    service: Service
    hop: Hop
    ledger: Ledger
    sampler: Sampler
    plan: Plan
    disk: Path | None
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _password: str = PASSWORD

    def __post_init__(self) -> None:
        self._networks = itertools.cycle(range(100, 250))
        self._sound = self.service.folder / "sound.toml"
        shutil.copyfile(self.service.config, self._sound)

    def start(self) -> None:
        kinds: dict[str, Callable[[Step], None]] = {
            "hop": self._mood,
            "kill": self._kill,
            "reload": self._reload,
            "account": self._account,
            "command": self._command,
            "full disk": self._fill,
        }
        self._threads = [
            threading.Thread(target=self._run, args=(kind, kinds[kind], self.plan[kind]), daemon=True)
            for kind in kinds
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Nothing of it goes on afterwards: the hop is well, the disk has room. What is held stays so."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.hop.be(Mood.WELL)
        self.service.configure()

    def _run(self, kind: str, act: Callable[[Step], None], steps: Sequence[Step]) -> None:
        began = time.monotonic()
        for step in steps:
            if self._stop.wait(max(0.0, began + step.at - time.monotonic())):
                return
            try:
                act(step)
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the soak goes on
                self.ledger.fault(f"{kind} {step.detail}: {type(error).__name__}: {error}"[:600])

    def sams(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """By a file of its own that is always sound: a reload breaks the service's now and then."""
        return subprocess.run(
            [sys.executable, "-m", "sams", *words, "--config", str(self._sound)],
            input=text,
            text=True,
            capture_output=True,
            check=False,
            timeout=_PATIENCE,
        )

    def let_go(self) -> None:
        """Nothing is held, and everything is due."""
        self.sams("queue", "release", "--all")
        self.sams("queue", "retry", "--all")

    def _mood(self, step: Step) -> None:
        began = time.time()
        self.hop.be(Mood(step.detail))
        self._stop.wait(step.lasts)
        self.hop.be(Mood.WELL)
        self.ledger.disturb("hop", step.detail, began)

    def _kill(self, step: Step) -> None:
        pid, began = self.sampler.worker(int(step.detail)), time.time()
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 30.0
        while self.sampler.worker(int(step.detail)) in {pid, None}:
            assert time.monotonic() < until, f"worker {step.detail} was not replaced within 30 s"
            time.sleep(0.2)
        self.ledger.disturb("kill", f"worker {step.detail}", began)

    def _reload(self, step: Step) -> None:
        assert self.service.process is not None
        began = time.time()
        certificate = self.service.folder / "certificate.pem"
        sound = certificate.read_bytes()
        if step.detail == "broken configuration":
            self.service.config.write_text(self.service.config.read_text() + "\n[nonsense]\nkey = 1\n")
        elif step.detail == "broken certificate":
            certificate.write_bytes(sound[: len(sound) // 2])
        try:
            self.service.process.send_signal(signal.SIGHUP)
            self._stop.wait(2.0)
        finally:
            certificate.write_bytes(sound)
            self.service.configure()
        self.ledger.disturb("reload", step.detail, began)

    def _account(self, step: Step) -> None:
        """A change works at once: the old password, or the suspended account, is refused; the new one is taken."""
        began = time.time()
        if step.detail == "suspend":
            self._insist("account", "suspend", FICKLE, "--reason", "a soak")
            self._expect(535, self._password, "a suspended account")
            self._insist("account", "resume", FICKLE)
        else:
            old, self._password = self._password, f"{PASSWORD}-{began}"
            self._insist("account", "passwd", FICKLE, "--password-stdin", text=self._password + "\n")
            self._expect(535, old, "an old password")
        self._expect(235, self._password, "the password after a change")
        self.ledger.disturb("account", step.detail, began)

    def _insist(self, *words: str, text: str = "") -> None:
        """Again and again while the disk is full, or the worker that was asked is killed: it takes either to fail."""
        until = time.monotonic() + 60.0
        while (done := self.sams(*words, text=text)).returncode:
            if "ref " in done.stderr or "Traceback" in done.stderr:
                self.ledger.fault(f"sams {words}: {done.stderr[-500:]}")
            if self._stop.wait(1.0):
                raise Stopped
            if time.monotonic() > until:
                self.ledger.fault(f"sams {words} still fails after a minute: {done.stderr[-500:]}")
                return

    def _expect(self, code: int, password: str, what: str) -> None:
        """Where the service can answer: a worker that is killed in this moment is asked again."""
        for _ in range(20):
            found = self._sign_in(password)
            if found in {235, 535}:
                if found != code:
                    self.ledger.fault(f"{what} got {found} instead of {code}")
                return
            if self._stop.wait(0.5):
                return
        self.ledger.fault(f"{what}: no answer in 10 s")

    def _sign_in(self, password: str) -> int:
        """From another network each time: old passwords from one would be guesses, and lock it."""
        try:
            with smtplib.SMTP_SSL(
                "127.0.0.1",
                self.service.implicit,
                timeout=30,
                context=self.service.trust(),
                source_address=(f"127.0.{next(self._networks)}.1", 0),
            ) as client:
                return client.login(FICKLE, password)[0]
        except smtplib.SMTPResponseException as refusal:
            return refusal.smtp_code
        except (OSError, smtplib.SMTPException):
            return 0

    def _command(self, step: Step) -> None:
        """What people at the terminal do meanwhile. Any status is an answer: a worker may just have been killed."""
        run = self.sams
        if step.detail == "hold":
            listed = run("queue", "list", "--limit", "5", "--json")
            if listed.returncode == 0:
                ids = [entry["id"] for entry in json.loads(listed.stdout)["messages"]]
                run("queue", "hold", *ids)
                self._stop.wait(2.0)
                run("queue", "release", "--all")
        elif step.detail == "backup":
            where = self.service.folder.parent / f"backup-{time.time_ns()}"
            run("backup", str(where))
            shutil.rmtree(where, ignore_errors=True)
        else:
            words = {
                "list": ("queue", "list", "--json", "--limit", "50"),
                "depth": ("queue", "depth", "--json"),
                "retry": ("queue", "retry", "--all"),
                "activity": ("activity", "show", "member0"),
                "health": ("health", "--json"),
                "accounts": ("account", "list", "--json"),
            }
            done = run(*words[step.detail])
            if "Traceback" in done.stderr:
                self.ledger.fault(f"sams {words[step.detail]}: {done.stderr[-500:]}")

    def _fill(self, step: Step) -> None:
        """Not a block is left on the disk for a while."""
        if self.disk is None:
            return
        filler = self.disk / "filler"
        try:
            with filler.open("wb", buffering=0) as stream:
                _take_all(stream.fileno())
                began = time.time()
                until = time.monotonic() + step.lasts
                while time.monotonic() < until and not self._stop.wait(0.5):
                    _take_all(stream.fileno())  # what was given up meanwhile
        finally:
            filler.unlink(missing_ok=True)
        self.ledger.disturb("full disk", "", began)


def _take_all(descriptor: int) -> None:
    """Make a file as long as the disk lets it be."""
    for size in (64 * _MIB, _MIB, 4_096):
        with suppress(OSError):
            while True:
                os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, size)
