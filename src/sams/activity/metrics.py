"""Counters, counted at once and read by whoever asks.

A board is anonymous shared memory, made before the workers are forked: one slot for each, with one writer, and
readers in any process sum the slots. A number is eight aligned octets, so that it is read whole. Counters
outlive the worker that counted: a new worker goes on in its slot. Gauges are cleared when a worker dies.

All families stand in one table below; a label that is not in the table counts as `other`.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

OTHER = "other"
SIGN_IN_REFUSALS = ("password", "unknown", "suspended", "locked", "unavailable", "busy", "protocol", OTHER)
CLOSINGS = (
    "quit",
    "lost",
    "timeout",
    "bug",
    "protocol",
    "limits",
    "tls",
    "proxy",
    "shutdown",
    "revoked",
    OTHER,
)
TLS_FAILURES = (
    "old-version",
    "no-suite",
    "plain-text",
    "http",
    "tls-to-plain",
    "silent",
    "hung-up",
    "too-slow",
    "not-trusted",
    "client-certificate",
    "too-long",
    OTHER,
)
REFUSALS = ("EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "CONNECT", OTHER)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Counter:
    """Rises. `values`: one number for each value of `label`; without a label there is one."""

    name: str
    help: str
    label: str = ""
    values: tuple[str, ...] = ("",)

    @property
    def width(self) -> int:
        """How many numbers it takes."""
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Gauge:
    """Rises and falls."""

    name: str
    help: str
    width: int = 1


@dataclass(frozen=True, slots=True)
class Histogram:
    """How long something took: a number for each bound, one beyond, and the sum in microseconds."""

    name: str
    help: str
    bounds: tuple[float, ...] = SECONDS

    @property
    def width(self) -> int:
        """How many numbers it takes."""
        return len(self.bounds) + 2


CONNECTIONS = Gauge("sams_connections_open", "Connections of members' programs that are open now.")
CONNECTED = Counter("sams_connections_total", "Connections of members' programs that were taken.")
CLOSED = Counter(
    "sams_closed_total",
    "Sessions that ended, by how: `quit` is the client's, `lost` a break, `protocol` too many mistakes of the "
    "client, `bug` one of ours.",
    "how",
    CLOSINGS,
)
TLS = Counter(
    "sams_tls_total",
    "TLS handshakes with members' programs, by version.",
    "version",
    ("TLSv1.2", "TLSv1.3", "failed", OTHER),
)
TLS_FAILED = Counter(
    "sams_tls_failed_total",
    "TLS handshakes that failed, by cause: `old-version` and `no-suite` are what the program does not know, "
    "`plain-text` and `http` what it spoke in place of TLS, `tls-to-plain` TLS that nobody had asked for, `silent`, "
    "`hung-up` and `too-slow` how it left off, `not-trusted` our certificate to it, `client-certificate` its own to "
    "us.",
    "cause",
    TLS_FAILURES,
)
TLS_RESUMED = Counter("sams_tls_resumed_total", "Those of the handshakes that resumed an earlier session.")
SIGNED_IN = Counter(
    "sams_sign_ins_total",
    "Sign-ins, by what was checked: a password against one remembered in memory, or by its hash or by a directory; a "
    "proof of it (SCRAM), a token, a client certificate, a Kerberos ticket.",
    "by",
    ("memory", "hash", "proof", "token", "certificate", "ticket"),
)
SIGN_IN_REFUSED = Counter("sams_sign_ins_refused_total", "Refused sign-ins, by why.", "why", SIGN_IN_REFUSALS)
GUARD_LOCKS = Counter(
    "sams_guard_locks_total",
    "Locks against guessing that began, by level: a login at an address, an address, a network, or a login that is "
    "tried from many places.",
    "level",
    ("pair", "address", "network", "login", OTHER),
)
GUARD_RELEASED = Counter("sams_guard_locks_released_total", "Locks against guessing that a person ended.")
ACCEPTED = Counter(
    "sams_messages_accepted_total", "Messages of members that got their 250: they are on disk."
)
ACCEPTED_RECIPIENTS = Counter(
    "sams_recipients_accepted_total", "Recipients of the messages that got their 250."
)
ACCEPTED_OCTETS = Counter(
    "sams_octets_accepted_total", "Octets of the messages that got their 250, header and body."
)
REFUSED = Counter(
    "sams_refused_total",
    "Refused commands and messages, by command: one for each 4yz and 5yz.",
    "verb",
    REFUSALS,
)
WARNED = Counter("sams_warnings_total", "What was let through and a stricter setting would refuse.")
ATTEMPTED = Counter("sams_attempts_total", "Delivery attempts: one message on one route, once.")
SETTLED = Counter(
    "sams_recipients_settled_total",
    "Recipients of delivery attempts, by what came of it; who is put off counts each time.",
    "result",
    ("delivered", "deferred", "failed", OTHER),
)
REPORTED = Counter(
    "sams_reports_total",
    "Reports that were written to senders, by what about.",
    "what",
    ("failed", "delayed", "delivered", OTHER),
)
ALARMS = Counter("sams_alarms_total", "Alarms, also those that no mail was sent for, as one had just been.")
JOURNAL_LOST = Counter(
    "sams_journal_lost_total", "Entries of the activity journal that could not be written."
)
QUEUED = Gauge("sams_queue_recipients", "Recipients that wait, as of at most 10 seconds ago.")
DUE = Gauge("sams_queue_due_recipients", "Recipients that are due, as of at most 10 seconds ago.")
SET_ASIDE = Gauge("sams_queue_damaged_messages", "Messages that were set aside, as they cannot be read.")
DAMAGED = Counter("sams_queue_damaged_total", "Messages that were set aside since the start.")
SHARD_FAILURES = Counter(
    "sams_shard_failures_total", "Shards that failed since the start, and are never written again."
)
FAILED_SHARDS = Gauge("sams_shards_failed", "Failed shards in which something still waits.")
STUCK_SHARDS = Gauge(
    "sams_shards_stuck",
    "Failed shards that nothing could replace, or that cannot be read: see `sams health`.",
)
COMMIT = Histogram(
    "sams_commit_seconds",
    "The time of a commit of the queue, from the first row to on disk; several messages share one.",
)
ATTEMPT = Histogram(
    "sams_attempt_seconds", "The time of a delivery attempt.", (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300)
)

FAMILIES: tuple[Counter | Gauge | Histogram, ...] = (
    CONNECTIONS,
    CONNECTED,
    CLOSED,
    TLS,
    TLS_FAILED,
    TLS_RESUMED,
    SIGNED_IN,
    SIGN_IN_REFUSED,
    GUARD_LOCKS,
    GUARD_RELEASED,
    ACCEPTED,
    ACCEPTED_RECIPIENTS,
    ACCEPTED_OCTETS,
    REFUSED,
    WARNED,
    ATTEMPTED,
    SETTLED,
    REPORTED,
    ALARMS,
    JOURNAL_LOST,
    QUEUED,
    DUE,
    SET_ASIDE,
    DAMAGED,
    SHARD_FAILURES,
    FAILED_SHARDS,
    STUCK_SHARDS,
    COMMIT,
    ATTEMPT,
)


def _offsets() -> Iterator[tuple[str, int]]:
    at = 0
    for family in FAMILIES:
        yield family.name, at
        at += family.width


_OFFSETS = dict(_offsets())
_WIDTH = sum(family.width for family in FAMILIES)
_INDEX = {
    (family.name, value): _OFFSETS[family.name] + at
    for family in FAMILIES
    if isinstance(family, Counter)
    for at, value in enumerate(family.values)
}


def place(family: Counter | Gauge | Histogram) -> int:
    """Where the family's first number lies in `Metrics.numbers`: for who counts with every message."""
    return _OFFSETS[family.name]


class Places(dict[str, int]):
    """Where the number of each value of a counter's label lies; a value that it does not have is `other`."""

    def __init__(self, counter: Counter) -> None:
        super().__init__((value, _INDEX[counter.name, value]) for value in counter.values)

    def __missing__(self, value: str) -> int:
        """Nothing is kept: values from outside have no end."""
        if value == OTHER:
            raise KeyError(value)
        return self[OTHER]


class Metrics:
    """The counters of one worker. One writer.

    numbers: all of them; `place` and `Places` tell which is which.
    """

    __slots__ = ("numbers",)

    def __init__(self, numbers: memoryview) -> None:
        self.numbers = numbers

    def count(self, counter: Counter, value: str = "", by: int = 1) -> None:
        """Count."""
        index = _INDEX.get((counter.name, value))
        if index is None:
            index = _INDEX[counter.name, OTHER]
        self.numbers[index] += by

    def change(self, gauge: Gauge, by: int) -> None:
        """Move a gauge; it does not go below 0."""
        index = _OFFSETS[gauge.name]
        self.numbers[index] = max(0, self.numbers[index] + by)

    def show(self, gauge: Gauge, value: int) -> None:
        """Set a gauge."""
        self.numbers[_OFFSETS[gauge.name]] = value

    def observe(self, histogram: Histogram, seconds: float) -> None:
        """Note how long something took."""
        start, bounds = _OFFSETS[histogram.name], histogram.bounds
        self.numbers[start + bisect_left(bounds, seconds)] += 1
        if seconds > 0:
            self.numbers[start + len(bounds) + 1] += int(seconds * 1_000_000)


class Board:
    """The counters of all workers, in memory that processes forked later share."""

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, max(1, slots) * _WIDTH * 8)
        self._numbers = memoryview(self._memory).cast("Q")
        self.slots = slots

    def slot(self, number: int) -> Metrics:
        """The counters of worker `number`, from 0: for that worker alone."""
        if not 0 <= number < self.slots:
            raise IndexError(f"there are {self.slots} slots; {number} is none of them")
        return Metrics(self._numbers[number * _WIDTH : (number + 1) * _WIDTH])

    def clear_gauges(self, number: int) -> None:
        """A worker has died: what it held is gone."""
        for family in FAMILIES:
            if isinstance(family, Gauge):
                self._numbers[number * _WIDTH + _OFFSETS[family.name]] = 0

    def value(self, family: Counter | Gauge, value: str = "") -> int:
        """One number, over all workers."""
        index = _INDEX[family.name, value] if isinstance(family, Counter) else _OFFSETS[family.name]
        return self._sum(index)

    def snapshot(self) -> dict[str, int | float | dict[str, int | float]]:
        """All numbers: by name, and by label where there is one; of histograms the count and the sum."""
        return {family.name: self._shown(family) for family in FAMILIES}

    def exposition(self, more: Callable[[], Iterable[Metric]] = tuple) -> bytes:
        """All numbers, and `more`, in Prometheus' text form."""
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - slow to import, rarely used

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(lambda: chain(self.metrics(), more())))
        return generate_latest(registry)

    def metrics(self) -> Iterator[Metric]:
        """All numbers as prometheus_client's families."""
        from prometheus_client.core import (  # noqa: PLC0415 - slow to import, rarely used
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        for family in FAMILIES:
            if isinstance(family, Histogram):
                buckets, total = self._buckets(family)
                yield HistogramMetricFamily(family.name, family.help, buckets=buckets, sum_value=total)
            elif isinstance(family, Gauge):
                yield GaugeMetricFamily(family.name, family.help, value=self.value(family))
            else:
                counter = CounterMetricFamily(
                    family.name, family.help, labels=[family.label] if family.label else []
                )
                for value in family.values:
                    counter.add_metric([value] if family.label else [], self.value(family, value))
                yield counter

    def _sum(self, index: int) -> int:
        return sum(self._numbers[index : len(self._numbers) : _WIDTH])

    def _shown(self, family: Counter | Gauge | Histogram) -> int | float | dict[str, int | float]:
        if isinstance(family, Histogram):
            buckets, total = self._buckets(family)
            return {"count": int(buckets[-1][1]), "sum": total}
        if isinstance(family, Counter) and family.label:
            return {value: self.value(family, value) for value in family.values}
        return self.value(family)

    def _buckets(self, histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
        start, seen = _OFFSETS[histogram.name], 0
        buckets: list[tuple[str, float]] = []
        for at, bound in enumerate((*histogram.bounds, "+Inf")):
            seen += self._sum(start + at)
            buckets.append((str(bound), seen))
        return buckets, self._sum(start + histogram.width - 1) / 1_000_000


class _Collector:
    def __init__(self, metrics: Callable[[], Iterator[Metric]]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return self._metrics()
