from __future__ import annotations

import asyncio

import pytest

from sams.core.errors import TemporaryFailure
from sams.identity.replies import BUSY
from sams.identity.sources.turnstile import Turnstile
from tests.identity.rig import CAFE, HOME


class Crowd:
    """Who went in, in their order; each stays until let out."""

    def __init__(self, turnstile: Turnstile) -> None:
        self.turnstile = turnstile
        self.inside: list[str] = []
        self.doors: dict[str, asyncio.Event] = {}

    def come(self, name: str, address: str = HOME, *, is_known: bool = False) -> asyncio.Task[None]:
        self.doors[name] = asyncio.Event()
        return asyncio.create_task(self._visit(name, address, is_known=is_known))

    async def _visit(self, name: str, address: str, *, is_known: bool) -> None:
        async with self.turnstile.enter(address, is_known=is_known):
            self.inside.append(name)
            await self.doors[name].wait()

    async def leave(self, name: str) -> None:
        self.doors[name].set()
        await asyncio.sleep(0.001)


def test_who_waits_goes_in_by_turns_of_places_and_known_ones_first() -> None:
    async def run() -> None:
        crowd = Crowd(Turnstile(1))
        tasks = [crowd.come("first")]
        await asyncio.sleep(0)
        tasks += [crowd.come(f"home{number}") for number in range(3)]
        tasks += [crowd.come("cafe", CAFE), crowd.come("known", CAFE, is_known=True)]
        await asyncio.sleep(0)
        for name in ("first", "known", "home0", "cafe", "home1", "home2"):
            await crowd.leave(name)
        await asyncio.gather(*tasks)
        assert crowd.inside == ["first", "known", "home0", "cafe", "home1", "home2"]

    asyncio.run(run())


def test_the_newest_of_a_crowd_gives_way_to_somebody_from_elsewhere() -> None:
    async def run() -> None:
        crowd = Crowd(Turnstile(1, max_waiting=3))
        inside = crowd.come("first")
        await asyncio.sleep(0)
        waiting = [crowd.come(f"home{number}") for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(TemporaryFailure) as refused:
            await crowd.come("home3")
        assert refused.value.reply == BUSY
        elsewhere = crowd.come("cafe", CAFE)
        await asyncio.sleep(0)
        with pytest.raises(TemporaryFailure):
            await waiting[-1]
        for name in ("first", "home0", "cafe", "home1"):
            await crowd.leave(name)
        await asyncio.gather(inside, elsewhere, *waiting[:2])
        assert sorted(crowd.inside) == ["cafe", "first", "home0", "home1"]

    asyncio.run(run())


def test_who_is_gone_takes_no_place_whenever_that_was() -> None:
    async def run() -> None:
        crowd = Crowd(Turnstile(1))
        inside = crowd.come("first")
        await asyncio.sleep(0)
        gone, let_in_and_gone, stays = crowd.come("gone"), crowd.come("late"), crowd.come("stays")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        crowd.doors["first"].set()
        await inside
        let_in_and_gone.cancel()  # its turn has come, and it does not know yet
        await crowd.leave("stays")
        await stays
        assert "stays" in crowd.inside
        again = crowd.come("again")
        await crowd.leave("again")
        await asyncio.wait_for(again, 1)

    asyncio.run(run())


def test_a_failure_inside_frees_the_place() -> None:
    async def run() -> None:
        turnstile = Turnstile(1)
        for _ in range(3):
            with pytest.raises(KeyError):
                async with turnstile.enter(HOME, is_known=False):
                    raise KeyError

    asyncio.run(run())
