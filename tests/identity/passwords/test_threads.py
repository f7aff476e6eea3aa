from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from sams.identity.passwords.threads import Effort, GentleThreads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux")


@pytest.fixture
def threads() -> Iterator[GentleThreads]:
    made = GentleThreads(1, 10)
    yield made
    made.close()


def policy_of_next(threads: GentleThreads) -> int:
    """How the next job is scheduled."""
    found, is_over = list[int](), threading.Event()

    def look() -> None:
        found.append(os.sched_getscheduler(threading.get_native_id()))
        is_over.set()

    threads.submit(look)
    assert is_over.wait(20)
    return found[0]


def test_a_job_uses_cores_that_are_idle(threads: GentleThreads) -> None:
    assert policy_of_next(threads) == os.SCHED_IDLE
    threads.note(0.9)
    assert policy_of_next(threads) == os.SCHED_IDLE


def test_where_no_core_is_idle_the_next_jobs_get_a_part_all_the_same(threads: GentleThreads) -> None:
    threads.note(0.003)
    assert policy_of_next(threads) == os.SCHED_BATCH
    threads.note(0.1)
    assert policy_of_next(threads) == os.SCHED_BATCH, "which is what a batch job gets of a busy core"
    threads.note(0.8)
    assert policy_of_next(threads) == os.SCHED_IDLE


def test_an_effort_is_what_a_thread_got_of_a_core() -> None:
    resting = Effort()
    time.sleep(0.02)
    assert resting.share() < 0.5
