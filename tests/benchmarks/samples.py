"""Results to report."""

from __future__ import annotations

from benchmarks.compare.results import About, Delivery, Latency, Load, Result, Use


def result(
    target: str,
    scenario: str = "fresh-c16",
    *,
    cpu: float = 1.0,
    delivered: float = 100.0,
    dot: float = 10.0,
    idle: float = 0.0,
    lost: int = 0,
    round_: int = 0,
) -> Result:
    """One with these figures."""
    latency = Latency(dot, dot, dot, dot, dot)
    return Result(
        About(target, scenario, round_, "2026-11-23T12:00:00+00:00", f"{target} 1.0", "/proc", ["loadgen"]),
        Load(300, 300, 3.0, 100.0, 300, "TLSv1.3", {}, latency, latency, 0.5, 0.1),
        Delivery(300 - lost, lost, 0, delivered, delivered / 256),
        Use(cpu, cpu / 2, cpu / 2, 2_048, 3, idle_kib=idle),
    )
