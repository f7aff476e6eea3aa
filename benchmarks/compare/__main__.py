"""Compare submission servers: `python -m benchmarks.compare run …`, or `report FILE…` for results that are there."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.compare import results
from benchmarks.compare.chart import chart
from benchmarks.compare.measuring import Measuring
from benchmarks.compare.programs import BenchError, Programs, Sink, running_sink
from benchmarks.compare.report import report
from benchmarks.compare.results import Result
from benchmarks.compare.scenarios import SETS, Scenario
from benchmarks.compare.targets import BENCHMARKS, Target

SINK_PORT = 29_025


def say(line: str) -> None:
    """Tell of progress, at once."""
    print(line, flush=True)  # noqa: T201 - a command


class Comparison:
    """All rounds. programs: the folder of loadgen, sink and floor. output: where results go, scratch: the rest."""

    def __init__(self, programs: Path, output: Path, scratch: Path) -> None:
        self._programs = Programs(programs, scratch / "users")
        self._output = output / "results.jsonl"
        self._scratch = scratch
        self._environment = {
            "BENCH_HOME": str(BENCHMARKS),
            "BENCH_DIR": str(scratch),
            "BENCH_PROGRAMS": str(programs),
            "SINK_PORT": str(SINK_PORT),
        }

    def run(self, targets: Sequence[str], scenarios: Sequence[Scenario], rounds: int) -> list[Result]:
        """Target after target in each round, so that a change of the machine's mood meets all of them."""
        found: list[Result] = []
        self._output.unlink(missing_ok=True)
        with running_sink(self._programs.folder, SINK_PORT, SINK_PORT + 1) as sink:
            for round_ in range(rounds):
                for spec in targets:
                    say(f"round {round_ + 1} of {rounds}: {spec} …")
                    found += self._measure(spec, scenarios, round_, sink)
        return found

    def _measure(self, spec: str, scenarios: Sequence[Scenario], round_: int, sink: Sink) -> list[Result]:
        target = Target(spec, self._environment, self._scratch)
        found = []
        try:
            target.start()
            measuring = Measuring(target, self._programs, sink, self._scratch)
            measuring.warm_up()
            for scenario in scenarios:
                result = measuring.run(scenario, round_)
                if result is not None:
                    results.append(self._output, result)
                    say(_line(result))
                    found.append(result)
        finally:
            target.stop()
        return found


def _line(result: Result) -> str:
    load, delivery, use = result.load, result.delivery, result.use
    if result.about.scenario == "idle":
        return f"  {'idle':28} {load.idle_alive_at_end} connections, {use.idle_kib:.1f} KiB each"
    return (
        f"  {result.about.scenario:28} {load.msg_per_s:8.0f} accepted/s {delivery.per_s:8.0f} delivered/s "
        f"{use.cpu_ms:8.3f} ms CPU  dot p50 {load.dot_ms.p50:.1f} ms"
        + (f"  FAILED {load.failures}" if load.failures else "")
        + (f"  LOST {delivery.lost}" if delivery.lost else "")
    )


def write_report(found: Sequence[Result], output: Path) -> None:
    """Print the tables, and keep them and the chart."""
    page = report(found)
    say("\n" + page)
    (output / "report.md").write_text(page)
    (output / "chart.svg").write_text(chart(found))
    say(f"kept in {output}: report.md, chart.svg")


def make_scratch(folder: Path) -> Path:
    """A folder for servers' state, which other users may enter but not have made before."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise BenchError(f"{folder} belongs to somebody else: set BENCH_DIR to another folder")
    return folder


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure, and report")
    run.add_argument("--targets", required=True, help="NAME:VARIANT or FOLDER:VARIANT, with commas between")
    run.add_argument("--set", default="short", choices=sorted(SETS), metavar="SET", help=", ".join(SETS))
    run.add_argument("--runs", type=int, default=2, help="rounds")
    run.add_argument("--programs", type=Path, required=True, help="the folder of loadgen, sink and floor")
    run.add_argument("--output", type=Path, required=True, help="the folder for results")
    run.add_argument("--scratch", type=Path, required=True, help="a folder on the disk that is meant")
    again = commands.add_parser("report", help="report results that are there")
    again.add_argument("files", nargs="+", type=Path)
    again.add_argument("--output", type=Path, required=True, help="the folder for the report")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """The command; its exit status."""
    options = read_arguments(arguments)
    output: Path = options.output
    output.mkdir(parents=True, exist_ok=True)
    try:
        if options.command == "report":
            found = results.read(options.files)
        else:
            comparison = Comparison(options.programs.resolve(), output, make_scratch(options.scratch))
            found = comparison.run(options.targets.split(","), SETS[options.set], options.runs)
            say(f"kept in {output}: results.jsonl")
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    except KeyboardInterrupt:
        return 130
    write_report(found, output)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
