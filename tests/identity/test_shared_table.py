from __future__ import annotations

import os
import signal

from hypothesis import given
from hypothesis import strategies as st

from sams.identity.shared_table import WAYS, Columns, OwnedTable, SharedTable
from tests.identity.rig import KEY, ended_well, fork, in_child


def plus_one(payload: bytes | None) -> bytes:
    return (int.from_bytes(payload or b"", "little") + 1).to_bytes(8, "little")


def number(table: SharedTable, about: bytes) -> int:
    return int.from_bytes(table.read(table.tag(about)) or b"", "little")


def test_an_entry_is_read_as_it_was_changed_and_goes_when_told_to() -> None:
    table = SharedTable(64, 8, KEY)
    tag = table.tag(b"alice")
    assert table.read(tag) is None
    table.change(tag, 1.0, lambda _: b"12345678")
    assert table.read(tag) == b"12345678"
    table.change(tag, 2.0, lambda _: None)
    assert table.read(tag) is None


def test_removing_what_is_not_there_changes_nothing() -> None:
    table = SharedTable(8, 8, KEY)
    table.change(table.tag(b"a"), 1.0, plus_one)
    table.change(table.tag(b"b"), 1.0, lambda _: None)
    assert number(table, b"a") == 1


def test_a_full_bucket_forgets_what_was_touched_longest_ago() -> None:
    table = SharedTable(WAYS, 8, KEY)  # one bucket
    for turn in range(WAYS):
        table.change(table.tag(b"%d" % turn), float(turn), plus_one)
    table.change(table.tag(b"0"), 100.0, plus_one)
    table.change(table.tag(b"new"), 101.0, plus_one)
    assert number(table, b"1") == 0
    assert number(table, b"0") == 2
    assert number(table, b"new") == 1


def test_octets_of_a_payload_that_look_like_a_tag_are_none() -> None:
    table = SharedTable(WAYS, 16, KEY)
    wanted = table.tag(b"wanted")
    table.change(table.tag(b"other"), 1.0, lambda _: wanted)
    assert table.read(wanted) is None


@given(st.lists(st.integers(0, 40), max_size=200))
def test_no_sequence_of_changes_makes_an_entry_count_what_another_was_told(turns: list[int]) -> None:
    table = SharedTable(16, 8, KEY)
    for now, turn in enumerate(turns):
        table.change(table.tag(b"%d" % turn), float(now), plus_one)
    for turn in set(turns):
        assert number(table, b"%d" % turn) <= turns.count(turn)


def test_what_the_owner_writes_all_read_until_it_is_cleared() -> None:
    table = OwnedTable(64, 8, KEY)
    tag, gone = table.tag(b"alice"), table.tag(b"bob")

    def write() -> None:
        table.put(gone, 1.0, b"12345678")
        table.put(gone, 2.0, None)
        table.put(gone, 3.0, None)
        table.put(tag, 1.0, b"12345678")
        table.put(tag, 2.0, b"abcdefgh")

    in_child(write)
    assert (table.read(tag), table.read(gone)) == (b"abcdefgh", None)
    table.clear()
    assert table.read(tag) is None


def test_processes_that_change_one_entry_at_once_lose_no_change() -> None:
    table = SharedTable(64, 8, KEY)
    children, turns = 4, 2_000
    start_read, start_write = os.pipe()

    def count() -> None:
        os.close(start_write)
        os.read(start_read, 1)  # all begin when the parent closes its end
        for _ in range(turns):
            table.change(table.tag(b"shared"), 1.0, plus_one)

    pids = [fork(count) for _ in range(children)]
    os.close(start_read)
    os.close(start_write)
    assert ended_well(*pids)
    assert number(table, b"shared") == children * turns


def test_a_process_that_is_killed_inside_a_change_leaves_no_lock() -> None:
    table = SharedTable(8, 8, KEY)
    inside_read, inside_write = os.pipe()

    def die_inside(_: bytes | None) -> bytes:
        os.write(inside_write, b"x")
        signal.pause()
        return b"never---"

    pid = fork(lambda: table.change(table.tag(b"a"), 1.0, die_inside))
    os.read(inside_read, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    table.change(table.tag(b"a"), 1.0, plus_one)
    assert number(table, b"a") == 1
    os.close(inside_read)
    os.close(inside_write)


def test_nothing_of_what_an_entry_is_about_stands_in_memory() -> None:
    table = SharedTable(8, 8, KEY)
    table.change(table.tag(b"alice-the-member"), 1.0, plus_one)
    assert b"alice" not in bytes(table._memory)


def test_octets_are_swapped_only_where_they_are_what_was_read() -> None:
    table = SharedTable(8, 8, KEY)
    tag = table.tag(b"a")
    assert table.locate(tag) is None
    table.change(tag, 1.0, lambda _: b"12345678")
    position = table.locate(tag)
    assert position is not None
    end = position + 16 + 8 + 8
    before = table.memory[position:end]
    assert before.startswith(tag)
    assert table.swap(position, before, before[:-8] + b"abcdefgh")
    assert table.read(tag) == b"abcdefgh"
    assert not table.swap(position, before, before)
    assert table.read(tag) == b"abcdefgh"


def test_columns_are_summed_over_processes() -> None:
    columns = Columns(3)

    def count() -> None:
        columns.numbers[2] = 70_000

    columns.numbers[0] = 5
    in_child(count)
    assert columns.total() == 70_005
    columns.numbers[2] = 0
    assert columns.total() == 5


def test_all_entries_are_listed_once() -> None:
    table = SharedTable(64, 8, KEY)
    tags = {table.tag(b"%d" % number) for number in range(5)}
    for at, tag in enumerate(tags):
        table.change(tag, float(at), lambda _: b"8 octets")
    found = list(table.entries())
    assert {tag for tag, _, _ in found} == tags
    assert sorted(touched for _, touched, _ in found) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert {payload for _, _, payload in found} == {b"8 octets"}
