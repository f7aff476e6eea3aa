"""Times of the parts: `python -m benchmarks.micro [OPTIONS OF PYPERF] [PART …]`, a PART is the beginning of a name.

pyperf runs each part in processes of its own, calibrates how often, and keeps every value (`-o FILE`), so that two
trees can be compared: `.venv/bin/python -m pyperf compare_to before.json after.json`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pyperf

from benchmarks.micro import activity, content, engines, message, path, sign_ins, spool, tls

PROCESSES, VALUES = 3, 5


class Benchmark(Protocol):
    """What pyperf gives back."""

    def get_values(self) -> Sequence[float]:
        """Seconds."""


class Best(NamedTuple):
    """The best value of a part, seconds: on a machine with other work, what disturbs least."""

    name: str
    seconds: float


def all_parts(built: Path, scratch: str | None) -> Mapping[str, tuple[Callable[[int], float], int]]:
    """A part takes a number of loops and gives seconds; with how often it does its thing in one loop."""
    simple = {**engines.PARTS, **content.PARTS, **message.PARTS, **tls.PARTS}
    return {
        **{name: (part, 1) for name, part in simple.items()},
        **activity.parts(scratch),
        **spool.parts(scratch),
        **sign_ins.parts(scratch),
        **path.parts(built, scratch),
    }


def _pass_on(command: list[str], options: argparse.Namespace) -> None:
    """What pyperf's worker processes have to know too."""
    command += ["--built", str(options.built)]
    if options.scratch:
        command += ["--scratch", options.scratch]
    command += options.parts


def main() -> int:
    """See the file's own words."""
    runner = pyperf.Runner(
        processes=PROCESSES, values=VALUES, program_args=("-m", "benchmarks.micro"), add_cmdline_args=_pass_on
    )
    parser = runner.argparser
    parser.add_argument(
        "--built", type=Path, default=Path("build/bench/bin"), help="folder of loadgen and sink"
    )
    parser.add_argument("--scratch", help="a folder on the disk that is meant")
    parser.add_argument("parts", nargs="*", metavar="PART")
    options = runner.parse_args()
    if options.scratch:
        Path(options.scratch).mkdir(parents=True, exist_ok=True)
    chosen = tuple(options.parts)
    found = []
    for name, (part, inner) in all_parts(options.built.resolve(), options.scratch).items():
        if not chosen or name.startswith(chosen):
            benchmark: Benchmark | None = runner.bench_time_func(name, part, inner_loops=inner)
            if benchmark is not None and not options.worker:
                found.append(Best(name, min(benchmark.get_values())))
    for name, seconds in found:
        print(f"{name:48} best {seconds * 1e6:9.1f} us {1 / seconds:12,.0f}/s")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
