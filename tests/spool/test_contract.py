"""What every spool does, whatever it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sams.spool.interface import Entry, RouteDepth, Search, Settled, Settlement, Spool, Use
from tests.spool.rig import (
    BODY,
    DEFERRED,
    HEAD,
    START,
    Clock,
    accepted,
    full_message,
    gone,
    new_message,
    on_loop,
    opened,
    read,
    settle,
    written,
)

KINDS = pytest.mark.parametrize("kind", ["sqlite", "memory"])


async def _all(spool: Spool, **search: Any) -> list[str]:
    return [entry.message.id for entry in await spool.search(Search(**search), None, 100)]


def _claimed(spool: Spool, route: str = "hub", now: float = START) -> dict[str, list[int]]:
    works, _ = spool.claim(route, now, None, 100)
    return {work.message.id: [one.number for one in work.recipients] for work in works}


@KINDS
@on_loop
async def test_a_message_comes_back_as_it_was_accepted(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message = full_message(spool, await written(spool, spool.next_id(), BODY))
        works = await spool.accept(message)
        assert [work.route for work in works] == ["hub", "other"]
        for work in works:
            [claimed], _ = spool.claim(work.route, START + 1, None, 10)
            assert claimed == replace(work, content=None)
            assert work.content is not None
            assert (work.content.head, work.content.body.in_memory()) == (HEAD, BODY)
        waiting = works[0].message
        assert (waiting.reverse_path, waiting.facts) == (message.reverse_path, message.facts)
        assert (waiting.declared, waiting.smtputf8) == (message.declared, True)
        assert (waiting.ret, waiting.envid) == (message.ret, message.envid)
        assert waiting.size == len(HEAD) + len(BODY)
        assert [one.recipient for work in works for one in work.recipients] == [
            new.recipient for new in message.recipients
        ]


@KINDS
@on_loop
async def test_the_null_reverse_path_stays_null(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        await accepted(spool, reverse_path=None)
        [work], _ = spool.claim("hub", START, None, 1)
        assert work.message.reverse_path is None


@KINDS
@on_loop
async def test_the_octets_are_loaded_as_they_came(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message = await accepted(spool, body=b"\x00\xff.\r\n" * 1000)
        content = spool.load(message)
        assert content.head == HEAD
        assert await read(content.body) == b"\x00\xff.\r\n" * 1000
        assert b"".join(content.body.blocking_chunks(7)) == b"\x00\xff.\r\n" * 1000


@KINDS
@on_loop
async def test_what_is_not_here_cannot_be_loaded(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        for identifier in (spool.next_id(), "no id", "", "0" * 15):
            with pytest.raises(KeyError):
                spool.load(identifier)


@KINDS
@on_loop
async def test_a_message_goes_with_its_last_recipient(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message = await accepted(spool, "a@x.org", "b@x.org", "c@x.org")
        await settle(spool, Settlement(message, gone(0, 2)))
        assert _claimed(spool) == {message: [1]}
        await settle(spool, Settlement(message, gone(1)))
        assert _claimed(spool) == {}
        with pytest.raises(KeyError):
            spool.load(message)


@KINDS
@on_loop
async def test_a_deferred_recipient_waits_for_its_time(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message = await accepted(spool, "a@x.org", "b@x.org")
        first = Settled(0, DEFERRED, START + 60, delay_told=True)
        await settle(spool, Settlement(message, (first, Settled(1, DEFERRED, START + 90, counts=False))))
        assert _claimed(spool) == {}
        assert spool.next_due("hub", START) == START + 60
        assert spool.next_due("hub", START + 60) == START + 90
        assert spool.next_due("hub", START + 90) is None
        assert _claimed(spool, now=START + 60) == {message: [0]}
        [work], _ = spool.claim("hub", START + 90, None, 10)
        told, untold = work.recipients
        assert (told.attempts, told.last, told.delay_told) == (1, DEFERRED, True)
        assert (untold.attempts, untold.last, untold.delay_told) == (0, DEFERRED, False)


@KINDS
@on_loop
async def test_a_delay_notice_is_not_forgotten_by_the_next_deferral(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message = await accepted(spool)
        await settle(spool, Settlement(message, (Settled(0, DEFERRED, START + 1, delay_told=True),)))
        await settle(spool, Settlement(message, (Settled(0, DEFERRED, START + 2),)))
        [work], _ = spool.claim("hub", START + 2, None, 1)
        assert (work.recipients[0].delay_told, work.recipients[0].attempts) == (True, 2)


@KINDS
@on_loop
async def test_a_report_enters_with_the_failure_that_it_tells_of(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message = await accepted(spool)
        report = await new_message(spool, "ann@example.ac.uk", reverse_path=None, login="", charge=False)
        [work] = await settle(spool, Settlement(message, gone(0), (report,)))
        assert work.message.id == report.id
        assert work.content is not None
        assert _claimed(spool) == {report.id: [0]}
        assert list(spool.usage(0)) == [Use("ann", int(START // 3600), 1)]


@KINDS
@on_loop
async def test_settling_what_is_gone_changes_nothing(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message = await accepted(spool, "a@x.org")
        assert await settle(spool, Settlement(spool.next_id(), gone(0))) == ()
        assert await settle(spool, Settlement(message, gone(5))) == ()
        assert _claimed(spool) == {message: [0]}


@KINDS
@on_loop
async def test_claims_go_on_behind_their_cursor_and_leave_nothing_out(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        ids = [await accepted(spool, "a@x.org", "b@x.org", arrived=START - 10 + n // 3) for n in range(20)]
        seen: list[str] = []
        works, cursor = spool.claim("hub", START, None, 3)
        while True:
            assert len(works) <= 3
            assert all(len(work.recipients) == 2 for work in works)
            seen += [work.message.id for work in works]
            if cursor is None:
                break
            works, cursor = spool.claim("hub", START, cursor, 3)
        assert seen == ids


@KINDS
@on_loop
async def test_a_claim_brings_only_its_route(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message = await accepted(spool, "a@x.org>one", "b@y.org>two", "c@x.org>one")
        assert _claimed(spool, "one") == {message: [0, 2]}
        assert _claimed(spool, "two") == {message: [1]}
        assert _claimed(spool, "three") == {}


@KINDS
@on_loop
async def test_what_is_held_waits_until_it_is_released(kind: str, tmp_path: Path) -> None:
    clock = Clock()
    async with opened(kind, tmp_path, clock) as spool:
        held, free = await accepted(spool, login="eve"), await accepted(spool)
        assert await spool.hold(Search(login="eve")) == 1
        await settle(spool, Settlement(held, (Settled(0, DEFERRED, START + 600),)))
        assert list(_claimed(spool, now=START + 600)) == [free]
        assert await _all(spool, held=True) == [held]
        clock.time += 60
        assert await spool.release(Search(held=True)) == 1
        assert list(_claimed(spool, now=clock.time)) == [free, held]
        assert await _all(spool, held=True) == []


@KINDS
@on_loop
async def test_retry_makes_due_what_waits(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message = await accepted(spool)
        await settle(spool, Settlement(message, (Settled(0, DEFERRED, START + 600),)))
        assert await spool.retry(Search(ids=(message,)), START) == 1
        assert _claimed(spool) == {message: [0]}


@KINDS
@on_loop
async def test_delete_removes_all_of_a_message(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message, other = await accepted(spool, "a@x.org", "b@x.org"), await accepted(spool)
        assert await spool.delete(Search(ids=(message, "no id"))) == 1
        assert list(_claimed(spool)) == [other]
        with pytest.raises(KeyError):
            spool.load(message)


SEARCHES: list[tuple[dict[str, Any], str]] = [
    ({}, "abcd"),
    ({"login": "eve"}, "b"),
    ({"login": "nobody"}, ""),
    ({"sender": "<>"}, "c"),
    ({"sender": "ANN@example.ac.uk"}, "abd"),
    ({"sender": "*@example.ac.uk"}, "abd"),
    ({"recipient": "bob@example.org"}, "ab"),
    ({"recipient": "BOB@Example.ORG"}, "ab"),
    ({"recipient": "@y.org"}, "c"),
    ({"recipient": "bob@y.org"}, ""),
    ({"route": "two"}, "c"),
    ({"route": "hub", "recipient": "x@y.org"}, ""),
    ({"arrived_before": START + 2}, "ab"),
    ({"held": False}, "abcd"),
    ({"held": True}, ""),
    ({"ids": ()}, ""),
    ({"login": "ann", "recipient": "bob@example.org"}, "a"),
]


@KINDS
@pytest.mark.parametrize(("search", "expected"), SEARCHES)
@on_loop
async def test_a_search_finds_what_it_says(
    kind: str, search: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        ids = [
            await accepted(spool, "bob@example.org"),
            await accepted(spool, "bob@example.org", login="eve", arrived=START + 1),
            await accepted(spool, "x@y.org>two", reverse_path=None, arrived=START + 2),
            await accepted(spool, "carl@z.org", arrived=START + 3),
        ]
        names = dict(zip(ids, "abcd", strict=True))
        assert "".join(names[found] for found in await _all(spool, **search)) == expected


@KINDS
@on_loop
async def test_a_search_comes_in_pages(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        ids = [await accepted(spool, "a@x.org", "b@x.org") for _ in range(7)]
        first = await spool.search(Search(), None, 3)
        assert isinstance(first[0], Entry)
        second = await spool.search(Search(), first[-1].message.id, 3)
        last = await spool.search(Search(), second[-1].message.id, 3)
        assert [entry.message.id for page in (first, second, last) for entry in page] == ids
        assert [len(entry.recipients) for entry in first] == [2, 2, 2]


@KINDS
@on_loop
async def test_depth_counts_by_route(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        first = await accepted(spool, "a@x.org>one", "b@x.org>two", arrived=START - 5)
        await accepted(spool, "c@x.org>one", login="eve")
        await accepted(spool, "d@x.org>one", arrived=START)
        await settle(spool, Settlement(first, (Settled(0, DEFERRED, START + 60),)))
        await spool.hold(Search(login="eve"))
        assert list(spool.depth(START)) == [
            RouteDepth("one", 3, 1, START - 5),
            RouteDepth("two", 1, 1, START - 5),
        ]


@KINDS
@on_loop
async def test_other_routes_reach_what_waits(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        message = await accepted(spool, "a@X.org", "b@y.org")
        assert sorted(spool.waiting_domains()) == [("x.org", "hub"), ("y.org", "hub")]
        spool.reroute([("x.org", "new")])
        await settle(spool, Settlement(spool.next_id(), ()))
        await settle(spool, Settlement(spool.next_id(), ()))
        assert _claimed(spool, "new") == {message: [0]}
        assert _claimed(spool) == {message: [1]}


@KINDS
@on_loop
async def test_use_counts_recipients_by_login_and_hour(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        hour = int(START // 3600)
        await accepted(spool, "a@x.org", "b@x.org")
        await accepted(spool, "a@x.org")
        await accepted(spool, "a@x.org", login="eve", arrived=START + 3600)
        await accepted(spool, "a@x.org", login="", charge=False)
        assert set(spool.usage(hour)) == {Use("ann", hour, 3), Use("eve", hour + 1, 1)}
        assert set(spool.usage(hour + 1)) == {Use("eve", hour + 1, 1)}


@KINDS
@on_loop
async def test_ids_rise_and_name_their_shard(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, Clock()) as spool:
        ids = [spool.next_id() for _ in range(100)]
        assert ids == sorted(set(ids))
