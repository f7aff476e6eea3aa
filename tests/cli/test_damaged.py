from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from sams.cli.failures import Exit
from sams.spool.layout import Layout
from tests.cli.desk import Desk

LARGE = b"x" * 200_000


@pytest.fixture
def lost(desk: Desk) -> str:
    """Of two messages one whose body file is gone, and which a stopped service has set aside."""
    lost, _ = desk.queued(("bob@example.org",), ("eve@example.net",), body=LARGE)
    layout = Layout(desk.data_dir, 0)
    (layout.bodies / lost).rename(desk.server.folder / "kept")
    connection = apsw.Connection(str(layout.database))
    for table, key in (("message", "id"), ("content", "message"), ("recipient", "message")):
        connection.execute(
            f"INSERT INTO damaged_{table} SELECT * FROM {table} WHERE {key} = (SELECT min({key}) FROM {table})"  # noqa: S608 - constants
        )
        connection.execute(f"DELETE FROM {table} WHERE {key} = (SELECT min({key}) FROM {table})")  # noqa: S608 - constants
    connection.execute(
        "INSERT INTO damaged SELECT id, shard, 1700000000.0, 'its body file is missing' FROM damaged_message"
    )
    connection.close()
    return lost


def test_nothing_is_set_aside_as_a_rule(desk: Desk) -> None:
    desk.queued(("bob@example.org",))
    assert desk.json("queue", "damaged", "list") == {"damaged": []}
    assert "Nothing is set aside." in desk.sams("queue", "damaged", "list").stdout


def test_what_is_set_aside_is_listed_and_shown_with_where_it_is(desk: Desk, lost: str) -> None:
    [entry] = desk.json("queue", "damaged", "list")["damaged"]
    assert (entry["id"], entry["login"], entry["recipients"]) == (lost, "ann", ["bob@example.org"])
    assert entry["body_file"] == str(Layout(desk.data_dir, 0).bodies / lost)
    assert "its body file is missing" in desk.sams("queue", "damaged", "list").stdout
    shown = desk.sams("queue", "damaged", "show", lost.lower()).stdout
    assert "bob@example.org" in shown
    assert entry["body_file"] in shown
    assert desk.json("queue", "damaged", "show", lost) == entry


def test_it_is_released_when_it_can_be_read_and_not_before(desk: Desk, lost: str) -> None:
    told = desk.sams("queue", "damaged", "release", lost, code=Exit.FAILED)
    assert "still cannot be read" in told.output
    Path(desk.server.folder / "kept").rename(Layout(desk.data_dir, 0).bodies / lost)
    assert desk.json("queue", "damaged", "release", lost) == {"changed": 1}
    assert lost in [message["id"] for message in desk.json("queue", "list")["messages"]]
    assert desk.json("queue", "damaged", "list") == {"damaged": []}


def test_it_is_deleted_and_the_others_stay(desk: Desk, lost: str) -> None:
    assert "deleted" in desk.sams("queue", "damaged", "delete", lost).stdout
    assert desk.json("queue", "damaged", "list") == {"damaged": []}
    assert len(desk.json("queue", "list")["messages"]) == 1
    told = desk.sams("queue", "damaged", "delete", lost, code=Exit.FAILED)
    assert "no message" in told.output


@pytest.mark.parametrize("command", ["show", "release", "delete"])
def test_what_is_no_id_is_told(command: str, desk: Desk) -> None:
    desk.queued(("bob@example.org",))
    desk.sams("queue", "damaged", command, "nonsense", code=Exit.FAILED)


def test_a_damaged_shard_is_left_out_with_a_word_and_the_others_are_listed(desk: Desk) -> None:
    desk.queued(("bob@example.org",))
    [other] = desk.queued(("eve@example.net",), shard=1)
    Layout(desk.data_dir, 0).database.write_bytes(b"garbage" * 1_000)
    result = desk.sams("queue", "list")
    assert other in result.stdout
    assert "shard 0 is left out" in result.stderr
