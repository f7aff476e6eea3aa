"""A server that is measured: a folder with an executable `ctl`, and a variant of it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.compare.accounting import close_account, open_account
from benchmarks.compare.programs import BenchError

BENCHMARKS = Path(__file__).resolve().parents[1]
_PATIENCE = 120.0
FLOOR, BARE_FLOOR = "floor", "floor:bare"


def _folder(name: str) -> Path:
    """Of a target: a path, or a name of one that is here."""
    if "/" in name:
        return Path(name).resolve()
    inside = BENCHMARKS / name
    return inside if (inside / "ctl").exists() else BENCHMARKS / "targets" / name


class Target:
    """One target. label: `name:variant`, as it stands in the results.

    environment: what `ctl` gets (benchmarks/targets/common.sh). scratch: a folder for what it says.
    """

    def __init__(self, spec: str, environment: Mapping[str, str], scratch: Path) -> None:
        name, _, self._variant = spec.rpartition(":")
        folder = _folder(name)
        self.label = f"{folder.name}:{self._variant}"
        self._ctl = folder / "ctl"
        if not name or not os.access(self._ctl, os.X_OK):
            raise BenchError(
                f"no target {spec!r}: write NAME:VARIANT or FOLDER:VARIANT, with a ctl in the folder"
            )
        self._environment = {**os.environ, **environment}
        self._said = scratch / "ctl.out"
        self.account = open_account(self.label, self._roots)

    @property
    def is_floor(self) -> bool:
        """Whether it is no server of mail: nothing is relayed to the sink."""
        return self.label.partition(":")[0] == FLOOR

    @property
    def speaks_smtp(self) -> bool:
        """Whether it knows more than TLS and an echo."""
        return self.label != BARE_FLOOR

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._run("start", counted=True)
        self._ports = {"starttls": self._number("port"), "implicit": self._number("implicit")}
        port = self.port("implicit")
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                return
            time.sleep(0.05)
        raise BenchError(f"{self.label} does not listen on port {port}")

    def stop(self) -> None:
        """Stop it; what does not go is killed."""
        with suppress(BenchError):  # it may never have come so far
            self._run("stop")
        close_account(self.account)

    def port(self, security: str) -> int:
        """Where `starttls` or `implicit` is spoken."""
        return self._ports[security]

    def queue(self) -> int:
        """Messages that wait."""
        return self._number("queue")

    def version(self) -> str:
        """Of the programs."""
        return " / ".join(self._run("version").split("\n"))

    def _roots(self) -> list[int]:
        return [int(pid) for pid in self._run("roots").split()]

    def _number(self, command: str) -> int:
        return int(self._run(command).split()[-1])

    def _run(self, command: str, *, counted: bool = False) -> str:
        """What `ctl` says; into a file, as a daemon would keep a pipe open."""
        words = [str(self._ctl), self._variant, command]
        with self._said.open("w") as said:
            done = subprocess.run(  # noqa: S603 - the target's own script
                self.account.wrap(words) if counted else words,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=self._environment,
                timeout=_PATIENCE,
                check=False,
            )
        text = self._said.read_text(errors="replace").strip()
        if done.returncode:
            raise BenchError(f"{self.label}: {command} failed:\n{text[-2_000:]}")
        return text
