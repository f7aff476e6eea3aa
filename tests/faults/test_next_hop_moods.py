"""A next hop that does something else each time, by a seed: nothing is lost, told twice or mixed; no bug is met."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from tests.faults.hop_rows import WAYS
from tests.faults.hop_world import HOUR, World
from tests.support.next_hop import Answer, Do, NextHop
from tests.support.wire import WireLoop, on_wires

SEEDS = range(12)
EVERYWHERE: tuple[Answer, ...] = (
    Do.DROP,
    Do.RESET,
    Do.HANG,
    ("421 4.3.2 closing", Do.DROP),
    "421 4.3.2 closing and staying",
    "450 4.2.1 later",
    "451 4.1.1 odd",
    "452 4.5.3 too many",
    "552 too many",
    "550 5.1.1 no",
    "504 5.5.4 not implemented",
    "555 5.5.4 unknown parameter",
    "530 5.7.0 sign in",
    "354 go on",
    b"rubbish\r\n",
    b"250 ok\n",
    b"25",
)
RESETS: tuple[Answer, ...] = (Do.DROP, Do.HANG, "450 4.3.2 later", "502 5.5.1 what?")


class Moody(NextHop):
    """Does what it should three times of four."""

    is_moody = True

    def __init__(self, seed: int, extensions: tuple[str, ...]) -> None:
        super().__init__(extensions=extensions)
        self.random = random.Random(seed)

    def answer(self, verb: str, address: bytes | None = None) -> Answer:
        if not self.is_moody or self.random.random() < 0.75:
            return None
        if verb == "RSET":
            return self.random.choice(RESETS) if "CHUNKING" not in self.extensions else None
        choices = EVERYWHERE if verb not in {"MESSAGE", "BDAT"} else EVERYWHERE[:3]
        return self.random.choice(choices)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_a_hop_does_each_recipient_has_its_message_or_its_sender_hears(seed: int, way: str) -> None:
    async def main(loop: WireLoop) -> None:
        hop = Moody(seed, WAYS[way])
        world = World(loop, hop, seed=seed, connections=1 + seed % 4)
        names = []
        for number in range(24):
            some = [f"m{number}r{place}" for place in range(1 + number % 5)]
            names += some
            await world.send(*[f"{name}@x.example" for name in some], login=f"l{number % 3}")
            if number % 4 == 3:
                await asyncio.sleep(60.0)
        await world.pass_time(HOUR / 2)
        hop.is_moody = False
        await world.pass_time(HOUR)
        copies, reported = world.copies(), Counter(name for _, name, _ in world.reported())
        assert world.faults == []
        assert not world.spool.messages
        assert not len(world.window)
        assert max(reported.values(), default=0) <= 1
        assert [name for name in names if not copies[name] and not reported[name]] == [], "lost"
        for mail in [*hop.mails, *hop.refused]:
            assert len({each.partition(b"r")[0] for each in mail.addresses}) <= 1, "mixed"
        assert hop.faults == []
        assert len(world.dialled()) <= 24 * 20
        await world.close()
        assert not hop.open

    on_wires(main)
