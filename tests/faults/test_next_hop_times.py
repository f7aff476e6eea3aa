"""A bad next hop and the clock: how often it is tried, how long it is waited for, how much is sent to it twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest

from sams.delivery.backoff import JITTER
from sams.delivery.group_size import ALONE, MOST
from sams.delivery.pool import AVOID_LONGEST
from sams.protocol.smtp.client_waits import Timeouts
from tests.faults.hop_rows import GROUPS, WAYS
from tests.faults.hop_world import HOUR, POLICY, World
from tests.support.next_hop import EXTENSIONS, Answer, Do, NextHop
from tests.support.wire import WireLoop, on_wires

BDAT = WAYS[GROUPS]
DAY = 24 * HOUR
TIMES = Timeouts()


def played(main: Callable[[WireLoop], Coroutine[Any, Any, None]]) -> None:
    on_wires(main)


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


# ---- how often


@pytest.mark.parametrize("answer", ["refuses", "does not answer", "hangs", "says 421"])
def test_a_dead_hop_is_asked_by_one_connection_at_a_time_and_more_and_more_seldom(answer: str) -> None:
    async def main(loop: WireLoop) -> None:
        hop = {"hangs": NextHop({"CONNECT": Do.HANG}), "says 421": NextHop({"CONNECT": "421 busy"})}.get(
            answer
        )
        world = World(loop, hop)
        if answer == "does not answer":
            loop.peers[25] = None
        for place in range(200):
            await world.send(f"u{place}@x.example", login=f"l{place % 7}")
        await world.pass_time(0.9 * HOUR)
        each = {"hangs": TIMES.greeting, "does not answer": TIMES.connect}.get(answer, 0.0)
        first, *later = gaps(world.dialled()[4:])  # those of the first moment went at once, side by side
        assert len(world.dialled()) <= 25
        assert first >= POLICY.probe_first * (1 - JITTER)
        assert all(gap <= POLICY.probe_longest * (1 + JITTER) + each + 1 for gap in later)
        assert later[-1] >= POLICY.probe_longest * (1 - JITTER)
        assert len({round(gap, 3) for gap in later[-4:]}) == 4, "no jitter"
        assert len(world.changes("route down")) == 1
        assert world.spool.recipients
        assert all(one.attempts == 0 for its in world.spool.recipients.values() for one in its.values())
        await world.close()

    played(main)


def test_a_hop_that_puts_off_is_tried_at_growing_times_and_not_by_all_at_once() -> None:
    async def main(loop: WireLoop) -> None:
        world = World(loop, NextHop({"RCPT": "450 4.2.1 later"}))
        times: dict[str, list[float]] = {}
        tell = world.scheduler._conclusions._tell

        def note(event: Any) -> None:
            if type(event).__name__ == "Attempted" and event.route == "hub":
                times.setdefault(event.message, []).append(loop.time())
            tell(event)

        world.scheduler._conclusions._tell = note
        await together(world, "u", 8)
        await world.pass_time(0.9 * HOUR)
        assert len(times) == 8
        for at in times.values():
            for place, gap in enumerate(gaps(at)):
                length = min(POLICY.longest, POLICY.first * 2.0**place)
                assert length * (1 - JITTER) - 1 <= gap <= length * (1 + JITTER) + 1
        assert len({round(at[-1]) for at in times.values()}) == 8, "no jitter"
        assert len(world.dialled()) <= 8 * 7
        await world.close()

    played(main)


@pytest.mark.long
@pytest.mark.parametrize("answers", [{"CONNECT": "421 busy"}, {"END": Do.DROP}, {"MAIL": "450 later"}])
def test_a_bad_hop_for_two_days_is_no_load(answers: dict[str, Answer]) -> None:
    async def main(loop: WireLoop) -> None:
        world = World(loop, NextHop(answers))
        for hour in range(48):
            await world.send(f"u{hour}@x.example")
            await world.pass_time(HOUR)
        assert len(world.dialled()) <= 48 * HOUR / (POLICY.probe_longest * (1 - JITTER)) + 48 * 8
        assert len(world.reported()) == 47
        await world.close()

    played(main)


# ---- several hosts


@pytest.mark.parametrize("how", ["refuses", "does not answer", "hangs", "says 421", "hangs at EHLO"])
def test_one_dead_host_of_two_holds_up_next_to_nothing(how: str) -> None:
    async def main(loop: WireLoop) -> None:
        dead = {
            "hangs": NextHop({"CONNECT": Do.HANG}),
            "says 421": NextHop({"CONNECT": "421 busy"}),
            "hangs at EHLO": NextHop({"EHLO": Do.HANG}),
        }.get(how)
        good = NextHop()
        world = World(loop, dead, good, idle=5.0)
        if how == "does not answer":
            loop.peers[25] = None
        waits = []
        for place in range(60):
            began = loop.time()
            await world.send(f"u{place}@x.example")
            asked = len([port for _, port in loop.dialled if port == 25])
            await asyncio.sleep(60.0)
            waits.append((f"u{place}" in world.copies(), asked))
            assert loop.time() - began < 61.0
        await asyncio.sleep(TIMES.greeting)
        assert world.copies() == {f"u{place}": 1 for place in range(60)}
        asked = len([port for _, port in loop.dialled if port == 25])
        assert asked <= 5 + HOUR / AVOID_LONGEST + 4, "the dead host was not avoided"
        assert sum(not came for came, _ in waits) <= 2 * asked, "who did not ask the dead host waited for it"
        assert not world.changes("route down")
        await world.close()

    played(main)


def test_while_one_attempt_finds_out_that_a_host_still_hangs_all_others_go_by_the_other_host() -> None:
    async def main(loop: WireLoop) -> None:
        dead, good = NextHop({"CONNECT": Do.HANG}), NextHop()
        world = World(loop, dead, good, idle=5.0)
        await world.send("first@x.example")
        await asyncio.sleep(TIMES.greeting + 2 * AVOID_LONGEST)
        asked = dead.connections
        await world.send("finds-out@x.example")
        await asyncio.sleep(1.0)
        assert dead.connections == asked + 1
        for place in range(20):
            await world.send(f"u{place}@x.example", login=f"l{place}")
            await asyncio.sleep(1.0)
            assert world.copies()[f"u{place}"] == 1
        assert dead.connections == asked + 1
        await world.close()

    played(main)


# ---- how long


def test_a_hop_that_keeps_each_time_out_alive_is_cut_off_at_an_end_that_nothing_moves() -> None:
    async def main(loop: WireLoop) -> None:
        answers: dict[str, Answer] = dict.fromkeys(("CONNECT", "EHLO", "MAIL", "RCPT"), "250 x")
        hop = NextHop({**answers, "CONNECT": "220 x"}, extensions=(), dribble=40.0)  # 7 octets: 280 s a reply
        world = World(loop, hop)
        await world.send(*[f"u{place}@x.example" for place in range(30)])
        began = loop.time()
        while not world.attempts:  # noqa: ASYNC110 - time is the loop's own
            await asyncio.sleep(10.0)
        opening = 3 * 280.0
        assert TIMES.transaction <= loop.time() - began <= opening + TIMES.transaction + 60.0
        assert set(world.first().values()) == {"deferred 451 4.4.2 The next hop was too slow at RCPT"}
        assert hop.commands.count(b"EHLO me.example.org") == 1
        await world.close()

    played(main)


def test_a_hop_that_stops_to_read_is_waited_for_three_minutes() -> None:
    class Full(NextHop):
        def answer(self, verb: str, address: bytes | None = None) -> Answer:
            if verb == "MESSAGE":
                self.pause_all()
            return super().answer(verb, address)

    async def main(loop: WireLoop) -> None:
        world = World(loop, Full())
        await world.send("a@x.example", body=b"x" * 70 + b"\r\n" + b"y" * 3_000_000)
        began = loop.time()
        while not world.attempts:  # noqa: ASYNC110 - as above
            await asyncio.sleep(1.0)
        assert world.first() == {"a": "deferred 451 4.4.2 The next hop was too slow at the message"}
        assert TIMES.message <= loop.time() - began <= TIMES.message + 5.0
        await world.close()

    played(main)


@pytest.mark.parametrize(
    ("verb", "seconds"),
    [("CONNECT", 300), ("EHLO", 300), ("MAIL", 300), ("RCPT", 300), ("DATA", 120), ("END", 600)],
)
def test_each_reply_is_waited_for_as_long_as_rfc_5321_says(verb: str, seconds: int) -> None:
    async def main(loop: WireLoop) -> None:
        world = World(loop, NextHop({verb: Do.HANG}, extensions=()))
        began = loop.time()
        await world.send("a@x.example")
        await asyncio.sleep(seconds - 1)
        assert not world.attempts
        while not world.attempts:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)
        assert loop.time() - began <= seconds + 1
        await world.close()

    played(main)


# ---- how much twice


async def together(world: World, name: str, count: int) -> None:
    """Send so many at one moment."""
    await asyncio.gather(
        *[world.send(f"{name}{place}@x.example", login=f"l{place}") for place in range(count)]
    )


class Vanishing(NextHop):
    """Takes what comes, and where several messages come at once it goes away without a word."""

    def answer(self, verb: str, address: bytes | None = None) -> Answer:
        if (
            verb == "END"
            and len([each for each in self.segments[-1].split(b"\r\n") if each[:4] == b"BDAT"]) > 1
        ):
            asyncio.get_running_loop().call_soon(self.cut_all)
        return super().answer(verb, address)


def test_a_hop_that_takes_groups_and_vanishes_has_few_messages_twice_and_fewer_and_fewer() -> None:
    async def main(loop: WireLoop) -> None:
        world = World(loop, Vanishing(extensions=BDAT), idle=120.0)
        count = 240
        for minute in range(count):
            await together(world, f"u{minute}-", 8)
            await asyncio.sleep(60.0)
        assert not world.spool.messages
        copies = world.copies()
        assert len(copies) == 8 * count
        assert max(copies.values()) == 2
        assert 2 <= sum(copies.values()) - 8 * count <= 16
        assert world.reported() == []
        await world.close()

    played(main)


def test_what_a_hop_said_250_to_before_it_vanished_is_never_sent_again() -> None:
    async def main(loop: WireLoop) -> None:
        hop = NextHop(extensions=BDAT)
        world = World(loop, hop)
        while world.smarthost.group_size < MOST:
            await together(world, "w", world.smarthost.group_size)
            await asyncio.sleep(1.0)
        hop.mails.clear()
        taken: list[Answer] = ["250 2.0.0 taken"]
        hop.answers = {"END": [*taken * 9, Do.DROP, *taken]}
        await together(world, "u", MOST)
        await asyncio.sleep(1_000.0)
        assert world.copies() == {f"u{place}": 1 for place in range(MOST)}
        assert Counter(len(each.recipients) for each in world.attempts)[1] >= MOST
        assert world.smarthost.group_size == 1
        assert ALONE < 1_000.0
        await world.close()

    played(main)


@pytest.mark.parametrize("extensions", [EXTENSIONS, BDAT])
def test_a_hop_that_resets_every_connection_after_three_messages_gets_all_mail(
    extensions: tuple[str, ...],
) -> None:
    class Tired(NextHop):
        def answer(self, verb: str, address: bytes | None = None) -> Answer:
            if verb == "RSET" or (verb == "MAIL" and self.taken % 3 == 0 and self.taken):
                return super().answer(verb, address) if self.connections > self.taken // 3 else Do.RESET
            return super().answer(verb, address)

    async def main(loop: WireLoop) -> None:
        hop = Tired(extensions=extensions)
        world = World(loop, hop, connections=1)
        for place in range(30):
            await world.send(f"u{place}@x.example", login=f"l{place}")
        await world.pass_time(0.5 * HOUR)
        copies = world.copies()
        assert set(copies) == {f"u{place}" for place in range(30)}
        assert sum(copies.values()) - 30 <= (10 if extensions == BDAT else 0)  # whose 250 a reset took along
        assert world.reported() == []
        await world.close()

    played(main)
