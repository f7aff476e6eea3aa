"""The organisation's colour can be read on every page, whatever it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sams.web.assets import STATIC, brand_style
from sams.web.colours import DUSK, NIGHT, PAPER, READABLE, WHITE, accents, contrast
from sams.web.site import Brand

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(COLOURS)
def test_every_colour_is_made_readable_on_both_backgrounds_and_under_text(colour: str) -> None:
    found = accents(colour)
    assert all(contrast(found.light, background) >= READABLE for background in (WHITE, PAPER))
    assert all(contrast(found.dark, background) >= READABLE for background in (NIGHT, DUSK))
    assert contrast(found.light, found.on_light) >= READABLE
    assert contrast(found.dark, found.on_dark) >= READABLE


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    assert accents("#1f5fa8").light == "#1f5fa8"


def test_contrast_is_that_of_the_standard() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21.0
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54


def test_the_style_sheet_has_the_backgrounds_that_the_colours_are_measured_against() -> None:
    style = (STATIC / "sams.css").read_text()
    assert f"--back: {WHITE}; --raised: {PAPER}" in style
    assert f"--back: {NIGHT}; --raised: {DUSK}" in style


def test_the_brands_style_holds_nothing_but_colours() -> None:
    style = brand_style(Brand("</style><script>", "x", colour="#c00000"))
    assert "script" not in style
    assert style.count("--accent:") == 2
