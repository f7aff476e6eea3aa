"""Lookups of names: one thread a name, and nobody is held up by one that does not end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from sams.delivery.lookups import SystemResolver, system_lookup


class Names:
    """A resolver that answers when it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self._error = error

    def __call__(self, name: str, port: int) -> Sequence[str]:
        self.asked.append(name)
        assert self.may_answer.wait(60)
        if self._error is not None:
            raise self._error
        return [f"192.0.2.{port}"]


def test_all_who_ask_for_a_name_share_one_lookup_and_each_name_has_its_own() -> None:
    names = Names()
    resolve = SystemResolver(names)

    async def scene() -> None:
        waiting = [asyncio.ensure_future(resolve("a", 25)) for _ in range(50)]
        other = asyncio.ensure_future(resolve("b", 26))
        impatient = asyncio.ensure_future(resolve("a", 25))
        await asyncio.sleep(0)
        impatient.cancel()
        names.may_answer.set()
        async with asyncio.timeout(20):
            assert await asyncio.gather(*waiting) == [["192.0.2.25"]] * 50
        assert await other == ["192.0.2.26"]
        assert sorted(names.asked) == ["a", "b"]
        assert await resolve("a", 25) == ["192.0.2.25"]
        assert sorted(names.asked) == ["a", "a", "b"]

    asyncio.run(scene())


@pytest.mark.parametrize("error", [OSError("no answer"), UnicodeError("label too long")])
def test_what_fails_is_told_to_all_who_wait(error: Exception) -> None:
    names = Names(error)
    names.may_answer.set()

    async def scene() -> None:
        found = await asyncio.gather(
            *(SystemResolver(names)("a", 25) for _ in range(2)), return_exceptions=True
        )
        assert found == [error, error]

    asyncio.run(scene())


def test_the_systems_resolver_knows_this_machine() -> None:
    assert {"127.0.0.1", "::1"} & set(system_lookup("localhost", 25))


_HANGS = """
import asyncio, time, uvloop
from sams.delivery.lookups import SystemResolver

async def scene():
    resolve = SystemResolver(lambda name, port: time.sleep(3600))
    try:
        async with asyncio.timeout(0.1):
            await resolve("a", 25)
    except TimeoutError:
        print("given up")

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(scene())
"""


def test_a_lookup_that_does_not_end_lets_the_process_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HANGS], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "given up\n"
