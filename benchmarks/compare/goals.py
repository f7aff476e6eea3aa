"""The numbers to reach, and what they are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from benchmarks.compare.results import Result
from benchmarks.compare.targets import BARE_FLOOR


def _keeping_up(result: Result) -> float:
    accepted = result.load.msg_per_s
    return result.delivery.per_s / accepted if accepted else 0.0


class Quantity(NamedTuple):
    """Something that a result tells. words: with its unit."""

    words: str
    of: Callable[[Result], float]


QUANTITIES: Mapping[str, Quantity] = {
    "cpu": Quantity("CPU, ms a message", lambda result: result.use.cpu_ms),
    "delivered": Quantity("delivered messages/s", lambda result: result.delivery.per_s),
    "throughput": Quantity("delivered MiB/s", lambda result: result.delivery.mib_per_s),
    "dot p99": Quantity("last octet to 250, p99 ms", lambda result: result.load.dot_ms.p99),
    "whole p50": Quantity("whole transaction, p50 ms", lambda result: result.load.txn_ms.p50),
    "idle": Quantity("KiB an idle connection", lambda result: result.use.idle_kib),
    "keeping up": Quantity("delivered/s to accepted/s", _keeping_up),
}

POSTFIX, CHEAP, FLOOR = "postfix:tuned", "postfix:tuned-cheapauth", BARE_FLOOR
SUBJECT = "sams:"
"""How the labels begin of what has to reach the goals."""


class Goal(NamedTuple):
    """A quantity of SAMS, divided by that of `against` (None: as it is), is at most or at least `limit`."""

    scenario: str
    quantity: str
    against: str | None
    limit: float
    at_most: bool

    def reached_by(self, ratio: float) -> bool:
        """Whether it is."""
        return ratio <= self.limit if self.at_most else ratio >= self.limit

    @property
    def words(self) -> str:
        """The limit as one reads it."""
        return f"{'≤' if self.at_most else '≥'} {self.limit:g}"


GOALS = (
    Goal("fresh-c16", "cpu", POSTFIX, 0.25, at_most=True),
    Goal("fresh-c64", "cpu", POSTFIX, 0.25, at_most=True),
    Goal("fresh-c64", "delivered", POSTFIX, 3.0, at_most=False),
    Goal("fresh-c16", "cpu", CHEAP, 0.35, at_most=True),
    Goal("fresh-c64", "cpu", CHEAP, 0.35, at_most=True),
    Goal("fresh-c64", "delivered", CHEAP, 2.4, at_most=False),
    Goal("fresh-c16", "cpu", FLOOR, 1.8, at_most=True),
    Goal("fresh-c64", "cpu", FLOOR, 1.8, at_most=True),
    Goal("persist-c16", "cpu", POSTFIX, 0.12, at_most=True),
    Goal("persist-c64", "cpu", POSTFIX, 0.12, at_most=True),
    Goal("persist-c64", "delivered", POSTFIX, 6.0, at_most=False),
    Goal("persist-c16", "dot p99", POSTFIX, 0.5, at_most=True),
    Goal("persist-c64", "dot p99", POSTFIX, 0.5, at_most=True),
    Goal("fresh-c1", "whole p50", POSTFIX, 0.25, at_most=True),
    Goal("persist-minute-c64", "keeping up", None, 0.95, at_most=False),
    Goal("persist-1MiB-c4", "throughput", POSTFIX, 1.5, at_most=False),
    Goal("persist-1MiB-c16", "throughput", POSTFIX, 1.5, at_most=False),
    Goal("persist-25MiB-c4", "throughput", POSTFIX, 1.5, at_most=False),
    Goal("idle", "idle", POSTFIX, 0.05, at_most=True),
)
