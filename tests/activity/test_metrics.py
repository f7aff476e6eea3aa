from __future__ import annotations

import os

import pytest

from sams.activity import metrics as m
from sams.activity.metrics import Board, Places, place


def test_workers_count_apart_and_are_summed() -> None:
    board = Board(2)
    board.slot(0).count(m.ACCEPTED)
    board.slot(1).count(m.ACCEPTED, by=2)
    board.slot(1).count(m.REFUSED, "RCPT")
    assert board.value(m.ACCEPTED) == 3
    assert board.value(m.REFUSED, "RCPT") == 1


def test_a_label_that_the_table_does_not_know_counts_as_other() -> None:
    board = Board(1)
    board.slot(0).count(m.REFUSED, "XYZZY")
    assert board.value(m.REFUSED, "other") == 1


def test_places_are_where_the_counts_go() -> None:
    board, places = Board(1), Places(m.REFUSED)
    for verb in ("RCPT", "XYZZY", "ABC"):
        board.slot(0).numbers[places[verb]] += 1
    board.slot(0).numbers[place(m.ACCEPTED)] += 1
    assert [board.value(m.REFUSED, verb) for verb in ("RCPT", "other")] == [1, 2]
    assert board.value(m.ACCEPTED) == 1
    assert "XYZZY" not in places
    with pytest.raises(KeyError):
        Places(m.SIGNED_IN)["what"]


def test_a_counter_without_a_label_takes_none() -> None:
    with pytest.raises(KeyError):
        Board(1).slot(0).count(m.ACCEPTED, "x")


def test_a_process_forked_later_counts_in_the_same_memory() -> None:
    board = Board(1)
    child = os.fork()
    if not child:
        board.slot(0).count(m.ACCEPTED, by=7)
        os._exit(0)
    os.waitpid(child, 0)
    assert board.value(m.ACCEPTED) == 7


def test_a_worker_that_died_leaves_its_counters_and_not_its_connections() -> None:
    board = Board(2)
    for number in range(2):
        board.slot(number).change(m.CONNECTIONS, 5)
        board.slot(number).count(m.CONNECTED, by=5)
    board.clear_gauges(0)
    assert board.value(m.CONNECTIONS) == 5
    assert board.value(m.CONNECTED) == 10


def test_a_gauge_does_not_go_below_nothing() -> None:
    board = Board(1)
    board.slot(0).change(m.CONNECTIONS, -1)
    assert board.value(m.CONNECTIONS) == 0


def test_there_is_no_slot_beyond_the_board() -> None:
    for number in (-1, 2):
        with pytest.raises(IndexError):
            Board(2).slot(number)


@pytest.mark.parametrize(
    ("seconds", "bound"), [(0.0, "0.001"), (0.001, "0.001"), (0.0011, "0.0025"), (99, "+Inf")]
)
def test_a_time_counts_in_the_first_bound_that_holds_it(seconds: float, bound: str) -> None:
    board = Board(1)
    board.slot(0).observe(m.COMMIT, seconds)
    text = board.exposition().decode()
    at = [
        line.split('"')[1]
        for line in text.splitlines()
        if line.startswith("sams_commit_seconds_bucket") and line.endswith(" 1.0")
    ]
    assert at[0] == bound


def test_prometheus_reads_what_is_exposed() -> None:
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - for this test alone

    board = Board(1)
    board.slot(0).count(m.ACCEPTED, by=3)
    board.slot(0).observe(m.COMMIT, 0.002)
    families = {family.name: family for family in text_string_to_metric_families(board.exposition().decode())}
    samples = {
        sample.name: sample.value
        for family in families.values()
        for sample in family.samples
        if not sample.labels
    }
    assert samples["sams_messages_accepted_total"] == 3
    assert samples["sams_commit_seconds_count"] == 1
    assert samples["sams_commit_seconds_sum"] == pytest.approx(0.002)
    assert len(families) == len(m.FAMILIES)


def test_a_snapshot_has_every_family() -> None:
    snapshot = Board(1).snapshot()
    assert snapshot.keys() == {family.name for family in m.FAMILIES}
    assert snapshot["sams_connections_open"] == 0
    assert snapshot["sams_commit_seconds"] == {"count": 0, "sum": 0.0}
