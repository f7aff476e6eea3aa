"""The scheduler on the spool that the service has."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from sams.activity.events import Alarmed, Attempted, Reported, ServiceEvent
from sams.core.clock import SystemClock
from sams.delivery.backoff import RetryPolicy
from sams.delivery.routes import Route, RouteTable
from sams.delivery.scheduler import Scheduler
from sams.delivery.window import Window
from sams.spool.failures import StorageFailed
from sams.spool.interface import Content, Search
from tests.delivery.rig import DEFERRED, FAILED, FakeReporter, ScriptedHop
from tests.spool.rig import SETTINGS, new_message, sqlite_spool

COUNT = 300


def test_submitted_and_claimed_mail_leaves_a_shard_on_disk_and_a_report_enters_it(tmp_path: Path) -> None:
    async def story() -> None:
        clock, hop, local, window = SystemClock(), ScriptedHop(connections=4), ScriptedHop(), Window(40)
        is_through, faults = asyncio.Event(), list[BaseException]()
        hop.script.extend([FAILED, DEFERRED])
        scheduler = Scheduler(
            clock=clock,
            policy=RetryPolicy(first=0.05, longest=0.05),
            reporter=FakeReporter(),
            tell=lambda _: is_through.set() if len(hop.sent) > 2 * COUNT and local.sent else None,
            faulted=lambda _, error: faults.append(error),
            window=window,
        )
        async with sqlite_spool(tmp_path, clock, SETTINGS) as spool:  # type: ignore[arg-type]  # a real clock here
            for _ in range(COUNT):
                await spool.accept(
                    await new_message(spool, "a@far.example", "b@far.example", arrived=clock.now())
                )
            scheduler.adopt(spool)
            table = RouteTable([Route("local", ("example.ac.uk",)), Route("hub", ("*",))])
            scheduler.set_routes(table, {"hub": hop, "local": local})
            scheduler.start()
            for _ in range(COUNT):
                works = await spool.accept(await new_message(spool, arrived=clock.now()))
                scheduler.submit(works, spool)
                assert len(window) <= 40
            await is_through.wait()
            await scheduler.drain(5.0)
            assert await spool.search(Search(), None, 10) == []
        assert len(set(hop.ids)) == 2 * COUNT
        assert not faults

    asyncio.run(story())


def test_what_cannot_be_read_from_a_shard_is_one_alarm_and_is_reported_when_it_expires(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        clock, reporter, events, is_told = (
            SystemClock(),
            FakeReporter(),
            list[ServiceEvent](),
            asyncio.Event(),
        )

        def tell(event: ServiceEvent) -> None:
            events.append(event)
            if isinstance(event, Reported):
                is_told.set()

        scheduler = Scheduler(
            clock=clock,
            policy=RetryPolicy(first=0.05, longest=0.05, expire=0.5, delay_notice=0),
            reporter=reporter,
            tell=tell,
            faulted=lambda _, error: pytest.fail(str(error)),
        )
        async with sqlite_spool(tmp_path, clock, SETTINGS) as spool:  # type: ignore[arg-type]  # a real clock here
            (work,) = await spool.accept(await new_message(spool, arrived=clock.now()))

            def load(message_id: str) -> Content:
                raise StorageFailed("its octets are in shard 0, which failed and cannot be read now")

            spool.load = load  # type: ignore[method-assign]
            scheduler.adopt(spool)
            scheduler.set_routes(RouteTable([Route("hub", ("*",))]), {"hub": ScriptedHop()})
            scheduler.start()
            async with asyncio.timeout(10):
                await is_told.wait()
            await scheduler.drain(5.0)
        assert [(what, message) for what, message, _ in reporter.told] == [("failed", work.message.id)]
        assert sum(isinstance(each, Attempted) for each in events) > 3
        assert sum(isinstance(each, Alarmed) for each in events) == 1

    asyncio.run(story())


def test_new_routes_pass_what_waits_for_what_is_no_domain_any_more(tmp_path: Path) -> None:
    async def story() -> None:
        clock, told = SystemClock(), list[ServiceEvent]()
        scheduler = Scheduler(
            clock=clock,
            policy=RetryPolicy(),
            reporter=FakeReporter(),
            tell=told.append,
            faulted=lambda _, error: pytest.fail(str(error)),
        )
        async with sqlite_spool(tmp_path, clock, SETTINGS) as spool:  # type: ignore[arg-type]  # a real clock here
            spool.waiting_domains = lambda: [("ex\ufffdmple.net", "hub")]  # type: ignore[method-assign]
            (work,) = await spool.accept(await new_message(spool, arrived=clock.now()))
            mailbox = msgspec.structs.replace(work.recipients[0].recipient.mailbox, domain="ex\ufffdmple.net")
            recipient = msgspec.structs.replace(work.recipients[0].recipient, mailbox=mailbox)
            one = msgspec.structs.replace(work.recipients[0], recipient=recipient)
            scheduler.adopt(spool)
            scheduler.submit((msgspec.structs.replace(work, recipients=(one,)),), spool)
            for name in ("hub", "other"):
                scheduler.set_routes(RouteTable([Route(name, ("*",))]), {name: ScriptedHop()})
            await scheduler.drain(0)
        assert told == []

    asyncio.run(story())
