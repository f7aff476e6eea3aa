"""The tables: SAMS beside the others with the numbers to reach, and all figures. Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.compare.goals import GOALS, QUANTITIES, SUBJECT, Goal
from benchmarks.compare.results import Result

Medians = Mapping[tuple[str, str, str], float]
"""By target, scenario and quantity."""

NOTE = (
    "Medians over the rounds. SAMS signs every user in once before: remembered passwords are warm, as they are for a "
    "mail program that connects again. Generator and sink share the cores with the server, so differences below a "
    "fifth are noise, and only ratios from one call mean something. The floor is a full TLS 1.3 handshake, 4 KiB "
    "there and back, and nothing else."
)


COLUMNS = (
    "Medians, but where a range or two values say otherwise. accepted/s: of the load; delivered/s: as they came "
    "to the sink. CPU, user and system: ms of the server's process tree a delivered message. whole: a transaction"
    " from connecting (fresh) or MAIL (persist) to its 250; dot: from the last octet of the message to its 250. "
    "MiB: memory of the server in the middle of the load. failed/lost/twice: transactions that failed, and of all"
    " rounds messages that did not come or came again. steal/other cores: what the hypervisor and other work took"
    " at worst, in cores; above 0.2 or so a run says little."
)


class Judged(NamedTuple):
    """A goal beside what came out. ratio: to the other's, or the value itself."""

    goal: Goal
    subject: str
    value: float
    other: float | None
    ratio: float
    is_reached: bool


def medians(results: Iterable[Result]) -> Medians:
    """Of each quantity over the rounds."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for result in results:
        for name, quantity in QUANTITIES.items():
            key = (result.about.target, result.about.scenario, name)
            values.setdefault(key, []).append(quantity.of(result))
    return {key: statistics.median(some) for key, some in values.items()}


def judge(results: Sequence[Result]) -> list[Judged]:
    """The goals that these results say something about."""
    known = medians(results)
    subjects = _ordered(result.about.target for result in results if result.about.target.startswith(SUBJECT))
    judged = (_judge(goal, subject, known) for subject in subjects for goal in GOALS)
    return [one for one in judged if one is not None]


def _judge(goal: Goal, subject: str, known: Medians) -> Judged | None:
    value = known.get((subject, goal.scenario, goal.quantity))
    other = known.get((goal.against, goal.scenario, goal.quantity)) if goal.against else 1.0
    if value is None or not other:
        return None
    ratio = value / other
    return Judged(goal, subject, value, other if goal.against else None, ratio, goal.reached_by(ratio))


def _ordered(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned, so that it can be read as it is."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    written = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join([written[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *written[1:]])


def goals_table(judged: Sequence[Judged]) -> str:
    """Each goal with what came out."""
    rows = [
        (
            one.subject,
            one.goal.scenario,
            QUANTITIES[one.goal.quantity].words,
            _number(one.value),
            "-" if one.goal.against is None else f"{one.goal.against} {_number(one.other or 0)}",
            f"{one.ratio:.2f}",
            one.goal.words,
            "yes" if one.is_reached else "NO",
        )
        for one in judged
    ]
    return _table(("server", "scenario", "what", "value", "against", "ratio", "to reach", "reached"), rows)


def _figures(results: Sequence[Result]) -> Iterable[Sequence[str]]:
    for target in _ordered(result.about.target for result in results):
        own = [result for result in results if result.about.target == target]
        for scenario in _ordered(result.about.scenario for result in own):
            yield _figure(target, scenario, [result for result in own if result.about.scenario == scenario])


def _figure(target: str, scenario: str, runs: Sequence[Result]) -> Sequence[str]:
    def median(*values: float) -> str:
        return _number(statistics.median(values))

    failures = sum(sum(run.load.failures.values()) for run in runs)
    lost, twice = sum(run.delivery.lost for run in runs), sum(run.delivery.duplicates for run in runs)
    cpu = [run.use.cpu_ms for run in runs]
    return (
        target,
        scenario,
        median(*(run.load.msg_per_s for run in runs)),
        median(*(run.delivery.per_s for run in runs)),
        f"{median(*cpu)} [{_number(min(cpu))}-{_number(max(cpu))}]",
        f"{median(*(run.use.user_ms for run in runs))}/{median(*(run.use.system_ms for run in runs))}",
        f"{median(*(run.load.txn_ms.p50 for run in runs))}/{median(*(run.load.txn_ms.p99 for run in runs))}",
        f"{median(*(run.load.dot_ms.p50 for run in runs))}/{median(*(run.load.dot_ms.p99 for run in runs))}",
        f"{statistics.median(run.use.memory_kib for run in runs) / 1024:.0f}",
        median(*(run.use.idle_kib for run in runs)),
        f"{failures}/{lost}/{twice}",
        f"{max(run.use.steal for run in runs):.2f}/{max(run.use.other for run in runs):.2f}",
    )


_FIGURES = (
    "server",
    "scenario",
    "accepted/s",
    "delivered/s",
    "CPU ms [min-max]",
    "user/system",
    "whole p50/p99 ms",
    "dot p50/p99 ms",
    "MiB",
    "KiB idle",
    "failed/lost/twice",
    "steal/other cores",
)


def report(results: Sequence[Result]) -> str:
    """The page."""
    judged = judge(results)
    lost, twice = sum(r.delivery.lost for r in results), sum(r.delivery.duplicates for r in results)
    versions = _ordered(f"{result.about.target}: {result.about.version}" for result in results)
    accounts = ", ".join(_ordered(result.about.account for result in results))
    rounds = max((result.about.round for result in results), default=-1) + 1
    parts = [
        "# SAMS beside its peers",
        NOTE,
        f"{rounds} rounds; CPU by {accounts}; {lost} lost, {twice} delivered twice.",
        "\n".join(f"- {version}" for version in versions),
        "## The numbers to reach",
        goals_table(judged) if judged else "Nothing to compare: the targets have no scenario in common.",
        "## All figures",
        _table(_FIGURES, _figures(results)),
        COLUMNS,
    ]
    return "\n\n".join(parts) + "\n"
