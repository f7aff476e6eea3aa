"""What is asked of a server: the scenarios, and the sets of them that are run together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load. seconds: new messages are begun for so long. size: octets of a message, about.

    clients: at work at once; of idle connections so many stand, and 16 at once are made.
    mode: `fresh` (a connection, full handshake and sign-in for each message), `persist` (per_connection messages
    a connection), `idle` (connections that are signed in and say nothing) or `echo` (what `fresh` becomes for the
    bare floor). security: `starttls` or `implicit`.
    """

    name: str
    mode: str
    clients: int
    security: str = "starttls"
    size: int = 4 * KIB
    recipients: int = 1
    seconds: float = 3.0
    per_connection: int = 50
    pipelining: bool = True

    def for_floor(self, *, smtp: bool) -> Scenario | None:
        """What it asks of a floor, that with the dialogue or TLS alone; None: there is nothing to compare."""
        if self.mode != "fresh":
            return None
        return self if smtp else replace(self, mode="echo", security="implicit")

    def arguments(self) -> list[str]:
        """The load generator's."""
        words = ["--mode", self.mode, "--tls", self.security]
        if self.mode == "idle":
            return [*words, "-c", "16", "--idle", str(self.clients), "--hold", str(self.seconds)]
        words += [
            "-c",
            str(self.clients),
            "-s",
            str(self.size),
            "-r",
            str(self.recipients),
            "-d",
            str(self.seconds),
        ]
        words += ["-M", str(self.per_connection)]
        return words if self.pipelining else [*words, "--no-pipelining"]


WARM_UP = (
    Scenario("warm-up", "fresh", 32, seconds=1.5),
    Scenario("warm-up", "persist", 32, seconds=1.5),
)
_SHORT = (
    Scenario("fresh-c16", "fresh", 16),
    Scenario("fresh-c64", "fresh", 64),
    Scenario("persist-c16", "persist", 16),
    Scenario("persist-c64", "persist", 64),
)
_LARGE = (
    Scenario("persist-1MiB-c4", "persist", 4, size=MIB),
    Scenario("persist-1MiB-c16", "persist", 16, size=MIB),
    Scenario("persist-25MiB-c4", "persist", 4, size=25 * MIB),
)
_OTHERS = (
    Scenario("fresh-c1", "fresh", 1),
    Scenario("persist-c1", "persist", 1),
    Scenario("fresh-implicit-c16", "fresh", 16, security="implicit"),
    Scenario("persist-nopipelining-c16", "persist", 16, pipelining=False),
    Scenario("persist-10-recipients-c16", "persist", 16, recipients=10),
    Scenario("persist-1000-recipients-c4", "persist", 4, recipients=1_000),
    Scenario("persist-100KiB-c16", "persist", 16, size=100 * KIB),
    *_LARGE,
    Scenario("persist-minute-c64", "persist", 64, seconds=60),
    Scenario("idle", "idle", 5_000, seconds=8),
)
SETS: Mapping[str, tuple[Scenario, ...]] = {
    "quick": (_SHORT[0], _SHORT[2]),
    "short": _SHORT,
    "extended": _SHORT + _OTHERS,
    "others": _OTHERS,
    "large": _LARGE,
} | {scenario.name: (scenario,) for scenario in _SHORT + _OTHERS}
"""By the name of the set; a scenario alone is a set too."""
