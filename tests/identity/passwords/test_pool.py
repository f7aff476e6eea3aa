from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from sams.core.errors import TemporaryFailure
from sams.identity.passwords.hashes import HashCost, Hashes
from sams.identity.passwords.lanes import Lanes
from sams.identity.passwords.pool import HashPool
from sams.identity.shared_table import Columns
from tests.identity.rig import CAFE, CHEAP, HOME, ended_well, fork, in_child


def test_a_hash_is_argon2id_with_its_parameters_and_matches_its_password_only() -> None:
    hashes = Hashes(HashCost())
    stored = hashes.make("correct horse")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hashes.compare(stored, "correct horse").is_right
    assert not hashes.compare(stored, "correct horsf").is_right


def test_a_hash_of_another_cost_is_brought_up_to_todays() -> None:
    stored = Hashes(CHEAP).make("correct horse")
    today = Hashes(HashCost(memory=16, passes=2))
    compared = today.compare(stored, "correct horse")
    assert compared.is_right
    assert compared.upgrade is not None
    assert today.compare(compared.upgrade, "correct horse").upgrade is None


def test_a_wrong_password_brings_no_upgrade() -> None:
    stored = Hashes(CHEAP).make("correct horse")
    assert Hashes(HashCost(memory=16, passes=2)).compare(stored, "wrong").upgrade is None


def test_a_password_is_right_in_each_spelling_of_it() -> None:
    hashes = Hashes(CHEAP)
    assert hashes.compare(hashes.make("Blaue Pferde é"), "Blaue\u00a0Pferde e\u0301").is_right


def test_nobodys_hash_is_never_right() -> None:
    assert not Hashes(CHEAP).compare(None, "anything").is_right


@pytest.mark.parametrize(
    "stored", ["", "{SSHA}x", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA", "$argon2id$v=19$m=8,t=1,p=1$!$!"]
)
def test_a_damaged_hash_is_an_error_and_no_wrong_password(stored: str) -> None:
    with pytest.raises(ValueError, match="damaged") as caught:
        Hashes(CHEAP).compare(stored, "the secret")
    assert "secret" not in str(caught.value)


def pool(
    folder: Path, columns: Columns, *, worker: int = 0, at_once: int = 2, waiting: int = 200
) -> HashPool:
    return HashPool(Lanes(folder, at_once), columns, worker, at_once=at_once, max_waiting=waiting)


async def _fill(
    hash_pool: HashPool, free: threading.Event, jobs: int, address: str = CAFE
) -> list[asyncio.Task[bool]]:
    tasks = [asyncio.create_task(hash_pool.run(partial(free.wait, 30), address)) for _ in range(jobs)]
    await asyncio.sleep(0)
    return tasks


def test_more_jobs_than_may_wait_are_refused(tmp_path: Path) -> None:
    columns = Columns(1)
    hash_pool = pool(tmp_path, columns, at_once=1, waiting=3)

    async def main() -> None:
        free = threading.Event()
        tasks = await _fill(hash_pool, free, 4)
        with pytest.raises(TemporaryFailure) as caught:
            await hash_pool.run(lambda: True, CAFE)
        assert str(caught.value.reply).startswith("454 4.7.0")
        free.set()
        assert all(await asyncio.gather(*tasks))
        assert await hash_pool.run(lambda: True, CAFE)

    asyncio.run(main())
    assert columns.total() == 0
    hash_pool.close()


def test_as_many_wait_over_all_workers_as_may_and_each_worker_has_places_of_its_own(tmp_path: Path) -> None:
    columns = Columns(2)
    busy, other = (pool(tmp_path, columns, worker=one, at_once=1, waiting=19) for one in (0, 1))

    async def main() -> None:
        free = threading.Event()
        tasks = await _fill(busy, free, 40) + await _fill(other, free, 40)
        assert list(columns.numbers) == [15, 5]
        free.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(one, TemporaryFailure) for one in ended].count(True) == 60

    asyncio.run(main())
    assert columns.total() == 0
    busy.close()
    other.close()


def test_who_comes_from_elsewhere_is_next_however_many_wait_from_one_place(tmp_path: Path) -> None:
    hash_pool, order = pool(tmp_path, Columns(1), at_once=1), list[str]()

    async def main() -> None:
        free = threading.Event()
        running = await _fill(hash_pool, free, 1)
        crowd = [asyncio.create_task(hash_pool.run(partial(order.append, CAFE), CAFE)) for _ in range(50)]
        await asyncio.sleep(0)
        member = asyncio.create_task(hash_pool.run(partial(order.append, HOME), HOME))
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(*running, *crowd, member)

    asyncio.run(main())
    assert order.index(HOME) == 2, "one by its place, one by its age, and so on"
    hash_pool.close()


def test_in_a_full_queue_the_newest_of_a_crowd_gives_way_to_who_comes_from_elsewhere(tmp_path: Path) -> None:
    columns = Columns(1)
    hash_pool = pool(tmp_path, columns, at_once=1, waiting=3)

    async def main() -> None:
        free = threading.Event()
        crowd = await _fill(hash_pool, free, 4)
        member = await _fill(hash_pool, free, 1, HOME)
        assert columns.total() == 4
        free.set()
        ended = await asyncio.gather(*crowd, *member, return_exceptions=True)
        assert [isinstance(one, TemporaryFailure) for one in ended] == [False, False, False, True, False]

    asyncio.run(main())
    assert columns.total() == 0
    hash_pool.close()


def test_a_crowd_at_one_place_is_served_beside_guesses_from_everywhere(tmp_path: Path) -> None:
    """Behind one NAT sit thousands: by networks alone a hundred guessers left them a hundredth."""
    hash_pool, order = pool(tmp_path, Columns(1), at_once=1, waiting=500), list[str]()

    async def main() -> None:
        free = threading.Event()
        running = await _fill(hash_pool, free, 1)
        places = [f"203.{number}.113.9" for number in range(100)]
        waiting = [
            asyncio.create_task(hash_pool.run(partial(order.append, place), place))
            for pair in zip(places, [CAFE] * 100, strict=True)
            for place in pair
        ]
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(*running, *waiting)

    asyncio.run(main())
    assert order[:100].count(CAFE) >= 25
    hash_pool.close()


def test_who_was_right_there_before_comes_first_and_gives_way_to_no_stranger(tmp_path: Path) -> None:
    columns = Columns(1)
    hash_pool, order = pool(tmp_path, columns, at_once=1, waiting=6), list[str]()

    async def main() -> None:
        free = threading.Event()
        running = await _fill(hash_pool, free, 1)
        places = [*(f"203.0.{number}.9" for number in range(5)), CAFE]
        strangers = [asyncio.create_task(hash_pool.run(partial(order.append, at), at)) for at in places]
        await asyncio.sleep(0)
        member = asyncio.create_task(hash_pool.run(partial(order.append, HOME), HOME, is_known=True))
        await asyncio.sleep(0)
        with pytest.raises(TemporaryFailure):
            await hash_pool.run(partial(order.append, CAFE), CAFE)
        free.set()
        await asyncio.gather(*running, *strangers, member, return_exceptions=True)

    asyncio.run(main())
    assert order[0] == HOME
    assert len(order) == 6
    assert columns.total() == 0
    hash_pool.close()


def test_a_closed_pool_takes_nothing_more(tmp_path: Path) -> None:
    columns = Columns(1)
    hash_pool = pool(tmp_path, columns, at_once=1)

    async def main() -> None:
        free = threading.Event()
        (running,) = await _fill(hash_pool, free, 1)
        free.set()
        hash_pool.close()
        with pytest.raises(TemporaryFailure):
            await hash_pool.run(lambda: True, HOME)
        await running

    asyncio.run(main())
    assert columns.total() == 0


def test_a_job_that_was_cancelled_or_failed_is_not_counted_on(tmp_path: Path) -> None:
    columns = Columns(1)
    hash_pool = pool(tmp_path, columns, at_once=1)

    async def main() -> None:
        free = threading.Event()
        tasks = await _fill(hash_pool, free, 3)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks[1:], return_exceptions=True)
        assert columns.total() == 1
        free.set()
        await tasks[0]
        with pytest.raises(ZeroDivisionError):
            await hash_pool.run(lambda: 1 // 0, HOME)

    asyncio.run(main())
    assert columns.total() == 0
    hash_pool.close()


def test_a_worker_starts_with_nothing_waiting_whatever_its_forerunner_left(tmp_path: Path) -> None:
    columns = Columns(1)
    columns.numbers[0] = 17
    pool(tmp_path, columns).close()
    assert columns.total() == 0


def test_over_all_processes_no_more_than_the_lanes_are_held_at_once(tmp_path: Path) -> None:
    """Each holder writes + when in and - when out; an appended octet is never lost or torn."""
    lanes, log = Lanes(tmp_path / "lanes", 2), tmp_path / "log"

    def work() -> None:
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

        def once() -> None:
            for _ in range(20):
                with lanes.hold():
                    os.write(file, b"+")
                    os.write(file, b"-")

        threads = [threading.Thread(target=once) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert ended_well(*[fork(work) for _ in range(3)])
    held, most, text = 0, 0, log.read_bytes()
    for octet in text:
        held += 1 if octet == ord("+") else -1
        most = max(most, held)
    assert len(text) == 2 * 3 * 3 * 20
    assert most <= 2


def test_who_waits_for_a_lane_comes_before_who_just_left_it(tmp_path: Path) -> None:
    lanes, order = Lanes(tmp_path, 1), list[str]()

    def wait() -> None:
        file = lanes._pass(0, fcntl.LOCK_EX)
        order.append("waiter")
        os.close(file)

    waiter = threading.Thread(target=wait)
    with lanes.hold():
        waiter.start()
        gate = os.open(tmp_path / "gate-0", os.O_RDWR)
        while is_free(gate):
            time.sleep(0.001)
        os.close(gate)
    with lanes.hold():
        order.append("leaver")
    waiter.join()
    assert order == ["waiter", "leaver"]


def is_free(gate: int) -> bool:
    """Whether nobody waits at a gate."""
    try:
        fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(gate, fcntl.LOCK_UN)
    return True


def test_a_holder_that_dies_gives_its_lane_back(tmp_path: Path) -> None:
    lanes = Lanes(tmp_path, 1)

    def die_inside() -> None:
        held = lanes.hold()
        held.__enter__()

    in_child(die_inside)
    with lanes.hold() as number:
        assert number == 0


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux")
def test_hashes_are_computed_at_low_priority_and_the_loop_is_not(tmp_path: Path) -> None:
    def measured(service: int) -> None:
        os.nice(service)
        hash_pool = pool(tmp_path, Columns(1))
        assert asyncio.run(hash_pool.run(_priority, HOME)) == (min(19, own + service + 10), os.SCHED_BATCH)
        assert _priority() == (min(19, own + service), os.SCHED_OTHER)
        hash_pool.close()

    own = os.getpriority(os.PRIO_PROCESS, 0)
    for service in (0, 5, 15):
        in_child(partial(measured, service))


def _priority() -> tuple[int, int]:
    thread = threading.get_native_id()
    return os.getpriority(os.PRIO_PROCESS, thread), os.sched_getscheduler(thread)


def test_a_job_whose_thread_is_only_beginning_counts_itself_out_of_a_pool_that_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = threading.Event()
    monkeypatch.setattr("sams.identity.passwords.pool._lower_priority", lambda _: begins.wait(20))
    columns = Columns(1)

    async def main() -> None:
        hash_pool = pool(tmp_path, columns)
        pending = asyncio.ensure_future(hash_pool.run(lambda: None, HOME))
        await asyncio.sleep(0)
        assert columns.total() == 1
        threading.Timer(0.05, begins.set).start()
        hash_pool.close()
        await asyncio.wait_for(pending, 20)

    asyncio.run(main())
    assert columns.total() == 0
