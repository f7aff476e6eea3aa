"""R16: a queue of the version before or behind this one is worked with, or refused in clear words."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from pathlib import Path

import apsw
import pytest

from sams.core.errors import OperatorError
from sams.spool import schema
from sams.spool.backups import restore
from sams.spool.interface import Search, Settlement
from sams.spool.layout import Layout, mark_failed
from sams.spool.opening import open_files
from sams.spool.schema import SCHEMA, Schema
from sams.spool.shelf import open_successor
from sams.spool.sqlite import SqliteSpool
from tests.spool.rig import (
    BODY,
    HEAD,
    SETTINGS,
    START,
    Clock,
    Told,
    accepted,
    gone,
    on_loop,
    settle,
    sqlite_spool,
)
from tests.support.power import cut_everywhere, recorded
from tests.support.recorded_disk import RecordedDisk, without_syncs

_MORE = """
ALTER TABLE message ADD COLUMN priority INTEGER NOT NULL DEFAULT 3;
ALTER TABLE recipient ADD COLUMN told TEXT;
CREATE TABLE parking(message INTEGER PRIMARY KEY, reason TEXT NOT NULL) STRICT;
CREATE INDEX message_priority ON message(priority);
"""
_OTHERWISE = "UPDATE message SET size = size + 1000; UPDATE recipient SET attempts = attempts + 1000;"
ADDED = dataclasses.replace(
    SCHEMA,
    version=SCHEMA.version + 1,
    tables=SCHEMA.tables + _MORE,
    steps={**SCHEMA.steps, SCHEMA.version: _MORE},
)
"""The next version, had it tables and columns more."""
CHANGED = dataclasses.replace(
    ADDED,
    version=ADDED.version + 1,
    readable_from=ADDED.version + 1,
    steps={**ADDED.steps, ADDED.version: _OTHERWISE},
)
"""The one behind it, had it another meaning of what is there."""


def opened_with(data_dir: Path, tables: Schema) -> None:
    """Open a shard as a version does, and close it."""
    open_files(Layout(data_dir, 0), tables=tables).close()


def versions(data_dir: Path) -> tuple[int, int]:
    """What a shard's file says: its tables' version, and the oldest that understands them."""
    connection = apsw.Connection(str(Layout(data_dir, 0).database))
    try:
        [(readable_from,)] = connection.execute("SELECT value FROM shard_info WHERE key = 'readable_from'")
        return int(connection.pragma("user_version")), int(readable_from)
    finally:
        connection.close()


def written_by_version_1(data_dir: Path) -> None:
    """A queue as SAMS left it when its tables had version 1: with two messages, one of them tried once."""
    layout = Layout(data_dir, 0)
    layout.make()
    connection = apsw.Connection(str(layout.database))
    connection.pragma("journal_mode", "WAL")
    connection.execute((Path(__file__).parent / "version-1.sql").read_text())
    connection.close()


@on_loop
async def test_a_queue_of_each_version_there_was_is_opened_and_goes_on(tmp_path: Path) -> None:
    written_by_version_1(tmp_path)
    async with sqlite_spool(tmp_path) as spool:
        works, _ = spool.claim("hub", START + 60, None, 10)
        assert [(work.message.envid, len(work.recipients)) for work in works] == [("new", 2), ("tried", 1)]
        new, tried = (work.message.id for work in works)
        assert works[1].recipients[0].attempts == 1
        content = spool.load(new)
        assert (content.head, content.body.in_memory()) == (HEAD, BODY)
        await settle(spool, Settlement(tried, gone(1)))
        third = await accepted(spool)
        assert [entry.message.id for entry in await spool.search(Search(), None, 10)] == [new, third]
        assert [(use.login, use.recipients) for use in spool.usage(0)] == [("ann", 5)]
    assert versions(tmp_path) == (schema.VERSION, schema.READABLE_FROM)


@on_loop
async def test_a_failed_shard_of_each_version_there_was_is_taken_over(tmp_path: Path) -> None:
    written_by_version_1(tmp_path)
    mark_failed(Layout(tmp_path, 0), "its disk, before the new version came")
    told = Told()
    spool = open_successor(tmp_path, 0, Clock(START + 60), SETTINGS, told.hooks())
    await spool._active._take_overs.done()
    found = await spool.search(Search(), None, 10)
    assert [entry.message.envid for entry in found] == ["tried", "new"]
    assert [spool.load(entry.message.id).head for entry in found] == [HEAD, HEAD]
    await spool.close()


@on_loop
async def test_the_next_version_adds_to_a_queue_of_this_one_and_this_one_goes_on_with_it(
    tmp_path: Path,
) -> None:
    async with sqlite_spool(tmp_path) as spool:
        first = await accepted(spool, "a@x.org", "b@x.org")
    opened_with(tmp_path, ADDED)
    assert versions(tmp_path) == (ADDED.version, SCHEMA.readable_from)
    async with sqlite_spool(tmp_path) as spool:
        await settle(spool, Settlement(first, gone(0)))
        second = await accepted(spool)
        await spool.hold(Search(ids=(second,)))
        found = await spool.search(Search(), None, 10)
        assert {entry.message.id: len(entry.recipients) for entry in found} == {first: 1, second: 1}
        backup = tmp_path / "backup"
        await spool.backup(str(backup))
    assert versions(tmp_path) == (ADDED.version, SCHEMA.readable_from)
    opened = open_files(Layout(tmp_path, 0), tables=ADDED)
    assert opened.reader.execute("SELECT priority FROM message").fetchall() == [(3,), (3,)]
    opened.close()
    other = tmp_path / "other"
    other.mkdir(0o700)
    assert restore(backup, other) == 0


@on_loop
async def test_a_queue_that_was_made_by_the_next_version_is_worked_with(tmp_path: Path) -> None:
    opened = open_files(Layout(tmp_path, 0), tables=ADDED)
    spool = SqliteSpool(opened, Clock(), SETTINGS, Told().hooks())
    message = await accepted(spool)
    await spool.close()
    async with sqlite_spool(tmp_path) as spool:
        assert [work.message.id for work in spool.claim("hub", START, None, 10)[0]] == [message]


def test_a_queue_that_this_version_would_misread_is_refused_with_what_to_do(tmp_path: Path) -> None:
    opened_with(tmp_path, SCHEMA)
    opened_with(tmp_path, CHANGED)
    assert versions(tmp_path) == (CHANGED.version, CHANGED.readable_from)
    with pytest.raises(OperatorError, match=r"written by a newer SAMS \(its tables have version 3.*run that"):
        opened_with(tmp_path, SCHEMA)
    with pytest.raises(OperatorError, match="written by a newer SAMS"):
        opened_with(tmp_path, ADDED)
    opened_with(tmp_path, CHANGED)


def test_there_is_a_way_from_each_older_version_to_this_one() -> None:
    assert set(SCHEMA.steps) == set(range(1, SCHEMA.version))


@on_loop
async def _accept(data_dir: Path) -> None:
    async with sqlite_spool(data_dir) as spool:
        await accepted(spool, "a@x.org", "b@x.org", body=b"x" * 3)


def _bring_up_to_date(disk: RecordedDisk) -> None:
    _accept(disk.root)
    disk.begin_here()
    opened_with(disk.root, CHANGED)
    disk.say("up to date")


def _is_changed_once(data_dir: Path, said: list[Hashable]) -> list[str]:
    broken = []
    if said and versions(data_dir)[0] != CHANGED.version:
        broken.append("what was up to date is not any more")
    with without_syncs():
        opened = open_files(Layout(data_dir, 0), tables=CHANGED)
        sizes = opened.reader.execute("SELECT size, priority FROM message").fetchall()
        attempts = opened.reader.execute("SELECT attempts, told FROM recipient").fetchall()
        opened.close()
    if (sizes, attempts) != ([(len(HEAD) + 1_003, 3)], [(1_000, None)] * 2):
        broken.append(f"the steps were not taken once each: {sizes}, {attempts}")
    return broken


@pytest.mark.faults
def test_a_power_cut_while_a_queue_is_brought_up_to_date_leaves_the_one_version_or_the_other(
    tmp_path: Path,
) -> None:
    disk = recorded(tmp_path / "run", _bring_up_to_date)
    tally = cut_everywhere(disk, _is_changed_once, draws=3)
    assert tally.steps["Written"] > 10
    assert tally.steps["Synced"] >= 3
