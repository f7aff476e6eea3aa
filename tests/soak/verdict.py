"""Whether a soak went well: what was promised was kept, and nothing that the service holds grows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import median

import msgspec

from tests.soak.ledger import Balance, Disturbance, Refusal
from tests.soak.sampling import Sample
from tests.soak.steady import NAME, Sent

Points = Sequence[tuple[float, float]]

WINDOW = 30.0
"""Seconds of which one median is taken, before a line is fitted."""
FIT_FROM = 1 / 3
"""A line is fitted over the last two thirds: before, caches fill."""
MEMORY = (0.10, 8_192.0)
DESCRIPTORS = (0.05, 8.0)
LATENCY = (0.50, 0.050)
"""How much the fitted line may rise over its whole time: this part of the level, or so much (KiB, files, s)."""
LATENCY_P99 = 5.0
"""Seconds, for the steady member; moments in which a worker is killed or the disk is full are left out."""
AFTER_KILL, AFTER_DISK = 5.0, 10.0
"""Seconds in which a disturbance may still be felt."""


class Finding(msgspec.Struct, frozen=True):
    """One line of the verdict. decides: whether the soak fails where it does not hold."""

    what: str
    measured: str
    wanted: str
    holds: bool
    decides: bool = True


def slope(points: Points) -> float:
    """Theil and Sen's: the median of the slopes between all pairs. Up to 29 % of the points may be anything."""
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(points)
        for later in points[number + 1 :]
        if later[0] > earlier[0]
    ]
    return median(slopes) if slopes else 0.0


def windows(points: Points, width: float = WINDOW) -> list[tuple[float, float]]:
    """The median of each window that has any point, at its middle."""
    gathered: dict[int, list[float]] = {}
    for at, value in points:
        gathered.setdefault(int(at // width), []).append(value)
    return [((number + 0.5) * width, median(values)) for number, values in sorted(gathered.items())]


def growth(points: Points) -> tuple[float, float]:
    """The level over the last two thirds, and how much the fitted line rises in that time."""
    if not points:
        return 0.0, 0.0
    first, last = points[0][0], points[-1][0]
    begin = first + (last - first) * FIT_FROM
    late = windows([point for point in points if point[0] >= begin])
    return median(value for _, value in late), slope(late) * (last - begin)


def flat(
    what: str,
    points: Points,
    margin: tuple[float, float],
    show: Callable[[float], str],
    *,
    decides: bool = True,
) -> Finding:
    """Whether a quantity does not rise by more than its margin."""
    level, rise = growth(points)
    allowed = max(margin[0] * level, margin[1])
    return Finding(
        what, f"{show(level)}, rises by {show(rise)}", f"at most {show(allowed)}", rise <= allowed, decides
    )


def percentile(values: Sequence[float], part: float) -> float:
    """The value that this part of all does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0


def is_disturbed(begin: float, end: float, disturbances: Iterable[Disturbance]) -> bool:
    """Whether a worker was killed or the disk full between two moments, or shortly before."""
    after = {"kill": AFTER_KILL, "full disk": AFTER_DISK}
    return any(
        each.begin <= end and begin <= each.end + after[each.what]
        for each in disturbances
        if each.what in after
    )


def of_promises(balance: Balance) -> list[Finding]:
    """Loss decides, and so does a duplicate that nothing explains."""
    told = "; ".join(f"{count}: {why}" for why, count in sorted(balance.duplicates.items())) or "none"
    return [
        Finding(
            "accepted recipients without the message or a report",
            f"{len(balance.missing)} of {balance.recipients}",
            "0",
            not balance.missing and balance.promised > 0,
        ),
        Finding("messages that came with another body", str(len(balance.broken)), "0", not balance.broken),
        Finding("messages under another id", str(len(balance.strange)), "0", not balance.strange),
        Finding("duplicates that can be explained", told, "told", holds=True, decides=False),
        Finding("duplicates that cannot", str(len(balance.unexplained)), "0", not balance.unexplained),
    ]


def of_refusals(refusals: Sequence[Refusal], disturbances: Sequence[Disturbance]) -> list[Finding]:
    """A member is refused, or cut off, by a kill and a full disk only; for good, by nothing."""
    good = [each for each in refusals if not each.client.startswith("aborter")]
    for_good = [each for each in good if each.code >= 500]
    unexplained = [each for each in good if not is_disturbed(each.at - 1.0, each.at, disturbances)]
    return [
        Finding("members refused for good", str(len(for_good)), "0", not for_good),
        Finding(
            "members refused or cut off in undisturbed moments",
            f"{len(unexplained)} ({len(good)} in all)",
            "0",
            not unexplained,
        ),
    ]


def of_latency(sent: Sequence[Sent], disturbances: Sequence[Disturbance]) -> list[Finding]:
    """Of the steady member."""
    taken = [
        one for one in sent if one.code == 250 and not is_disturbed(one.at, one.at + one.whole, disturbances)
    ]
    times = [one.whole for one in taken]
    p99 = percentile(times, 0.99)
    return [
        Finding(
            f"{NAME.lower()} member, whole transaction: p50, p99",
            f"{_ms(percentile(times, 0.5))}, {_ms(p99)}",
            f"p99 under {LATENCY_P99:g} s",
            bool(taken) and p99 < LATENCY_P99,
        ),
        flat("its median", [(one.at, one.whole) for one in taken], LATENCY, _ms),
    ]


def of_processes(samples: Sequence[Sample], names: Iterable[str], *, memory: bool) -> list[Finding]:
    """Memory and descriptors, of each process since it was last replaced."""
    found = []
    for name in names:
        last = samples[-1].processes[name].pid
        lived = [
            (one.at, one.processes[name])
            for one in samples
            if name in one.processes and one.processes[name].pid == last
        ]
        found.append(
            flat(f"{name}: descriptors", [(at, one.descriptors) for at, one in lived], DESCRIPTORS, _count)
        )
        found.append(
            flat(f"{name}: memory (PSS)", [(at, one.pss) for at, one in lived], MEMORY, _mib, decides=memory)
        )
    return found


def of_rest(before: Sample, after: Sample, names: Iterable[str]) -> list[Finding]:
    """When all have gone, what they had comes back."""
    found = []
    for name in names:
        was, now = before.processes[name].descriptors, after.processes[name].descriptors
        found.append(
            Finding(
                f"{name}: descriptors at rest, before and after",
                f"{was}, {now}",
                f"at most {DESCRIPTORS[1]:g} more",
                now <= was + DESCRIPTORS[1],
            )
        )
    return found


def _ms(seconds: float) -> str:
    return f"{seconds * 1_000:.0f} ms"


def _mib(kib: float) -> str:
    return f"{kib / 1_024:.1f} MiB"


def _count(value: float) -> str:
    return f"{value:.0f}"
