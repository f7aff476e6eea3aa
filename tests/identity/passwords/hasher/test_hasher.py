"""The hasher as it runs: a real process, and who asks it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import pwd
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from sams.core.errors import TemporaryFailure
from sams.core.rights import ServiceUser
from sams.identity.passwords.hasher.asking import HasherLine
from sams.identity.passwords.hasher.messages import Question
from sams.identity.passwords.hasher.process import serve
from sams.identity.passwords.hasher.starting import Orders, spawn_hasher
from sams.identity.passwords.hashes import Compared, HashCost, Hashes
from sams.identity.passwords.lanes import Lanes
from sams.identity.passwords.pool import HashPool
from sams.identity.questions import ask, hear, questions_pair
from sams.identity.shared_table import Columns
from tests.identity.rig import CHEAP, HOME, PASSWORD, CountingHashes

HERE = Hashes(CHEAP)
STORED = HERE.make(PASSWORD)
NOBODY = pwd.getpwnam("nobody")
RIGHT, WRONG = Compared(is_right=True), Compared(is_right=False)


@dataclass
class Hasher:
    """A hasher, and what a worker has of it."""

    folder: Path
    user: ServiceUser | None = None
    pid: int = 0

    def __post_init__(self) -> None:
        self.questions, self.hearing = questions_pair()

    def start(self) -> None:
        self.pid = spawn_hasher(Orders(2, CHEAP, self.user), self.hearing)

    def compare(self, stored: str | None, typed: str = PASSWORD, patience: float = 20.0) -> Compared | None:
        """Its answer; None: there was none."""

        async def answered() -> Compared | None:
            line, done = (
                HasherLine(self.questions, told_nothing, patience),
                asyncio.get_running_loop().create_future(),
            )
            line.ask(Question(stored, typed), done.set_result)
            heard: Compared | None = await done
            return heard

        return asyncio.run(answered())

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Until it ends; its status."""
        pid, self.pid = self.pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def status(self) -> dict[str, str]:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def open_files(self) -> list[str]:
        """Beyond the standard ones, by kind."""
        found = []
        for one in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.append(str(one.readlink()).partition(":")[0] if int(one.name) > 2 else "")
        return list(filter(None, found))

    def close(self) -> None:
        if self.pid:
            self.signal(signal.SIGKILL)
            self.wait()
        for end in (self.questions, self.hearing):
            end.close()


@pytest.fixture
def nobodys(tmp_path: Path) -> Iterator[Hasher]:
    """A pair at whose other end no hasher is."""
    made = Hasher(tmp_path)
    yield made
    made.close()


@pytest.fixture
def hasher(nobodys: Hasher) -> Hasher:
    nobodys.start()
    return nobodys


@pytest.fixture
def pool(nobodys: Hasher) -> Iterator[Callable[..., Coroutine[None, None, Compared]]]:
    """Compares by way of the hasher, or by a thread; what is counted must come to nothing in the end."""
    pools: list[HashPool] = []
    columns = Columns(1)

    async def compare(hashes: Hashes, stored: str | None, *, patience: float = 20.0) -> Compared:
        line = HasherLine(nobodys.questions, told_nothing, patience)
        pools.append(HashPool(Lanes(nobodys.folder / "lanes", 2), columns, 0, at_once=2, hasher=line))
        return await pools[-1].compare(hashes, stored, PASSWORD, HOME)

    yield compare
    for one in pools:
        one.close()
    assert columns.total() == 0


def told_nothing() -> None:
    """Where it does not matter whether there is silence."""


def soon(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_it_compares_as_a_worker_s_threads_do(hasher: Hasher) -> None:
    assert hasher.compare(STORED) == RIGHT
    assert hasher.compare(STORED, "another") == WRONG
    assert hasher.compare(None) == WRONG
    dearer = hasher.compare(Hashes(HashCost(memory=16, passes=2)).make(PASSWORD))
    assert dearer is not None
    assert dearer.upgrade is not None
    assert HERE.compare(dearer.upgrade, PASSWORD) == RIGHT
    foreign = hasher.compare("{SHA}" + base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode())  # noqa: S324
    assert foreign is not None
    assert foreign.is_right
    assert foreign.upgrade is not None


def test_a_damaged_hash_has_no_answer_and_the_hasher_goes_on(hasher: Hasher) -> None:
    assert hasher.compare("$argon2id$v=19$m=8,t=1,p=1$!$!") is None
    assert hasher.compare(STORED) == RIGHT


def test_a_password_that_is_no_text_is_not_asked_about(hasher: Hasher) -> None:
    assert hasher.compare(STORED, "\ud800") is None
    assert hasher.compare(STORED) == RIGHT


def test_it_stands_back_with_all_its_threads_gains_no_rights_and_shows_nothing(hasher: Hasher) -> None:
    assert hasher.compare(STORED) == RIGHT
    soon(lambda: hasher.status()["Threads"] == "2")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    for thread in Path(f"/proc/{hasher.pid}/task").iterdir():
        assert os.getpriority(os.PRIO_PROCESS, int(thread.name)) == min(own + 10, 19)
        assert os.sched_getscheduler(int(thread.name)) == os.SCHED_BATCH
    assert hasher.status()["NoNewPrivs"] == "1"
    assert PASSWORD.encode() not in Path(f"/proc/{hasher.pid}/cmdline").read_bytes()
    soon(lambda: hasher.open_files() == ["socket"])  # the answer's is closed last


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_started_as_root_it_becomes_the_service_s_user_and_its_memory_is_root_s() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        os.chown(name, NOBODY.pw_uid, NOBODY.pw_gid)
        hasher = Hasher(Path(name), ServiceUser("nobody", NOBODY.pw_uid, NOBODY.pw_gid))
        hasher.start()
        try:
            assert hasher.compare(STORED) == RIGHT
            assert hasher.status()["Uid"].split() == [str(NOBODY.pw_uid)] * 4
            assert hasher.status()["CapEff"] == "0" * 16
            assert Path(f"/proc/{hasher.pid}/mem").stat().st_uid == 0  # of each process that is not dumpable
        finally:
            hasher.close()


def test_who_hears_nothing_for_long_has_no_answer(hasher: Hasher) -> None:
    hasher.signal(signal.SIGSTOP)
    assert hasher.compare(STORED, patience=0.05) is None
    hasher.signal(signal.SIGCONT)
    assert hasher.compare(STORED) == RIGHT


def test_a_silent_hasher_is_told_of_once_and_not_asked_for_a_while(nobodys: Hasher) -> None:
    heard, told = list[Compared | None](), list[str]()

    async def main() -> None:
        line = HasherLine(nobodys.questions, lambda: told.append("silence"), 0.05)
        last = asyncio.get_running_loop().create_future()
        for hears in (heard.append, heard.append, last.set_result):
            line.ask(Question(STORED, PASSWORD), hears)
        assert heard == []
        heard.append(await last)
        line.ask(Question(STORED, PASSWORD), heard.append)
        assert heard == [None] * 4

    asyncio.run(main())
    assert told == ["silence"]


def test_questions_wait_for_a_successor(hasher: Hasher) -> None:
    hasher.signal(signal.SIGKILL)
    hasher.wait()
    again = threading.Timer(0.1, hasher.start)
    again.start()
    try:
        assert hasher.compare(STORED) == RIGHT
    finally:
        again.join()


@pytest.mark.parametrize("message", [b"", b"\xff", b"x" * 20_000, msgspec.msgpack.encode({"typed": 1})])
def test_what_is_no_question_is_passed_over(hasher: Hasher, message: bytes) -> None:
    with ask(hasher.questions, message) as answers:
        answers.settimeout(20)
        assert answers.recv(100) == b""
    if message:
        hasher.questions.send(message)
    with Path("/dev/null").open("wb") as no_socket:
        question = msgspec.msgpack.encode(Question(STORED, PASSWORD))
        socket.send_fds(hasher.questions, [question], [no_socket.fileno()])
    assert hasher.compare(STORED) == RIGHT


def test_an_empty_message_ends_neither_the_process_nor_a_thread(hasher: Hasher) -> None:
    assert hasher.compare(STORED) == RIGHT
    soon(lambda: hasher.status()["Threads"] == "2")
    for _ in range(3):
        hasher.questions.send(b"")
    assert hasher.compare(STORED) == RIGHT
    assert hasher.status()["Threads"] == "2"


def test_what_nobody_waits_for_any_more_is_not_computed(nobodys: Hasher) -> None:
    hashes, question = CountingHashes(), msgspec.msgpack.encode(Question(STORED, PASSWORD))
    ask(nobodys.questions, question).close()
    with ask(nobodys.questions, question) as answers:
        nobodys.questions.close()
        serve(nobodys.hearing, hashes)
        assert msgspec.msgpack.decode(answers.recv(100), type=Compared) == RIGHT
    assert hashes.compared == [True]


def test_it_ends_when_nobody_is_left_who_could_ask(hasher: Hasher) -> None:
    assert hasher.compare(STORED) == RIGHT
    hasher.questions.close()
    assert hasher.wait() == 0


def test_a_signal_ends_it_at_once_and_a_terminal_s_does_not(hasher: Hasher) -> None:
    assert hasher.compare(STORED) == RIGHT
    for number in (signal.SIGINT, signal.SIGHUP):
        hasher.signal(number)
    assert hasher.compare(STORED) == RIGHT
    hasher.signal(signal.SIGTERM)
    assert hasher.wait() == -signal.SIGTERM


Compare = Callable[..., Coroutine[None, None, Compared]]


def test_what_the_hasher_answers_no_thread_computes(hasher: Hasher, pool: Compare) -> None:
    hashes = CountingHashes()
    assert asyncio.run(pool(hashes, STORED)) == RIGHT
    assert hashes.compared == []
    assert hasher.pid


def test_a_thread_computes_at_once_what_a_hasher_died_over(nobodys: Hasher, pool: Compare) -> None:
    def die() -> None:
        heard = hear(nobodys.hearing)
        assert heard is not None
        assert heard.asker is not None
        heard.asker.close()

    hashes, dying = CountingHashes(), threading.Thread(target=die)
    dying.start()
    assert asyncio.run(pool(hashes, STORED, patience=3_600.0)) == RIGHT
    assert hashes.compared == [True]
    dying.join()


def test_a_thread_computes_what_the_hasher_is_silent_about(nobodys: Hasher, pool: Compare) -> None:
    hashes = CountingHashes()
    assert asyncio.run(pool(hashes, None, patience=0.05)) == WRONG
    assert hashes.compared == [False]
    assert nobodys.pid == 0


def test_a_damaged_hash_is_an_error_by_way_of_the_hasher_too(hasher: Hasher, pool: Compare) -> None:
    with pytest.raises(ValueError, match="damaged") as caught:
        asyncio.run(pool(HERE, "$argon2id$v=19$m=8,t=1,p=1$!$!"))
    assert PASSWORD not in str(caught.value)
    assert hasher.compare(STORED) == RIGHT


def test_a_thread_computes_at_once_what_the_socket_does_not_hold(nobodys: Hasher, pool: Compare) -> None:
    waiting: list[socket.socket] = []
    with suppress(BlockingIOError):
        while True:
            waiting.append(ask(nobodys.questions, b"x" * 1_000))
    hashes = CountingHashes()
    assert asyncio.run(pool(hashes, STORED, patience=3_600.0)) == RIGHT
    assert hashes.compared == [True]
    for one in waiting:
        one.close()


def test_a_thread_that_cannot_be_started_costs_one_check_and_no_more(
    nobodys: Hasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns, hashes = Columns(1), CountingHashes()

    async def main() -> None:
        line = HasherLine(nobodys.questions, told_nothing, 0.05)
        pool = HashPool(Lanes(nobodys.folder / "lanes", 1), columns, 0, at_once=1, hasher=line)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_start)
            with pytest.raises(TemporaryFailure, match="no thread can be started"):
                await asyncio.wait_for(pool.compare(hashes, STORED, PASSWORD, HOME), 20)
        assert await asyncio.wait_for(pool.compare(hashes, STORED, PASSWORD, HOME), 20) == RIGHT
        pool.close()

    asyncio.run(main())
    assert hashes.compared == [True]
    assert columns.total() == 0


def no_start(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_who_waits_for_the_hasher_while_the_pool_closes_waits_no_more(nobodys: Hasher) -> None:
    columns = Columns(1)

    async def main() -> None:
        line = HasherLine(nobodys.questions, told_nothing, 20.0)
        pool = HashPool(Lanes(nobodys.folder / "lanes", 1), columns, 0, at_once=1, hasher=line)
        asked = [asyncio.create_task(pool.compare(HERE, STORED, PASSWORD, HOME)) for _ in range(3)]
        await asyncio.sleep(0)
        assert columns.total() == 3
        pool.close()
        done, _ = await asyncio.wait(asked, timeout=20)
        assert [one.cancelled() for one in done] == [True] * 3

    asyncio.run(main())
    assert columns.total() == 0


def test_a_password_is_in_no_text_form() -> None:
    assert repr(Question(STORED, PASSWORD)) == "Question()"
