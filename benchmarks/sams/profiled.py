"""`sams` with a profiler that SIGUSR2 switches on and off: `python -m benchmarks.sams.profiled serve`.

For a service in one process (`workers = 0`). What was called between the two signals is kept in the file that
SAMS_PROFILE names; while it is taken, a file with `.on` behind that name is there.
"""

from __future__ import annotations

import cProfile
import os
import runpy
import signal
from pathlib import Path


class Switch:
    """Handles the signal. kept: where statistics go."""

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._mark = Path(f"{kept}.on")
        self._profile: cProfile.Profile | None = None
        self._mark.unlink(missing_ok=True)

    def __call__(self, *_: object) -> None:
        """On, or off."""
        if self._profile is None:
            self._mark.touch()
            self._profile = cProfile.Profile()
            self._profile.enable()
            return
        self._profile.disable()
        self._profile.dump_stats(self._kept)
        self._profile = None
        self._mark.unlink()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, Switch(Path(os.environ["SAMS_PROFILE"])))
    runpy.run_module("sams", run_name="__main__", alter_sys=True)
