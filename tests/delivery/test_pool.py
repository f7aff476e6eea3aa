"""The pool of connections of one route, with hosts that connect or fail by script, and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from sams.core.reply import reply
from sams.delivery.connection import HopConnection
from sams.delivery.hop_settings import HopAddress, RouteSettings
from sams.delivery.pool import AVOID_FIRST, AVOID_LONGEST, HopPool, RouteDown
from sams.protocol.smtp.client_waits import ConversationEnded, Stage

ONE, TWO = HopAddress("one.example.org", 25), HopAddress("two.example.org", 25)


class Clock:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@dataclass
class Connection:
    """A connection as far as the pool knows one."""

    host: HopAddress
    distrusted: frozenset[str] = frozenset()
    is_usable: bool = True
    sent: int = 1
    closed: bool = False

    def close(self) -> None:
        self.closed = True
        self.is_usable = False


@dataclass
class Hosts:
    """Opens connections. `down`: hosts that fail; `gate`: while it is set, connecting waits for it."""

    down: set[HopAddress] = field(default_factory=set)
    tried: list[HopAddress] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def connect(self, host: HopAddress, distrusted: frozenset[str] = frozenset()) -> HopConnection:
        self.tried.append(host)
        if self.gate is not None:
            await self.gate.wait()
        if host in self.down:
            raise ConversationEnded(Stage.CONNECT, reply(451, "4.4.1", f"no {host}"), "refused")
        return cast("HopConnection", Connection(host, distrusted))


@dataclass
class Rig:
    """A pool with its surroundings."""

    pool: HopPool
    hosts: Hosts
    clock: Clock

    async def fails(self) -> RouteDown:
        with pytest.raises(RouteDown) as caught:
            await self.pool.acquire()
        return caught.value


def rig(connections: int = 2, hosts: tuple[HopAddress, ...] = (ONE,), **more: Any) -> Rig:
    settings = RouteSettings("hub", hosts, "me.example.org", connections=connections, **more)
    own = Hosts()
    clock = Clock()
    return Rig(HopPool(settings, own, clock), own, clock)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_released_connection_is_used_again() -> None:
    async def main() -> None:
        own = rig()
        first = await own.pool.acquire()
        own.pool.release(first)
        assert await own.pool.acquire() is first
        assert own.hosts.tried == [ONE]

    run(main())


def test_the_connection_used_last_is_used_first() -> None:
    async def main() -> None:
        own = rig()
        first, second = await own.pool.acquire(), await own.pool.acquire()
        own.pool.release(first)
        own.pool.release(second)
        assert await own.pool.acquire() is second
        assert await own.pool.acquire() is first

    run(main())


@pytest.mark.parametrize("what", ["old", "closed", "spent"])
def test_a_connection_that_is_old_closed_or_spent_is_not_used_again(what: str) -> None:
    async def main() -> None:
        own = rig(messages=5, idle=30)
        connection = await own.pool.acquire()
        fake = cast("Connection", connection)
        if what == "spent":
            fake.sent = 5
        own.pool.release(connection)
        if what == "old":
            own.clock.time += 30
        if what == "closed":
            fake.is_usable = False
        assert await own.pool.acquire() is not connection
        assert fake.closed
        assert own.pool.open_connections == 1

    run(main())


def test_idle_connections_are_pruned() -> None:
    async def main() -> None:
        own = rig(idle=30)
        first, second = await own.pool.acquire(), await own.pool.acquire()
        own.pool.release(first)
        own.clock.time += 20
        own.pool.release(second)
        own.clock.time += 15
        own.pool.prune()
        assert cast("Connection", first).closed
        assert not cast("Connection", second).closed
        assert own.pool.open_connections == 1

    run(main())


def test_no_more_than_the_limit_stand_at_once_and_who_waits_is_served_in_order() -> None:
    async def main() -> None:
        own = rig(connections=2)
        held = [await own.pool.acquire() for _ in range(2)]
        served: list[int] = []

        async def ask(number: int) -> None:
            connection = await own.pool.acquire()
            served.append(number)
            await asyncio.sleep(0)
            own.pool.release(connection)

        tasks = [asyncio.create_task(ask(number)) for number in range(6)]
        await settle()
        assert served == []
        for connection in held:
            own.pool.release(connection)
        await asyncio.gather(*tasks)
        assert served == [0, 1, 2, 3, 4, 5]
        assert len(own.hosts.tried) == 2

    run(main())


def test_a_broken_connection_makes_room_for_a_new_one() -> None:
    async def main() -> None:
        own = rig(connections=1)
        connection = await own.pool.acquire()
        waiting = asyncio.create_task(own.pool.acquire())
        await settle()
        cast("Connection", connection).is_usable = False
        own.pool.release(connection)
        assert await waiting is not connection
        assert own.pool.open_connections == 1

    run(main())


@pytest.mark.parametrize("granted", [False, True])
def test_who_stops_waiting_takes_nothing_along(granted: bool) -> None:
    async def main() -> None:
        own = rig(connections=1)
        connection = await own.pool.acquire()
        first, second = asyncio.create_task(own.pool.acquire()), asyncio.create_task(own.pool.acquire())
        await settle()
        if granted:
            own.pool.release(connection)  # the first is served, and cancelled before it runs
            first.cancel()
        else:
            first.cancel()
            await settle()
            own.pool.release(connection)
        assert await second is connection
        with pytest.raises(asyncio.CancelledError):
            await first

    run(main())


def test_who_is_cancelled_with_the_right_to_connect_passes_it_on() -> None:
    async def main() -> None:
        own = rig(connections=1)
        connection = await own.pool.acquire()
        first, second = asyncio.create_task(own.pool.acquire()), asyncio.create_task(own.pool.acquire())
        await settle()
        cast("Connection", connection).is_usable = False
        own.pool.release(connection)
        first.cancel()
        assert (await second).is_usable
        assert own.pool.open_connections == 1

    run(main())


def test_who_is_cancelled_while_connecting_gives_the_room_back() -> None:
    async def main() -> None:
        own = rig(connections=1)
        own.hosts.gate = asyncio.Event()
        task = asyncio.create_task(own.pool.acquire())
        await settle()
        task.cancel()
        await settle()
        own.hosts.gate.set()
        assert (await own.pool.acquire()).is_usable

    run(main())


def test_hosts_are_tried_in_order_and_a_failed_one_is_avoided_for_a_growing_time() -> None:
    async def main() -> None:
        own = rig(connections=9, hosts=(ONE, TWO))
        own.hosts.down = {ONE}
        assert (await own.pool.acquire()).host == TWO
        assert own.hosts.tried == [ONE, TWO]
        await own.pool.acquire()
        assert own.hosts.tried == [ONE, TWO, TWO]
        seconds = AVOID_FIRST
        for _ in range(4):
            own.clock.time += seconds - 1
            own.hosts.tried.clear()
            await own.pool.acquire()
            assert own.hosts.tried == [TWO]
            own.clock.time += 1
            own.hosts.tried.clear()
            await own.pool.acquire()
            assert own.hosts.tried == [ONE, TWO]
            seconds = min(AVOID_LONGEST, seconds * 2)
            own.pool.connections += 2

    run(main())


def test_one_attempt_finds_out_whether_a_failed_host_works_again_and_the_others_do_not_wait_for_it() -> None:
    async def main() -> None:
        own = rig(connections=4, hosts=(ONE, TWO))
        own.hosts.down = {ONE}
        await own.pool.acquire()
        own.clock.time += AVOID_LONGEST
        gate = own.hosts.gate = asyncio.Event()
        finding_out = asyncio.create_task(own.pool.acquire())
        await settle()
        own.hosts.tried.clear()
        own.hosts.gate = None
        assert (await own.pool.acquire()).host == TWO
        assert own.hosts.tried == [TWO]
        own.hosts.down.clear()
        gate.set()
        assert (await finding_out).host == ONE
        assert (await own.pool.acquire()).host == ONE

    run(main())


def test_an_extension_that_a_host_does_not_know_is_not_used_on_connections_that_stand() -> None:
    async def main() -> None:
        own = rig(connections=4, hosts=(ONE,))
        idle, leased = await own.pool.acquire(), await own.pool.acquire()
        own.pool.release(idle)
        own.pool.distrust(ONE, frozenset({"CHUNKING"}))
        assert cast("Connection", idle).closed
        assert not cast("Connection", leased).closed
        assert cast("Connection", await own.pool.acquire()).distrusted == {"CHUNKING"}

    run(main())


def test_an_avoided_host_is_tried_when_the_others_fail_too() -> None:
    async def main() -> None:
        own = rig(hosts=(ONE, TWO))
        own.hosts.down = {ONE}
        own.pool.release(await own.pool.acquire())
        own.clock.time += 1
        own.pool.close()
        own.hosts.down = {TWO}
        assert (await own.pool.acquire()).host == ONE

    run(main())


def test_a_host_that_works_again_comes_first_again() -> None:
    async def main() -> None:
        own = rig(connections=9, hosts=(ONE, TWO))
        own.hosts.down = {ONE}
        await own.pool.acquire()
        own.hosts.down = set()
        own.clock.time += AVOID_FIRST
        assert (await own.pool.acquire()).host == ONE
        own.hosts.down = {ONE}
        await own.pool.acquire()
        own.clock.time += AVOID_FIRST  # and its failures were forgotten
        own.hosts.down = set()
        assert (await own.pool.acquire()).host == ONE

    run(main())


def test_a_dead_route_is_told_with_every_host() -> None:
    async def main() -> None:
        own = rig(hosts=(ONE, TWO))
        own.hosts.down = {ONE, TWO}
        down = await own.fails()
        assert [host for host, _ in down.failures] == [ONE, TWO]
        assert "one.example.org:25: refused; two.example.org:25: refused" in down.detail
        assert down.remote == ""
        own.hosts.tried.clear()
        await own.fails()
        assert own.hosts.tried == [ONE, TWO]  # each attempt of the scheduler is a real one

    run(main())


def test_all_who_wait_for_a_dead_route_hear_of_it_at_once() -> None:
    async def main() -> None:
        own = rig(connections=1)
        own.hosts.down = {ONE}
        own.hosts.gate = asyncio.Event()
        tasks = [asyncio.create_task(own.fails()) for _ in range(5)]
        await settle()
        own.hosts.gate.set()
        await asyncio.gather(*tasks)
        assert own.hosts.tried == [ONE]

    run(main())


def test_while_connections_stand_who_finds_no_other_waits_for_them() -> None:
    async def main() -> None:
        own = rig(connections=3)
        connection = await own.pool.acquire()
        own.hosts.down = {ONE}
        await own.fails()
        waiting = asyncio.create_task(own.pool.acquire())
        await settle()
        own.pool.release(connection)
        assert await waiting is connection
        assert own.hosts.tried == [ONE, ONE]

    run(main())


def test_an_extension_that_a_host_does_not_know_is_left_out_from_then_on() -> None:
    async def main() -> None:
        own = rig(hosts=(ONE, TWO))
        own.pool.distrust(ONE, frozenset({"CHUNKING"}))
        assert cast("Connection", await own.pool.acquire()).distrusted == {"CHUNKING"}
        own.hosts.down = {ONE}
        assert cast("Connection", await own.pool.acquire()).distrusted == frozenset()

    run(main())


def test_a_smaller_share_closes_idle_connections_and_keeps_leases() -> None:
    async def main() -> None:
        own = rig(connections=3)
        first, second, third = [await own.pool.acquire() for _ in range(3)]
        own.pool.release(first)
        own.pool.resize(1)
        assert cast("Connection", first).closed
        own.pool.release(second)
        assert cast("Connection", second).closed
        own.pool.release(third)
        assert not cast("Connection", third).closed
        own.pool.resize(0)
        assert own.pool.connections == 1

    run(main())


def test_a_larger_share_serves_who_waits() -> None:
    async def main() -> None:
        own = rig(connections=1)
        await own.pool.acquire()
        waiting = asyncio.create_task(own.pool.acquire())
        await settle()
        own.pool.resize(2)
        assert (await waiting).is_usable

    run(main())


def test_a_closed_pool_closes_what_comes_back() -> None:
    async def main() -> None:
        own = rig()
        idle, leased = await own.pool.acquire(), await own.pool.acquire()
        own.pool.release(idle)
        own.pool.close()
        assert cast("Connection", idle).closed
        own.pool.release(leased)
        assert cast("Connection", leased).closed
        assert own.pool.open_connections == 0

    run(main())
