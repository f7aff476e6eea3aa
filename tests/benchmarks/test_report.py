from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.compare import results
from benchmarks.compare.goals import GOALS, QUANTITIES
from benchmarks.compare.report import judge, medians, report
from benchmarks.compare.scenarios import SETS
from tests.benchmarks.samples import result


def test_a_median_is_taken_over_the_rounds_of_one_scenario_and_target() -> None:
    runs = [result("sams:default", cpu=cpu, round_=round_) for round_, cpu in enumerate((9.0, 1.0, 2.0))]
    other = result("sams:default", "persist-c16", cpu=50.0)
    assert medians([*runs, other])["sams:default", "fresh-c16", "cpu"] == 2.0


@pytest.mark.parametrize(("cpu", "is_reached"), [(2.5, True), (2.51, False)])
def test_cpu_is_to_be_at_most_a_part_of_the_others(cpu: float, is_reached: bool) -> None:
    [judged] = judge([result("postfix:tuned", cpu=10.0), result("sams:default", cpu=cpu)])
    assert judged.ratio == pytest.approx(cpu / 10)
    assert judged.is_reached is is_reached


@pytest.mark.parametrize(("delivered", "is_reached"), [(600.0, True), (599.0, False)])
def test_delivered_messages_are_to_be_at_least_a_multiple(delivered: float, is_reached: bool) -> None:
    judged = judge(
        [
            result("postfix:tuned", "persist-c64", delivered=100.0),
            result("sams:w2", "persist-c64", delivered=delivered),
        ]
    )
    [one] = [one for one in judged if one.goal.quantity == "delivered"]
    assert (one.subject, one.is_reached) == ("sams:w2", is_reached)


def test_a_goal_without_both_sides_is_left_out() -> None:
    assert judge([result("sams:default")]) == []
    assert judge([result("postfix:tuned")]) == []
    assert judge([result("postfix:tuned", cpu=0.0), result("sams:default")]) == []


def test_what_is_accepted_is_to_be_delivered_in_the_same_time() -> None:
    [judged] = judge([result("sams:default", "persist-minute-c64", delivered=50.0)])
    assert judged.goal.against is None
    assert judged.ratio == 0.5
    assert not judged.is_reached


def test_each_goal_is_about_a_scenario_and_a_quantity_that_there_are() -> None:
    scenarios = {scenario.name for scenario in SETS["extended"]}
    for goal in GOALS:
        assert goal.scenario in scenarios
        assert goal.quantity in QUANTITIES


def test_the_report_explains_its_columns() -> None:
    page = report([result("sams:default")])
    figures = page.partition("## All figures")[2]
    explained = figures.rpartition("|")[2]
    assert {"whole", "dot", "steal/other"} <= set(explained.replace(":", " ").split())


def test_the_report_says_what_was_reached_what_was_lost_and_that_passwords_are_warm() -> None:
    page = report(
        [
            result("postfix:tuned", cpu=10.0),
            result("floor:bare", cpu=0.5),
            result("sams:default", cpu=2.0, lost=7),
        ]
    )
    assert "7 lost" in page
    assert "remembered passwords are warm" in page
    against_postfix, against_floor = (
        line for line in page.splitlines() if line.startswith("| sams:default") and "CPU" in line
    )
    assert "0.20" in against_postfix
    assert "yes" in against_postfix
    assert "4.00" in against_floor
    assert "NO" in against_floor


def test_lines_of_a_table_are_of_one_length() -> None:
    page = report([result("postfix:tuned", cpu=10.0), result("sams:default", cpu=12_345.0)])
    tables = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for lines in tables:
        assert len({len(line) for line in lines}) == 1


def test_nothing_to_compare_is_said() -> None:
    assert "Nothing to compare" in report([result("postfix:tuned")])


def test_results_are_read_as_they_were_kept(tmp_path: Path) -> None:
    kept = [result("sams:default"), result("postfix:tuned", round_=1)]
    for one in kept:
        results.append(tmp_path / "results.jsonl", one)
    assert results.read([tmp_path / "results.jsonl"]) == kept
