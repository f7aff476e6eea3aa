"""The picture of a soak, as an SVG: five panels over one time, and behind them what was done to the service.

Text is text, and the colours follow the reader's light or dark preference, as in the benchmarks' chart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.sax.saxutils import escape

from tests.soak.ledger import Disturbance
from tests.soak.sampling import Sample
from tests.soak.steady import Sent
from tests.soak.verdict import Points, percentile

_WIDTH, _LEFT, _RIGHT = 1_000, 70, 130
_PANEL, _HEAD, _FOOT = 120, 30, 26
_MOST_POINTS = 600
_NAMES = 'xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title description"'
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .head { font-weight: 600; font-size: 13px; }
  .soft { fill: #59636e; }
  .page { fill: #ffffff; }
  .axis { stroke: #d1d9e0; fill: none; }
  .line { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
  .c0 { stroke: #0969da; } .c1 { stroke: #bf8700; } .c2 { stroke: #8250df; }
  .t0 { fill: #0969da; } .t1 { fill: #9a6700; } .t2 { fill: #8250df; }
  .hop { fill: #ffd8b5; } .disk { fill: #ffc1c1; }
  .kill { stroke: #cf222e; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .soft { fill: #9198a1; }
    .page { fill: #0d1117; }
    .axis { stroke: #30363d; }
    .c0 { stroke: #4493f8; } .c1 { stroke: #d29922; } .c2 { stroke: #ab7df8; }
    .t0 { fill: #4493f8; } .t1 { fill: #d29922; } .t2 { fill: #ab7df8; }
    .hop { fill: #4a2d14; } .disk { fill: #5c1f1f; }
    .kill { stroke: #f85149; }
  }
"""


class Line(NamedTuple):
    """A quantity over time, seconds since the beginning."""

    name: str
    points: Points


class Panel(NamedTuple):
    """Lines with one scale. show: a number of the axis in words."""

    head: str
    lines: Sequence[Line]
    show: Callable[[float], str]


@dataclass
class _Canvas:
    seconds: float
    drawn: list[str] = field(default_factory=list)
    top: int = 0

    def x(self, at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / max(self.seconds, 1.0)

    def text(self, x: float, y: float, words: str, style: str = "", anchor: str = "start") -> None:
        self.drawn.append(
            f'<text x="{x:.0f}" y="{y:.0f}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>'
        )


def plot(title: str, panels: Sequence[Panel], disturbances: Sequence[Disturbance], began: float) -> str:
    """The whole picture. began: UNIX seconds."""
    seconds = max(
        (line.points[-1][0] for panel in panels for line in panel.lines if line.points), default=1.0
    )
    canvas = _Canvas(seconds, top=_HEAD)
    canvas.text(_LEFT, 20, title, "head")
    _legend(canvas)
    for panel in panels:
        _draw(canvas, panel, disturbances, began)
    _times(canvas)
    height = canvas.top + 10
    description = ". ".join(f"{panel.head}: {_most(panel)}" for panel in panels)
    return "\n".join(
        [
            f'<svg {_NAMES} viewBox="0 0 {_WIDTH} {height}">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(description)}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="page" width="{_WIDTH}" height="{height}"/>',
            *canvas.drawn,
            "</svg>\n",
        ]
    )


def _legend(canvas: _Canvas) -> None:
    y = canvas.top + 10
    canvas.drawn.append(f'<rect class="hop" x="{_LEFT}" y="{y - 10}" width="14" height="12"/>')
    canvas.text(_LEFT + 19, y, "the next hop is in a bad mood", "soft")
    canvas.drawn.append(f'<rect class="disk" x="{_LEFT + 230}" y="{y - 10}" width="14" height="12"/>')
    canvas.text(_LEFT + 249, y, "the disk is full", "soft")
    canvas.drawn.append(f'<path class="kill" d="M{_LEFT + 370} {y - 11}v14"/>')
    canvas.text(_LEFT + 378, y, "a worker is killed", "soft")
    canvas.top += 20


def _most(panel: Panel) -> str:
    return ", ".join(
        f"{line.name} at most {panel.show(max(value for _, value in line.points))}"
        for line in panel.lines
        if line.points
    )


def _draw(canvas: _Canvas, panel: Panel, disturbances: Sequence[Disturbance], began: float) -> None:
    canvas.top += 18
    canvas.text(_LEFT, canvas.top - 5, panel.head, "head")
    _behind(canvas, disturbances, began)
    top = max((value for line in panel.lines for _, value in line.points), default=0.0) * 1.08 or 1.0
    bottom = canvas.top + _PANEL
    for part in (0.0, 0.5, 1.0):
        y = bottom - _PANEL * part
        canvas.drawn.append(f'<path class="axis" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        canvas.text(_LEFT - 6, y + 4, panel.show(top * part), "soft", "end")
    ends = _label_heights([_end(line, top, bottom) for line in panel.lines])
    for number, line in enumerate(panel.lines):
        points = " ".join(
            f"{canvas.x(at):.1f},{bottom - _PANEL * value / top:.1f}" for at, value in _fewer(line.points)
        )
        canvas.drawn.append(f'<polyline class="line c{number}" points="{points}"/>')
        canvas.text(_WIDTH - _RIGHT + 8, ends[number] + 4, line.name, f"t{number}")
    canvas.top = bottom + 12


def _end(line: Line, top: float, bottom: float) -> float:
    return bottom - _PANEL * (line.points[-1][1] / top if line.points else 0.0)


def _label_heights(wanted: Sequence[float]) -> list[float]:
    """As near as they can be, 14 apart at least, the lowest first."""
    placed = dict.fromkeys(range(len(wanted)), 0.0)
    free = float("inf")
    for number in sorted(placed, key=lambda one: -wanted[one]):
        free = placed[number] = min(wanted[number], free)
        free -= 14
    return [placed[number] for number in range(len(wanted))]


def _behind(canvas: _Canvas, disturbances: Sequence[Disturbance], began: float) -> None:
    styles = {"hop": "hop", "full disk": "disk"}
    for each in disturbances:
        x = canvas.x(each.begin - began)
        if each.what in styles:
            width = max(1.0, canvas.x(each.end - began) - x)
            canvas.drawn.append(
                f'<rect class="{styles[each.what]}" x="{x:.1f}" y="{canvas.top}" width="{width:.1f}" '
                f'height="{_PANEL}"><title>{escape(f"{each.what} {each.detail}")}</title></rect>'
            )
        elif each.what == "kill":
            canvas.drawn.append(
                f'<path class="kill" d="M{x:.1f} {canvas.top}v{_PANEL}"><title>{escape(each.detail)} is killed'
                "</title></path>"
            )


def _times(canvas: _Canvas) -> None:
    minutes = canvas.seconds / 60
    step = next((step for step in (0.5, 1, 2, 5, 10, 20, 30, 60) if minutes / step <= 12), 120)
    at = 0.0
    while at <= minutes:
        canvas.text(canvas.x(at * 60), canvas.top + 4, f"{at:g} min", "soft", "middle")
        at += step
    canvas.top += _FOOT - 12


def _fewer(points: Points) -> Iterator[tuple[float, float]]:
    """Of many points the highest of each few: a peak stays."""
    width = max(1, len(points) // _MOST_POINTS)
    for start in range(0, len(points), width):
        yield max(points[start : start + width], key=lambda point: point[1])


def panels_of(samples: Sequence[Sample], sent: Sequence[Sent], began: float) -> list[Panel]:
    """What a soak shows."""
    names = list(dict.fromkeys(name for sample in samples for name in sample.processes))

    def each(value: Callable[[Sample, str], float]) -> list[Line]:
        return [
            Line(name, [(one.at - began, value(one, name)) for one in samples if name in one.processes])
            for name in names
        ]

    return [
        Panel("Memory (PSS), MiB", each(lambda one, name: one.processes[name].pss / 1_024), _number),
        Panel("Descriptors", each(lambda one, name: one.processes[name].descriptors), _number),
        Panel(
            "Recipients that wait",
            [Line("queue", [(one.at - began, one.queued) for one in samples if one.queued is not None])],
            _number,
        ),
        Panel(
            "A good member's transaction, ms, of each 10 s (fresh connection)", _latency(sent, began), _number
        ),
        Panel("Messages accepted a second", [Line("accepted", _rate(samples, began))], _number),
    ]


def _latency(sent: Sequence[Sent], began: float, width: float = 10.0) -> list[Line]:
    gathered: dict[int, list[float]] = {}
    for one in sent:
        if one.code == 250:
            gathered.setdefault(int((one.at - began) // width), []).append(one.whole * 1_000)
    ordered = sorted(gathered.items())
    return [
        Line(
            f"p{part * 100:g}",
            [((number + 0.5) * width, percentile(times, part)) for number, times in ordered],
        )
        for part in (0.5, 0.99)
    ]


def _rate(samples: Sequence[Sample], began: float, width: int = 10) -> list[tuple[float, float]]:
    pairs = zip(samples[::width], samples[width::width], strict=False)
    return [
        (later.at - began, (later.accepted - earlier.accepted) / max(0.1, later.at - earlier.at))
        for earlier, later in pairs
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
