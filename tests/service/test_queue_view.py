from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sams.activity.events import QueueChanged
from sams.control import wire
from sams.control.messages import (
    Changed,
    QueueDelete,
    QueueHold,
    QueueList,
    QueuePage,
    QueueSearch,
    QueueShow,
    QueueShown,
    RouteDown,
)
from sams.control.peers import Peer
from sams.core.errors import OperatorError
from sams.core.outcome import Outcome, Result
from sams.core.reply import reply
from sams.delivery.interface import RouteStatus
from sams.service.queue_view import (
    LISTED_RECIPIENTS,
    ShardQueue,
    queue_handlers,
    routes_down,
    search_from_wire,
)
from sams.spool.interface import Search, Settled, Settlement, Spool
from tests.spool.rig import START, Clock, accepted, on_loop, settle, sqlite_spool

ROOT = Peer(1, 0, frozenset())


def _queue(*spools: Spool, changed: list[tuple[str, Search]] | None = None) -> ShardQueue:
    note = None if changed is None else lambda what, search: changed.append((what, search))
    return ShardQueue(lambda: spools, Clock(), note)


@on_loop
async def test_an_answer_of_any_queue_fits_into_a_line(tmp_path: Path) -> None:
    people = [f"{'x' * 60}{number}@{'d' * 60}.example".lower() for number in range(LISTED_RECIPIENTS + 1)]
    long = Outcome(Result.DEFERRED, reply(451, "4.3.0", "\x1bé" * 3_000), "hub:25", START)
    async with sqlite_spool(tmp_path) as spool:
        ids = [await accepted(spool, *people) for _ in range(40)]
        for message in ids:
            await settle(
                spool, Settlement(message, tuple(Settled(n, long, due=START) for n in range(len(people))))
            )
        queue = _queue(spool)
        found: list[str] = []
        after = None
        while True:
            page = await queue.page(QueueSearch(), after, 500)
            assert len(wire.encode(page)) <= wire.MAX_LINE
            found += [entry.id for entry in page.entries]
            after = found[-1]
            if not page.more:
                break
        assert found == ids
        shown = await queue.show(await accepted(spool, *(f"{number}@example.org" for number in range(1_000))))
        assert shown.more
        assert len(wire.encode(shown)) <= wire.MAX_LINE


@on_loop
async def test_recipients_are_shown_behind_the_last_one(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        message = await accepted(spool, *(f"r{number}@example.org" for number in range(201)))
        first = await _queue(spool).show(message)
        assert first.entry is not None
        assert (len(first.entry.recipients), first.more) == (200, True)
        rest = await _queue(spool).show(message, first.entry.recipients[-1].number)
        assert rest.entry is not None
        assert [each.address for each in rest.entry.recipients] == ["r200@example.org"]
        assert not rest.more
        assert await _queue(spool).show("0" * 15) == QueueShown(None)


@on_loop
async def test_a_change_is_passed_on_and_told_with_who_asked(tmp_path: Path) -> None:
    changed: list[tuple[str, Search]] = []
    told: list[QueueChanged] = []
    async with sqlite_spool(tmp_path) as lower, sqlite_spool(tmp_path, shard=1) as upper:
        one, _ = await accepted(lower), await accepted(upper)
        table: Any = queue_handlers(_queue(lower, upper, changed=changed), told.append)
        assert await table[QueueHold](QueueHold(QueueSearch(login="Ann")), ROOT) == Changed(2)
        assert await table[QueueDelete](QueueDelete(QueueSearch(ids=(one.lower(),))), ROOT) == Changed(1)
        assert await table[QueueDelete](QueueDelete(QueueSearch(ids=(one,))), ROOT) == Changed(0)
        page = await table[QueueList](QueueList(), ROOT)
        assert isinstance(page, QueuePage)
        assert len(page.entries) == 1
        assert (await table[QueueShow](QueueShow(one), ROOT)).entry is None
    assert [what for what, _ in changed] == ["hold", "delete", "delete"]
    assert changed[0][1].login == "ann"
    assert told == [
        QueueChanged("hold", 2, "root", "", "Ann"),
        QueueChanged("delete", 1, "root", one.lower()),
    ]


def test_a_login_that_cannot_be_one_is_said_to_be_none() -> None:
    with pytest.raises(OperatorError, match="no login"):
        search_from_wire(QueueSearch(login="\u202e"))
    assert search_from_wire(QueueSearch(login="")).login == ""


STATUS = RouteStatus("hub", False, 10.0, 5.0, None, 1, 0, 0, 0, 0)


def test_the_last_words_of_a_next_hop_are_cleaned_and_cut() -> None:
    trouble = Outcome(Result.DEFERRED, reply(451, "4.4.1", "\x1b" * 1_000), "hub:25", 20.0)
    up = RouteStatus("local", True, None, 0.0, None, 0, 0, 0, 0, 4)
    found = routes_down((replace(STATUS, trouble=trouble), up), 30.0)
    assert list(found) == ["hub"]
    assert (found["hub"].since, found["hub"].at) == (10.0, 20.0)
    assert found["hub"].reply.startswith("451 4.4.1 \\x1b")
    assert len(found["hub"].reply) < 1_500


def test_a_route_that_is_gone_is_told_as_gone_and_a_silent_next_hop_as_silent() -> None:
    gone = replace(STATUS, route="old", since=None)
    assert routes_down((STATUS, gone), 30.0) == {
        "hub": RouteDown(10.0, "no answer", 30.0),
        "old": RouteDown(None, "the route is not in the configuration any more", 30.0),
    }


@on_loop
async def test_a_message_and_its_route_say_that_the_route_is_down(tmp_path: Path) -> None:
    down = {"hub": RouteDown(10.0, "451 4.4.1 refused", 20.0), "other": RouteDown(1.0, "421 x", 2.0)}
    async with sqlite_spool(tmp_path) as spool:
        message = await accepted(spool, "bob@example.org")
        queue = ShardQueue(lambda: (spool,), Clock(), down=lambda: down)
        (listed,) = (await queue.page(QueueSearch(), None, 10)).entries
        shown = (await queue.show(message)).entry
        assert shown is not None
        assert listed.routes_down == shown.routes_down == {"hub": down["hub"]}
        (route,) = queue.depth()
        assert route.down == down["hub"]


def test_depth_adds_shards_up(tmp_path: Path) -> None:
    async def depths() -> int:
        async with sqlite_spool(tmp_path) as lower, sqlite_spool(tmp_path, shard=1) as upper:
            await accepted(lower)
            await accepted(upper)
            (route,) = _queue(lower, upper).depth()
            return route.recipients

    assert asyncio.run(depths()) == 2
