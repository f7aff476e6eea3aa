"""`make soak`: mixed real clients with faults all along; a table, `soak.json` and `soak.svg`.

The status is 1 where a promise was not kept, or where memory, descriptors or latency are not flat.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec

from tests.soak.plot import panels_of, plot
from tests.soak.soak import Order, Result, run

FLAT_FROM = 10.0
"""Minutes from which on memory and latency decide: in less there is no slope to see."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Let members and faults have at the service for a while.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--output", type=Path, default=Path("build/soak"))
    arguments = parser.parse_args()
    print(f"a soak of {arguments.minutes:g} min, seed {arguments.seed}", flush=True)  # noqa: T201 - a report
    folder = Path(tempfile.mkdtemp(prefix="sams-soak-"))
    try:
        result = run(
            Order(folder, arguments.minutes * 60, arguments.seed, flat=arguments.minutes >= FLAT_FROM)
        )
        write(result, arguments.output)
        if not result.holds:
            shutil.copyfile(folder / "service" / "log", arguments.output / "service.log")
            shutil.copyfile(folder / "book", arguments.output / "book")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell(result)
    return int(not result.holds)


def write(result: Result, output: Path) -> None:
    """The figures and the picture."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "soak.json").write_bytes(msgspec.json.encode(result))
    title = (
        f"SAMS {result.version}, {result.seconds / 60:g} min: {result.balance.promised:,} messages accepted, "
        f"{len(result.balance.missing)} recipients lost"
    )
    panels = panels_of(result.samples, result.sent, result.began)
    (output / "soak.svg").write_text(plot(title, panels, result.disturbances, result.began))


def tell(result: Result) -> None:
    """The table, and whatever went wrong."""
    lines = ["", "| what | measured | wanted | |", "|---|---|---|---|"]
    for one in result.findings:
        mark = ("yes" if one.holds else "NO") if one.decides else ""
        lines.append(f"| {one.what} | {one.measured} | {one.wanted} | {mark} |")
    if not result.disk:
        lines.append("\nNot tried: a full disk. No disk of our own could be mounted here (that takes root).")
    lines.append(f"\naccepted: {result.accepted}\nrefused or cut off, by code: {result.refused}")
    wrong = (
        result.balance.missing,
        result.balance.broken,
        result.balance.strange,
        result.balance.unexplained,
    )
    lines += [f"  {line}" for found in (result.faults, *(found[:20] for found in wrong)) for line in found]
    print("\n".join(lines))  # noqa: T201 - the report


if __name__ == "__main__":
    sys.exit(main())
