from __future__ import annotations

from benchmarks.compare.scenarios import SETS, Scenario


def test_the_floor_is_measured_where_each_message_has_a_connection() -> None:
    asked = Scenario("x", "fresh", 16)
    fresh = asked.for_floor(smtp=False)
    assert fresh is not None
    assert (fresh.mode, fresh.security, fresh.name) == ("echo", "implicit", "x")
    assert asked.for_floor(smtp=True) == asked
    assert Scenario("x", "persist", 16).for_floor(smtp=True) is None


def test_what_is_unusual_is_said_to_the_generator() -> None:
    assert "--no-pipelining" in Scenario("x", "fresh", 1, pipelining=False).arguments()
    assert "--no-pipelining" not in Scenario("x", "fresh", 1).arguments()
    idle = Scenario("x", "idle", 5_000).arguments()
    assert idle[idle.index("--idle") + 1] == "5000"


def test_the_extended_set_has_all_and_each_scenario_is_a_set() -> None:
    names = [scenario.name for scenario in SETS["extended"]]
    assert len(names) == len(set(names))
    assert {scenario.name for scenario in SETS["short"]} < set(names)
    assert all(SETS[name] == (scenario,) for name, scenario in zip(names, SETS["extended"], strict=True))
