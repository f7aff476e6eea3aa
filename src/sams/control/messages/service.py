"""The service as a whole, and its workers."""

from __future__ import annotations

import msgspec

from sams.control.messages.base import OneAnswer, OneRequest
from sams.control.messages.queue import RouteDown
from sams.control.messages.sources import SourceDown


class HealthQuery(OneRequest, frozen=True, tag="health.query"):
    """Ask how it is: the service answers `ServiceHealth` (by its first worker), a worker `WorkerHealth`."""


class WorkerState(msgspec.Struct, frozen=True):
    """A worker that there should be, as the status board has it; restarts since the service started."""

    number: int
    pid: int = 0
    ready: bool = True
    restarts: int = 0


class ServiceHealth(OneAnswer, frozen=True, tag="health.service"):
    """The service as its status board has it.

    started: UNIX seconds. problems: one line each, for people; empty when all is well.
    """

    name: str
    version: str
    pid: int
    started: float
    ready: bool
    workers: tuple[WorkerState, ...] = ()
    problems: tuple[str, ...] = ()


class FailedShard(msgspec.Struct, frozen=True):
    """A shard that is not written any more, and that still matters.

    since: UNIX seconds. waiting: messages that are still read from it (at most 10,000 are counted).
    trouble: what stands in the way of mail going on without it; empty where nothing does. folder: where it is.
    set_aside: damaged messages of which a part may be there alone.
    """

    shard: int
    since: float
    reason: str
    waiting: int
    trouble: str
    folder: str
    set_aside: int = 0


class WorkerHealth(OneAnswer, frozen=True, tag="health.worker"):
    """A worker as it sees itself.

    connections: open now; signed_in: how many of them are. queued, due: recipients.
    oldest: when the oldest due recipient became due, UNIX seconds.
    failed_shards: of this worker. set_aside: messages that cannot be read.
    routes_down, sources_down: by name, as this worker finds.
    """

    number: int
    pid: int
    ready: bool
    connections: int = 0
    signed_in: int = 0
    queued: int = 0
    due: int = 0
    oldest: float | None = None
    problems: tuple[str, ...] = ()
    failed_shards: tuple[FailedShard, ...] = ()
    set_aside: int = 0
    routes_down: dict[str, RouteDown] = msgspec.field(default_factory=dict)
    sources_down: dict[str, SourceDown] = msgspec.field(default_factory=dict)


class MetricsQuery(OneRequest, frozen=True, tag="metrics.query"):
    """Ask for the counters of the whole service."""


class Metrics(OneAnswer, frozen=True, tag="metrics"):
    """All counters and gauges, in Prometheus' text form."""

    text: str


class Reload(OneRequest, frozen=True, tag="reload"):
    """Read configuration and certificates again, as SIGHUP does."""


class Reloaded(OneAnswer, frozen=True, tag="reloaded"):
    """The new configuration is in force; the notes say what it needs besides."""

    notes: tuple[str, ...] = ()


class Backup(OneRequest, frozen=True, tag="backup"):
    """Write consistent copies into an existing folder.

    The first worker writes `accounts.db`, for the service; each worker writes one new folder `spool/N` for each
    shard that it has open.
    """

    target: str


class BackedUp(OneAnswer, frozen=True, tag="backed-up"):
    """What was written, by paths below the target."""

    paths: tuple[str, ...]
