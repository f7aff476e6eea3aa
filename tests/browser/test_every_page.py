"""Every page in a real browser: readable by everybody, on every width, in the dark, and without scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page, expect
from starlette.types import ASGIApp

from sams.web.programs.table import PROGRAMS
from tests.browser.conftest import OpenWindow, Served
from tests.web.rig import pages

pytestmark = pytest.mark.real

PATHS = [
    "/",
    "/?system=ios",
    "/settings",
    "/programs",
    "/doctor",
    "/doctor/watch?since=0",
    "/probe",
    "/nowhere",
    *(f"/programs/{program.slug}" for program in PROGRAMS),
]
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def site(serve: Callable[[Callable[[str], ASGIApp]], Served]) -> str:
    """The example site."""
    return serve(lambda url: pages(url=url)).url


def complaints_of_axe(page: Page, rules: dict[str, object]) -> list[str]:
    """What axe-core finds wrong, a line each."""
    found = page.evaluate("rules => axe.run(document, rules)", rules)
    return [
        f"{one['id']}: {one['help']}: {node['html']}" for one in found["violations"] for node in one["nodes"]
    ]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_can_be_used_by_everybody_and_fits_every_width(
    open_window: OpenWindow, site: str, path: str
) -> None:
    window = open_window()
    page = window.page
    page.goto(site + path)
    page.evaluate(AXE.read_text())
    assert complaints_of_axe(page, {"runOnly": _RULES}) == []
    page.emulate_media(color_scheme="dark")
    assert complaints_of_axe(page, {"runOnly": {"type": "rule", "values": ["color-contrast"]}}) == []
    for width in (1100, 390, 320):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
    assert [text for text in window.complaints if "404" not in text] == []


def test_every_page_has_its_content_in_german_and_without_scripts(open_window: OpenWindow, site: str) -> None:
    """Its long words fit the narrowest width too."""
    page = open_window(scripts=False, width=320, locale="de-DE").page
    for path in PATHS:
        page.goto(site + path)
        assert page.locator("html").get_attribute("lang") == "de"
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        assert page.locator("h1").inner_text()
        assert not page.locator("button.copy").first.is_visible()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(open_window: OpenWindow, site: str) -> None:
    window = open_window()
    window.page.goto(site + "/settings")
    window.page.keyboard.press("Tab")
    assert window.page.evaluate("document.activeElement.className") == "skip"
    assert window.page.locator(".skip").is_visible()
    seen = set()
    for _ in range(60):
        window.page.keyboard.press("Tab")
        outline = window.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        place = window.page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
        if window.page.evaluate("document.activeElement === document.body"):
            break
        assert outline != "none", place
        seen.add(place)
    assert len(seen) >= window.page.locator("a:visible, button:visible").count() - 1


def test_a_value_is_copied_by_its_button(open_window: OpenWindow, site: str) -> None:
    window = open_window(permissions=["clipboard-read", "clipboard-write"])
    window.page.goto(site + "/settings")
    button = window.page.locator("button.copy").first
    button.click()
    expect(button).to_have_text("Copied")
    assert window.page.evaluate("navigator.clipboard.readText()") == "smtp-auth.example.ac.uk"


def test_a_browser_runs_no_script_that_is_not_ours(open_window: OpenWindow, site: str) -> None:
    window = open_window()
    window.page.goto(site + "/settings")
    window.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.broken = 1\">')"
    )
    window.page.evaluate("() => new Promise(done => setTimeout(done, 200))")
    assert window.page.evaluate("window.broken") is None
    assert any("Content Security Policy" in text for text in window.complaints)
