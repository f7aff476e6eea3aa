"""What a claim costs does not depend on what waits."""

from __future__ import annotations

from array import array
from pathlib import Path

import apsw
import pytest

from sams.spool import claims, records, statements
from sams.spool.claims import Claims
from sams.spool.connections import open_reader, open_writer
from sams.spool.interface import Cursor
from sams.spool.keys import id_of
from sams.spool.layout import Layout
from tests.spool.rig import HEAD, START


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
