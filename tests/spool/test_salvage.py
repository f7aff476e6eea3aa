"""R8: a damaged page of a queue costs what it held, and nothing else."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import apsw
import pytest

from sams.app.storage import Storage
from sams.core.clock import SystemClock
from sams.core.errors import OperatorError, SamsError
from sams.spool import take_overs
from sams.spool.failures import ShardDamaged
from sams.spool.interface import DamagedEntry, Search, Settlement
from sams.spool.keys import id_of
from sams.spool.layout import Layout, mark_failed
from sams.spool.salvage import _TREES, _beyond, numbers
from sams.spool.shelf import Shelf, open_shelf, open_successor
from tests.spool.rig import (
    HEAD,
    SECOND,
    SETTINGS,
    Clock,
    Told,
    accepted,
    closed_database,
    flip,
    gone,
    on_loop,
    read,
    settle,
)

MESSAGES = 240
SHOWN = "\ufffdnn"
"""`ann`, of which a bit was flipped: no UTF-8."""
PAGE = 4096


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged place is read some times before it is passed."""
    monkeypatch.setattr(take_overs, "FIRST_PAUSE", 0.001)


def test_the_end_of_a_hole_is_found_to_the_row() -> None:
    for end in (2, 3, 100, 4_097, 2**40 + 17):
        assert _beyond(lambda place, end=end: place >= end, 1) == end  # type: ignore[misc]
    assert _beyond(lambda _: False, 5) is None


async def _filled(data_dir: Path) -> list[str]:
    spool = open_shelf(data_dir, 0, Clock(), SETTINGS)
    messages = await asyncio.gather(
        *(accepted(spool, f"someone-{number}@example.org", body=b"x" * 900) for number in range(MESSAGES))
    )
    await spool.close()
    return sorted(messages)


def _leaf_pages(data_dir: Path, table: str) -> list[int]:
    """The pages of a table's rows, but for the first and the last."""
    connection = apsw.Connection(str(data_dir / "spool/shard-0000/queue.db"))
    found = connection.execute(
        "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path", (table,)
    ).fetchall()
    connection.close()
    return [int(page) for (page,) in found]  # type: ignore[arg-type]


def _spoil(data_dir: Path, pages: list[int]) -> None:
    with (data_dir / "spool/shard-0000/queue.db").open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(random.Random(page).randbytes(PAGE))


def _opened(data_dir: Path, told: Told) -> Shelf:
    """As a worker opens it."""
    try:
        return open_shelf(data_dir, 0, Clock(), SETTINGS, told.hooks())
    except ShardDamaged as error:
        mark_failed(Layout(data_dir, 0), str(error))
        return open_successor(data_dir, 0, Clock(), SETTINGS, told.hooks())


async def _taken_over(spool: Shelf, shard: int = 1) -> None:
    async with asyncio.timeout(60):
        while spool.shard < shard:  # noqa: ASYNC110 - what it waits for is a thread's work
            await asyncio.sleep(0.001)
        while spool._active._take_overs.is_under_way:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("table", ["message", "recipient", "recipient_due", "use_of_login"])
@pytest.mark.parametrize("which", [0, -1])
@on_loop
async def test_what_a_damaged_page_hides_is_set_aside_and_the_rest_leaves(
    table: str, which: int, tmp_path: Path
) -> None:
    messages, told = await _filled(tmp_path), Told()
    pages = _leaf_pages(tmp_path, table)
    _spoil(tmp_path, [pages[which if abs(which) < len(pages) else 0]])
    spool = _opened(tmp_path, told)
    for work_up in ("claim", "search"):
        try:
            if work_up == "claim":
                spool.claim("hub", 2e9, None, MESSAGES)
            else:
                await spool.search(Search(), None, MESSAGES)
            spool.usage(0)
        except SamsError:
            await _taken_over(spool)
    if spool.shard == 0:
        spool._active.fail("the page was not met")
    await _taken_over(spool)
    entries = await spool.search(Search(), None, MESSAGES + 1)
    waiting = {entry.message.id for entry in entries}
    aside = {message for message, _ in told.damaged}
    assert waiting | aside == set(messages)
    assert not waiting & aside
    assert len(waiting) > MESSAGES // 2 - 20
    assert bool(aside) == (table in {"message", "recipient"})
    assert all(spool.load(message).head == HEAD for message in waiting)
    await asyncio.gather(*(settle(spool, Settlement(message, gone(0))) for message in waiting))
    assert await spool.search(Search(), None, 10) == []
    await spool.close()


@on_loop
async def test_rows_behind_a_damaged_page_are_found_in_their_own_table(tmp_path: Path) -> None:
    messages = await _filled(tmp_path)
    pages = _leaf_pages(tmp_path, "message")
    _spoil(tmp_path, [pages[len(pages) // 2]])
    connection = apsw.Connection(str(Layout(tmp_path, 0).database), flags=apsw.SQLITE_OPEN_READONLY)
    found, trouble = numbers(connection, _TREES[0], -(2**63), MESSAGES + 1)
    connection.close()
    assert trouble is not None
    assert MESSAGES // 2 < len(found) < MESSAGES
    assert [id_of(row, 0) for row in (found[0], found[-1])] == [messages[0], messages[-1]]


@on_loop
async def test_a_damaged_page_of_contents_costs_those_alone(tmp_path: Path) -> None:
    messages, told = await _filled(tmp_path), Told()
    pages = _leaf_pages(tmp_path, "content")
    _spoil(tmp_path, [pages[len(pages) // 2]])
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS, told.hooks())
    whole, met = set(), 0
    for message in messages * 2:
        try:
            content = spool.load(message)
            assert await read(content.body)
            whole.add(message)
        except DamagedEntry:
            met += 1
        except SamsError:
            await _taken_over(spool)
    aside = {message for message, _ in told.damaged}
    assert met
    assert whole | aside == set(messages)
    assert not whole & aside
    assert len(aside) <= 20
    await spool.close()


@on_loop
async def test_a_queue_of_which_nothing_can_be_read_is_kept_and_told_of(tmp_path: Path) -> None:
    await _filled(tmp_path)
    Layout(tmp_path, 0).failed.write_text("it was in the fire\n")
    (tmp_path / "spool/shard-0000/queue.db").write_bytes(b"\xff" * PAGE * 20)
    told = Told()
    storage = Storage(tmp_path, 0, 1, clock=SystemClock(), settings=SETTINGS, hooks=told.hooks())
    for _ in range(2):
        assert storage.adopt() == []
    [standing] = await storage.standings()
    assert (standing.shard, standing.reason) == (0, "it was in the fire")
    assert not standing.is_drained
    assert len(told.troubled) == 1
    await accepted(storage.primary)
    await storage.close()


@pytest.mark.parametrize(
    ("table", "column", "where", "is_of_a_message"),
    [
        ("message", "login", f"id = {SECOND}", True),
        ("recipient", "local", f"message = {SECOND}", True),
        ("use_of_login", "login", "true", False),
        ("shard_info", "key", "key = 'shard'", False),
    ],
    ids=["login", "address", "use", "fact"],
)
@on_loop
async def test_a_flipped_bit_in_a_text_stops_no_take_over(
    table: str, column: str, where: str, is_of_a_message: bool, tmp_path: Path
) -> None:
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS)
    messages = [await accepted(spool, "bob@example.org") for _ in range(3)]
    await spool.close()
    with closed_database(tmp_path) as database:
        flip(database, table, column, where)
    told = Told()
    spool = _opened(tmp_path, told)
    if spool.shard == 0:
        spool._active.fail("the disk is sick")
    await _taken_over(spool)
    aside = [messages[1]] if is_of_a_message else []
    assert [message for message, _ in told.damaged] == aside
    waiting = await spool.search(Search(), None, 10)
    assert [entry.message.id for entry in waiting] == [each for each in messages if each not in aside]
    shown = await spool.damaged(None, 10)
    assert [each.id for each in shown] == aside
    for each in shown:
        assert SHOWN in {each.login, each.recipients[0].partition("@")[0]}
        with pytest.raises(OperatorError, match="still cannot be read"):
            await spool.put_back(each.id)
    assert not told.troubled
    assert await accepted(spool)
    await spool.close()


@on_loop
async def test_what_was_set_aside_for_a_text_that_is_none_goes_along_as_it_was(tmp_path: Path) -> None:
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS)
    aside, waiting = await accepted(spool), await accepted(spool)
    await spool.close()
    with closed_database(tmp_path) as database:
        flip(database, "message", "login", f"id < {SECOND}")
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS)
    spool.claim("hub", 2e9, None, 2)
    await spool.hold(Search())
    for shard in (1, 2):
        spool._active.fail("the disk is sick")
        await _taken_over(spool, shard)
        flip(spool._active._opened.writer, "failed_shard", "reason")
        assert [(each.id, each.login) for each in await spool.damaged(None, 10)] == [(aside, SHOWN)]
        assert {each.reason for each in await spool.standings()} == {SHOWN}
    await spool.close()
    spool = open_shelf(tmp_path, 2, Clock(), SETTINGS)
    assert spool.load(waiting).head == HEAD
    await spool.close()
    with closed_database(tmp_path, 2) as database:
        [(login, kind)] = database.execute("SELECT CAST(login AS BLOB), typeof(login) FROM damaged_message")
        assert (login, kind) == (b"\xe1nn", "text")
