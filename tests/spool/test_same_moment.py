from __future__ import annotations

from pathlib import Path

from sams.spool.interface import Search
from tests.spool.rig import accepted, on_loop, sqlite_spool


@on_loop
async def test_messages_of_two_shards_made_in_the_same_microsecond_are_told_apart(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as lower, sqlite_spool(tmp_path, shard=1) as upper:
        one, other = await accepted(lower), await accepted(upper)
        assert one < other
        assert await upper.search(Search(ids=(one,)), None, 9) == []
        assert await upper.delete(Search(ids=(one,))) == 0
        assert [entry.message.id for entry in await upper.search(Search(), one, 9)] == [other]
        assert await lower.search(Search(), other, 9) == []
        assert await lower.search(Search(), one.lower(), 9) == []
