"""How a worker begins: whatever lies in its shard, it serves and delivers the rest (R8)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Never

import pytest

from sams.spool.shelf import Shelf
from tests.app.rig import worker
from tests.spool.rig import FIRST, accepted, closed_database, flip, sqlite_spool
from tests.support.next_hop import NextHop, until


async def _filled(data_dir: Path) -> None:
    async with sqlite_spool(data_dir) as spool:
        for _ in range(3):
            await accepted(spool, "bob@example.net", arrived=time.time())


async def _delivered(folder: Path) -> int:
    """How many messages reach the next hop."""
    async with NextHop() as hub, worker(folder, hub, route='security = "none"'):
        await until(lambda: len(hub.mails) >= 2)
        await asyncio.sleep(0.2)
        return len(hub.mails)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.mark.parametrize(
    ("table", "column", "where", "delivered"),
    [
        ("use_of_login", "login", "true", 3),
        ("message", "login", f"id = {FIRST}", 2),
        ("recipient", "route", f"message = {FIRST}", 2),
    ],
)
def test_a_flipped_bit_in_a_text_stops_no_start_and_no_other_mail(
    table: str, column: str, where: str, delivered: int, data_dir: Path
) -> None:
    async def story() -> None:
        await _filled(data_dir)
        with closed_database(data_dir) as database:
            flip(database, table, column, where)
        assert await _delivered(data_dir.parent) == delivered

    asyncio.run(story())


def test_a_domain_that_a_flipped_bit_made_none_stops_no_start_and_no_mail(data_dir: Path) -> None:
    async def story() -> None:
        await _filled(data_dir)
        with closed_database(data_dir) as database:
            database.execute("UPDATE recipient SET domain_key = 'ex\ufffdmple.net'")
        assert await _delivered(data_dir.parent) == 3

    asyncio.run(story())


def test_whatever_cannot_be_read_of_what_logins_used_stops_no_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(*_: object) -> Never:
        raise ValueError("nobody thought of it")

    async def story() -> None:
        await _filled(data_dir)
        monkeypatch.setattr(Shelf, "usage", unexpected)
        assert await _delivered(data_dir.parent) == 3

    asyncio.run(story())
