"""What a start and a claim cost does not depend on what waits."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import apsw
import pytest

from sams.spool import claims, records, statements
from sams.spool.claims import Claims
from sams.spool.connections import ONE_PROCESS, open_reader, open_writer
from sams.spool.interface import Cursor
from sams.spool.keys import id_of
from sams.spool.layout import Layout
from tests.spool.rig import HEAD, START, on_loop, sqlite_spool


def _filled(data_dir: Path, count: int) -> apsw.Connection:
    """A shard with so many messages waiting, due one after the other."""
    layout = Layout(data_dir, 0)
    data_dir.mkdir()
    layout.make()
    writer = open_writer(layout.database, 0)
    first = 1 << 40
    rows = range(first, first + count * 4096, 4096)
    with writer:
        writer.executemany(
            "INSERT INTO message VALUES (?,0,'ann','S','a','x.org',?,100,0,70,'7BIT',NULL,NULL,0)",
            ((row, START) for row in rows),
        )
        writer.executemany(
            "INSERT INTO recipient VALUES (?,0,'bob','y.org','y.org',NULL,NULL,NULL,'hub',?,0,NULL,0,0)",
            ((row, START + number) for number, row in enumerate(rows)),
        )
        writer.executemany("INSERT INTO content VALUES (?,0,0,0,?,x'')", ((row, HEAD) for row in rows))
    writer.close()
    return open_reader(layout.database)


class _Steps:
    """Counts the steps of SQLite's machine."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.count = 0
        connection.set_progress_handler(self._step, 1)

    def _step(self) -> bool:
        self.count += 1
        return False


def _steps_of_claims(connection: apsw.Connection, count: int) -> list[int]:
    """Steps of a claim at the front, in the middle, and of the next due time."""
    reads = Claims(connection, 0, lambda *_: None)
    steps = _Steps(connection)
    found: list[int] = []
    middle = reads.claim("hub", START + count // 2, None, 1)[0][0]
    for after in (None, Cursor(START + count // 2, middle.message.id)):
        steps.count = 0
        works, cursor = reads.claim("hub", START + count, after, 20)
        assert len(works) == 20
        assert cursor is not None
        found.append(steps.count)
    steps.count = 0
    assert reads.next_due("hub", START + count // 2) == START + count // 2 + 1
    found.append(steps.count)
    return found


def test_a_claim_takes_as_many_steps_from_a_deep_queue_as_from_a_short_one(tmp_path: Path) -> None:
    few = _steps_of_claims(_filled(tmp_path / "few", 100), 100)
    many = _steps_of_claims(_filled(tmp_path / "many", 100_000), 100_000)
    for short, deep in zip(few, many, strict=True):
        assert deep <= short * 1.1


class _CountingVFS(apsw.VFS):
    """The system's layer below SQLite, which counts reads."""

    def __init__(self) -> None:
        self.reads = 0
        super().__init__("counting", base=ONE_PROCESS)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _CountingFile(self, name, flags)


class _CountingFile(apsw.VFSFile):
    def __init__(self, layer: _CountingVFS, name: Any, flags: list[int]) -> None:
        self._layer = layer
        super().__init__(ONE_PROCESS, name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's name
        self._layer.reads += 1
        return super().xRead(amount, offset)


async def _reads_of_a_start(data_dir: Path, count: int) -> int:
    """How often the file of a queue of so many messages is read until the first of them are on their way."""
    _filled(data_dir, count).close()
    layer = _CountingVFS()
    try:
        async with sqlite_spool(data_dir, vfs="counting") as spool:
            works, _ = spool.claim("hub", START + count, None, 20)
            assert len(works) == 20
            reads = layer.reads
    finally:
        layer.unregister()
    return reads


@on_loop
async def test_a_start_reads_as_little_of_a_deep_queue_as_of_a_short_one(tmp_path: Path) -> None:
    short = await _reads_of_a_start(tmp_path / "short", 500)
    deep = await _reads_of_a_start(tmp_path / "deep", 50_000)
    assert deep <= short + 20  # the trees are deeper by a level


def test_claims_use_the_index_alone_to_find_their_place(tmp_path: Path) -> None:
    connection = _filled(tmp_path / "some", 10)
    for statement, values in ((claims.CLAIM, ("hub", START, 0.0, 0)), (claims.NEXT_DUE, ("hub", START))):
        plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        assert not [line for line in plan if line.startswith("SCAN") or "TEMP B-TREE" in line]
        assert "COVERING INDEX recipient_due" in " ".join(plan)


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (statements._DELETE_RECIPIENT, (1, 0)),
        (statements._DEFER_RECIPIENT, (START, 1, None, 0, 1, 0)),
        (statements._DELETE_IF_DONE, (apsw.carray(array("q", [1])),)),
        (statements._DELETE_CONTENTS, (apsw.carray(array("q", [1])),)),
        *[(each, (apsw.carray(array("q", [1])),)) for each in statements._DELETE_WHOLE],
        (claims._CONTENT, (1,)),
        (records.RECIPIENTS_OF, (1,)),
    ],
)
def test_what_is_done_for_each_message_reads_no_table_from_end_to_end(
    tmp_path: Path, statement: str, values: tuple[object, ...]
) -> None:
    connection = _filled(tmp_path / "some", 10)
    plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert plan
    assert not [line for line in plan if line.startswith("SCAN") and "carray" not in line], plan
    assert not [line for line in plan if "TEMP B-TREE" in line and "ORDER BY" in line], plan


def test_a_claim_of_many_recipients_is_cut_between_messages(tmp_path: Path) -> None:
    layout = Layout(tmp_path, 0)
    layout.make()
    writer = open_writer(layout.database, 0)
    rows = range(4096, 4096 * 11, 4096)
    with writer:
        writer.executemany(
            "INSERT INTO message VALUES (?,0,'ann','S',NULL,NULL,?,100,0,70,'7BIT',NULL,NULL,0)",
            ((row, START) for row in rows),
        )
        writer.executemany(
            "INSERT INTO recipient VALUES (?,?,'bob','y.org','y.org',NULL,NULL,NULL,'hub',?,0,NULL,0,0)",
            ((row, number, START) for row in rows for number in range(1000)),
        )
    reads = Claims(writer, 0, lambda *_: None)
    works, cursor = reads.claim("hub", START, None, 100)
    assert [len(work.recipients) for work in works] == [1000] * 5
    assert cursor == Cursor(START, id_of(4096 * 5, 0))
    rest, cursor = reads.claim("hub", START, cursor, 100)
    assert [len(work.recipients) for work in rest] == [1000] * 5
    assert cursor is None
