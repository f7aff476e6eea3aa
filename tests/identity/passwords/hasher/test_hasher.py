"""The hasher as it runs: a real process, and who asks it."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from sams.core.rights import ServiceUser
from sams.identity.passwords.argon2id import Argon2idHere
from sams.identity.passwords.hasher.asking import Argon2idAside, spawn_hasher
from sams.identity.passwords.hasher.messages import Orders, Question, Told
from sams.identity.passwords.hasher.process import serve
from sams.identity.questions import ask, hear, questions_pair
from tests.identity.rig import CHEAP, PASSWORD

HERE = Argon2idHere(CHEAP)
STORED = HERE.make(PASSWORD)
NOBODY = pwd.getpwnam("nobody")


class Counting(Argon2idHere):
    """Computes here, and counts."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.computed = 0

    def make(self, password: str) -> str:
        self.computed += 1
        return super().make(password)

    def matches(self, stored: str, password: str) -> bool:
        self.computed += 1
        return super().matches(stored, password)


@dataclass
class Hasher:
    """A hasher, and what a worker has of it."""

    orders: Orders = field(default_factory=lambda: Orders(2, CHEAP))
    pid: int = 0

    def __post_init__(self) -> None:
        self.questions, self.hearing = questions_pair()
        self.here = Counting()

    def start(self) -> None:
        self.pid = spawn_hasher(self.orders, self.hearing)

    def aside(self, patience: float = 20.0) -> Argon2idAside:
        return Argon2idAside(self.questions, self.here, patience)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Until it ends; its status."""
        pid, self.pid = self.pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def status(self) -> dict[str, str]:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def close(self) -> None:
        if self.pid:
            self.signal(signal.SIGKILL)
            self.wait()
        for end in (self.questions, self.hearing):
            end.close()


@pytest.fixture
def hasher() -> Iterator[Hasher]:
    made = Hasher()
    made.start()
    yield made
    made.close()


def soon(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_hashes_are_made_and_compared_there_and_none_here(hasher: Hasher) -> None:
    aside = hasher.aside()
    assert aside.matches(STORED, PASSWORD)
    assert not aside.matches(STORED, "another")
    made = aside.make("pässwörd")
    assert not aside.is_outdated(made)
    assert HERE.matches(made, "pässwörd")
    assert hasher.here.computed == 0


def test_a_damaged_hash_is_an_error_as_it_is_here_and_the_hasher_goes_on(hasher: Hasher) -> None:
    with pytest.raises(ValueError, match="damaged") as caught:
        hasher.aside().matches("$argon2id$v=19$m=8,t=1,p=1$!$!", "the secret")
    assert "secret" not in str(caught.value)
    computed = hasher.here.computed
    assert hasher.aside().matches(STORED, PASSWORD)
    assert hasher.here.computed == computed


def test_it_stands_back_with_all_its_threads_gains_no_rights_and_shows_nothing(hasher: Hasher) -> None:
    assert hasher.aside().matches(STORED, PASSWORD)
    soon(lambda: hasher.status()["Threads"] == "2")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    for thread in Path(f"/proc/{hasher.pid}/task").iterdir():
        assert os.getpriority(os.PRIO_PROCESS, int(thread.name)) == min(own + 10, 19)
        assert os.sched_getscheduler(int(thread.name)) == os.SCHED_BATCH
    assert hasher.status()["NoNewPrivs"] == "1"
    assert PASSWORD.encode() not in Path(f"/proc/{hasher.pid}/cmdline").read_bytes()
    open_files = {
        str(one.readlink()).split(":")[0]
        for one in Path(f"/proc/{hasher.pid}/fd").iterdir()
        if int(one.name) > 2
    }
    assert open_files == {"socket"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_started_as_root_it_becomes_the_service_s_user_and_its_memory_is_root_s() -> None:
    user = ServiceUser("nobody", NOBODY.pw_uid, NOBODY.pw_gid)
    hasher = Hasher(Orders(1, CHEAP, user))
    hasher.start()
    try:
        assert hasher.aside().matches(STORED, PASSWORD)
        assert hasher.status()["Uid"].split() == [str(NOBODY.pw_uid)] * 4
        assert hasher.status()["CapEff"] == "0" * 16
        assert Path(f"/proc/{hasher.pid}/mem").stat().st_uid == 0  # as for each process that is not dumpable
        assert hasher.here.computed == 0
    finally:
        hasher.close()


def test_a_hasher_that_dies_over_a_question_costs_a_hash_here_at_once() -> None:
    hasher = Hasher()

    def die() -> None:
        heard = hear(hasher.hearing)
        assert heard is not None
        assert heard.asker is not None
        heard.asker.close()

    dying = threading.Thread(target=die)
    dying.start()
    assert hasher.aside(patience=3_600.0).matches(STORED, PASSWORD)
    assert hasher.here.computed == 1
    dying.join()
    hasher.close()


def test_who_hears_nothing_for_long_computes_here(hasher: Hasher) -> None:
    hasher.signal(signal.SIGSTOP)
    aside = hasher.aside(patience=0.05)
    assert not aside.matches(STORED, "another")
    assert HERE.matches(aside.make(PASSWORD), PASSWORD)
    assert hasher.here.computed == 2
    hasher.signal(signal.SIGCONT)
    assert hasher.aside().matches(STORED, PASSWORD)
    assert hasher.here.computed == 2


def test_questions_wait_for_a_successor(hasher: Hasher) -> None:
    hasher.signal(signal.SIGKILL)
    hasher.wait()
    again = threading.Timer(0.1, hasher.start)
    again.start()
    try:
        assert hasher.aside().matches(STORED, PASSWORD)
    finally:
        again.join()
    assert hasher.here.computed == 0


def test_more_questions_than_the_socket_holds_are_computed_here_at_once() -> None:
    hasher = Hasher()
    waiting: list[socket.socket] = []
    with suppress(BlockingIOError):
        while True:
            waiting.append(ask(hasher.questions, b"x" * 1_000))
    assert hasher.aside().matches(STORED, PASSWORD)
    assert hasher.here.computed == 1
    for one in waiting:
        one.close()
    hasher.close()


@pytest.mark.parametrize("message", [b"", b"\xff", b"x" * 20_000, msgspec.msgpack.encode({"password": 1})])
def test_what_is_no_question_is_passed_over(hasher: Hasher, message: bytes) -> None:
    with ask(hasher.questions, message) as answers:
        answers.settimeout(20)
        assert answers.recv(100) == b""
    if message:
        hasher.questions.send(message)
    with Path("/dev/null").open("wb") as no_socket:
        question = msgspec.msgpack.encode(Question(PASSWORD, STORED))
        socket.send_fds(hasher.questions, [question], [no_socket.fileno()])
    assert hasher.aside().matches(STORED, PASSWORD)
    assert hasher.here.computed == 0


def test_what_nobody_waits_for_any_more_is_not_computed() -> None:
    hasher = Hasher()
    question = msgspec.msgpack.encode(Question(PASSWORD, STORED))
    ask(hasher.questions, question).close()
    with ask(hasher.questions, question) as answers:
        hasher.questions.close()
        serve(hasher.hearing, hasher.here)
        assert msgspec.msgpack.decode(answers.recv(100), type=Told).is_right
    assert hasher.here.computed == 1
    hasher.close()


def test_it_ends_when_nobody_is_left_who_could_ask(hasher: Hasher) -> None:
    assert hasher.aside().matches(STORED, PASSWORD)
    hasher.questions.close()
    assert hasher.wait() == 0


def test_a_signal_ends_it_at_once_and_a_terminal_s_does_not(hasher: Hasher) -> None:
    assert hasher.aside().matches(STORED, PASSWORD)
    for number in (signal.SIGINT, signal.SIGHUP):
        hasher.signal(number)
    assert hasher.aside().matches(STORED, PASSWORD)
    assert hasher.here.computed == 0
    hasher.signal(signal.SIGTERM)
    assert hasher.wait() == -signal.SIGTERM


def test_a_password_is_in_no_text_form() -> None:
    assert PASSWORD not in repr(Question(PASSWORD, STORED))
    assert STORED not in repr(Told(made=STORED)) + repr(Question(PASSWORD, STORED))
