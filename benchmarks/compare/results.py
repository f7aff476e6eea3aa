"""What one run of one scenario against one target brought, as it is kept: a line of JSON each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


class Load(msgspec.Struct, frozen=True):
    """The load generator's report. failures: by reply code or kind. wall_s: until the last message was accepted."""

    accepted: int
    attempts: int
    wall_s: float
    msg_per_s: float
    connections: int
    tls: str
    failures: dict[str, int]
    txn_ms: Latency
    dot_ms: Latency
    client_cpu_user_s: float
    client_cpu_sys_s: float
    idle_alive_at_end: int = 0
    idle_setup_s: float = 0.0

    @property
    def client_cpu(self) -> float:
        """Seconds of CPU of the generator."""
        return self.client_cpu_user_s + self.client_cpu_sys_s


class About(msgspec.Struct, frozen=True):
    """Which run it was. round: from 0. account: how CPU was counted. version: of the server."""

    target: str
    scenario: str
    round: int
    when: str
    version: str
    account: str
    command: list[str]


class Delivery(msgspec.Struct, frozen=True):
    """What came to the sink, or for the floor back to the client.

    delivered: messages, known by their ids. lost: messages or recipients that were accepted and did not come;
    duplicates: recipients that came more often than once.
    """

    delivered: int = 0
    lost: int = 0
    duplicates: int = 0
    per_s: float = 0.0
    mib_per_s: float = 0.0


class Use(msgspec.Struct, frozen=True):
    """What the server's processes used for each message (or idle connection), until all was delivered.

    cpu_ms, user_ms, system_ms: milliseconds of CPU. memory_kib: their Pss in the middle of the load. idle_kib: their
    Pss for each idle connection, above what they had before. steal, other: cores that the hypervisor and other work
    took meanwhile.
    """

    cpu_ms: float
    user_ms: float
    system_ms: float
    memory_kib: int
    processes: int
    steal: float = 0.0
    other: float = 0.0
    idle_kib: float = 0.0


class Result(msgspec.Struct, frozen=True):
    """One run of one scenario against one target."""

    about: About
    load: Load
    delivery: Delivery
    use: Use


def append(path: Path, result: Result) -> None:
    """Keep it."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(result) + b"\n")


def read(paths: Iterable[Path]) -> list[Result]:
    """All that was kept, in order."""
    decoder = msgspec.json.Decoder(Result)
    return [decoder.decode(line) for path in paths for line in path.read_bytes().splitlines()]
