"""Run the scale scenarios on the real service: run.py [--size small|full] [--only NAME ...].

Each prints a table with what is wanted beside what was measured. Times depend on the machine and on what else it
does: what can be decided without them is in the tests.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

from benchmarks.scale import deep_queue, idle, keeps_up, large, recipients, sign_in_storm, workers
from benchmarks.scale.lab import Table

SCENARIOS: Mapping[str, Callable[[str], Table]] = {
    "workers": workers.run,
    "large": large.run,
    "recipients": recipients.run,
    "deep-queue": deep_queue.run,
    "idle": idle.run,
    "sign-in-storm": sign_in_storm.run,
    "keeps-up": keeps_up.run,
}


def main() -> int:
    """See the file's own words. The status is 1 where a wanted number was not reached."""
    parser = argparse.ArgumentParser(description="Measure SAMS where there is much of something.")
    parser.add_argument("--size", choices=("small", "full"), default="small")
    parser.add_argument("--only", nargs="+", choices=tuple(SCENARIOS), default=tuple(SCENARIOS))
    arguments = parser.parse_args()
    tables = [SCENARIOS[name](arguments.size) for name in arguments.only]
    return int(any(row.holds is False for table in tables for row in table.rows))


if __name__ == "__main__":
    sys.exit(main())
