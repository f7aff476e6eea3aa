"""The counters of the whole service for Prometheus: those of activity, and what the status board knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sams import __version__
from sams.app.inherited import Inherited

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

OF_THE_BOARD = (
    ("sams_info", "gauge", "1; the label says which version runs.", "version"),
    ("sams_start_time_seconds", "gauge", "When the service was started, UNIX seconds.", ""),
    ("sams_worker_ready", "gauge", "1 while this worker's listeners accept, else 0.", "worker"),
    (
        "sams_worker_restarts_total",
        "counter",
        "How often this worker was replaced since the start.",
        "worker",
    ),
    ("sams_worker_sessions_signed_in", "gauge", "Sessions of this worker that are signed in now.", "worker"),
    (
        "sams_route_up",
        "gauge",
        "1 while the route's next hop takes mail, 0 while a worker finds it down: see `sams health`.",
        "route",
    ),
    (
        "sams_source_up",
        "gauge",
        "1 while the source of accounts answers, 0 while a worker finds it down: see `sams health`.",
        "source",
    ),
)
"""Name, type, meaning and label of what does not come from `activity.metrics`."""


def exposition(inherited: Inherited) -> str:
    """All of it, in Prometheus' text form."""
    return inherited.memory.metrics.exposition(lambda: _of_the_board(inherited)).decode()


def _of_the_board(inherited: Inherited) -> Iterator[Metric]:
    from prometheus_client.core import (  # noqa: PLC0415 - slow to import, rarely used
        CounterMetricFamily,
        GaugeMetricFamily,
    )

    board = inherited.memory.board
    rows = [(str(number), board.read(number)) for number in range(len(board))]
    values: tuple[list[tuple[str, float]], ...] = (
        [(__version__, 1)],
        [("", inherited.started)],
        [(number, row.ready) for number, row in rows],
        [(number, row.restarts) for number, row in rows],
        [(number, row.signed_in) for number, row in rows],
        [
            (route.id, not inherited.memory.routes.is_down(place))
            for place, route in enumerate(inherited.material.config.routes)
        ],
        [
            (source.id, not inherited.memory.sources.is_down(place))
            for place, source in enumerate(inherited.material.config.accounts.sources)
        ],
    )
    for (name, kind, meaning, label), numbers in zip(OF_THE_BOARD, values, strict=True):
        family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
        metric = family(name, meaning, labels=[label] if label else [])
        for value, number in numbers:
            metric.add_metric([value] if label else [], number)
        yield metric
