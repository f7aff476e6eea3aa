from __future__ import annotations

from xml.etree import ElementTree as ET

from benchmarks.compare.chart import chart
from tests.benchmarks.samples import result

SVG = "{http://www.w3.org/2000/svg}"
RESULTS = [
    result("postfix:tuned", cpu=8.0, delivered=170.0),
    result("sams:default", cpu=2.0, delivered=510.0),
    result("floor:bare", cpu=0.5, delivered=900.0),
]


def bars(text: str) -> dict[str, float]:
    """The lengths of the bars by their titles."""
    rects = ET.fromstring(text).iter(f"{SVG}rect")  # noqa: S314 - made a line before
    return {rect[0].text or "": float(rect.attrib["width"]) for rect in rects if len(rect)}


def test_a_bar_is_as_long_as_its_value_beside_the_longest_of_its_panel() -> None:
    lengths = bars(chart(RESULTS))
    assert len(lengths) == 6
    assert lengths["fresh-c16, postfix:tuned: 8.00"] == 4 * lengths["fresh-c16, sams:default: 2.00"]
    assert lengths["fresh-c16, floor:bare: 900"] == lengths["fresh-c16, postfix:tuned: 8.00"]


def test_it_has_a_name_and_a_description_that_holds_every_figure() -> None:
    root = ET.fromstring(chart(RESULTS))  # noqa: S314 - made in the same line
    named = root.attrib["aria-labelledby"].split()
    title, description = (root.find(f"*[@id='{name}']") for name in named)
    assert root.attrib["role"] == "img"
    assert title is not None
    assert title.text
    assert description is not None
    assert description.text is not None
    for figure in ("sams:default 2.00", "postfix:tuned 170", "floor:bare 0.50"):
        assert figure in description.text


def test_what_sams_is_to_reach_beside_postfix_is_marked() -> None:
    paths = ET.fromstring(chart(RESULTS)).iter(f"{SVG}path")  # noqa: S314 - made in the same line
    assert [path[0].text for path in paths] == ["to reach: 2.00"]  # no goal for messages/s at 16 clients


def test_its_colours_follow_the_preference_for_dark() -> None:
    assert "@media (prefers-color-scheme: dark)" in chart(RESULTS)


def test_names_are_escaped_and_nothing_is_drawn_for_nothing() -> None:
    lengths = bars(chart([result("<x>&:y", cpu=0.0), result("sams:default", "idle", cpu=3.0)]))
    assert list(lengths) == ["fresh-c16, <x>&:y: 100"]
