"""The bar chart: CPU and delivered messages of each target, and what SAMS is to reach, as an SVG.

Text is text, each bar has a title, and the colours follow the reader's light or dark preference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from benchmarks.compare.goals import GOALS, POSTFIX, QUANTITIES, SUBJECT
from benchmarks.compare.report import Medians, medians
from benchmarks.compare.results import Result

_PANELS = (("cpu", "lower is better"), ("delivered", "higher is better"))
_WIDTH, _LABEL, _ROOM = 760, 200, 90
_BAR, _GAP, _HEAD = 16, 10, 26
_NAMES = 'xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title description"'
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .head { font-weight: 600; }
  .soft { fill: #59636e; }
  .page { fill: #ffffff; }
  .bar { fill: #8c959f; }
  .sams { fill: #0969da; }
  .floor { fill: #bf8700; }
  .goal { stroke: #cf222e; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .soft { fill: #9198a1; }
    .page { fill: #0d1117; }
    .bar { fill: #656c76; }
    .sams { fill: #4493f8; }
    .floor { fill: #d29922; }
    .goal { stroke: #f85149; }
  }
"""


class _Bar(NamedTuple):
    target: str
    scenario: str
    value: float
    goal: float | None
    """What it is to be at most, or at least."""


def chart(results: Sequence[Result]) -> str:
    """The whole picture."""
    known, drawn, top = medians(results), [], _GAP
    for quantity, better in _PANELS:
        panel, top = _panel(
            f"{QUANTITIES[quantity].words} ({better}; a red line: to reach)",
            list(_bars(results, known, quantity)),
            top,
        )
        drawn += panel
    return "\n".join(
        [
            f'<svg {_NAMES} viewBox="0 0 {_WIDTH} {top}">',
            '<title id="title">SAMS beside its peers</title>',
            f'<desc id="description">{escape(_description(results, known))}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="page" width="{_WIDTH}" height="{top}"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def _bars(results: Iterable[Result], known: Medians, quantity: str) -> Iterator[_Bar]:
    """By scenario, then by target; without what has nothing to show."""
    seen = {(result.about.scenario, result.about.target): None for result in results}
    order = list(dict.fromkeys(scenario for scenario, _ in seen))
    for scenario, target in sorted(seen, key=lambda pair: order.index(pair[0])):
        value = known[target, scenario, quantity]
        if value > 0 and scenario != "idle":
            yield _Bar(target, scenario, value, _goal(known, target, scenario, quantity))


def _goal(known: Medians, target: str, scenario: str, quantity: str) -> float | None:
    """Beside tuned Postfix."""
    base = known.get((POSTFIX, scenario, quantity))
    wanted = (goal.limit for goal in GOALS if goal[:3] == (scenario, quantity, POSTFIX))
    limit = next(wanted, None) if target.startswith(SUBJECT) else None
    return None if base is None or limit is None else base * limit


def _description(results: Sequence[Result], known: Medians) -> str:
    """The same in words."""
    return ". ".join(
        f"{QUANTITIES[quantity].words}: "
        + ", ".join(f"{bar.scenario} {bar.target} {_value(bar)}" for bar in _bars(results, known, quantity))
        for quantity, _ in _PANELS
    )


def _value(bar: _Bar) -> str:
    return _number(bar.value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _panel(head: str, bars: Sequence[_Bar], top: int) -> tuple[list[str], int]:
    """The panel, and where the next one begins."""
    drawn, last = [_text(_GAP, top + 14, head, "head")], ""
    top += _HEAD
    longest = max((max(bar.value, bar.goal or 0) for bar in bars), default=1.0)
    for bar in bars:
        if bar.scenario != last:
            last = bar.scenario
            drawn.append(_text(_GAP, top + 14, last, "soft"))
            top += _HEAD - 4
        drawn += _draw(bar, longest, top)
        top += _BAR + 4
    return drawn, top + 2 * _GAP


def _draw(bar: _Bar, longest: float, top: int) -> Iterator[str]:
    scale = (_WIDTH - _LABEL - _ROOM) / longest
    width = max(1.0, bar.value * scale)
    kind = bar.target.partition(":")[0]
    style = f"bar {kind}" if kind in {"sams", "floor"} else "bar"
    title = escape(f"{bar.scenario}, {bar.target}: {_value(bar)}")
    yield _text(_GAP * 2, top + 13, bar.target)
    yield (
        f'<rect class="{style}" x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2">'
        f"<title>{title}</title></rect>"
    )
    if bar.goal is not None:
        x = _LABEL + bar.goal * scale
        yield (
            f'<path class="goal" d="M{x:.1f} {top - 1}v{_BAR + 2}">'
            f"<title>to reach: {_number(bar.goal)}</title></path>"
        )
    yield _text(_LABEL + max(width, (bar.goal or 0) * scale) + 6, top + 13, _value(bar))


def _text(x: float, y: int, words: str, style: str = "") -> str:
    chosen = f' class="{style}"' if style else ""
    return f'<text x="{x:.0f}" y="{y}"{chosen}>{escape(words)}</text>'
