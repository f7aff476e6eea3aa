"""The languages of the pages: what a browser asks for, what was chosen, and the texts that are there."""

from __future__ import annotations

import pytest

from sams.web.languages import accepted, read_languages
from tests.web.client import Client
from tests.web.rig import pages


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("", []),
        ("de", ["de"]),
        ("de-AT,de;q=0.9,en;q=0.8", ["de", "de", "en"]),
        ("en;q=0.3, de;q=0.7", ["de", "en"]),
        ("fr;q=0, de", ["de"]),
        ("de;q=much, en", ["en"]),
        ("*;q=0.5", ["*"]),
        (";;;,,,", []),
        ("de;q=nan, en;q=0.1", ["en"]),
        ("DE", ["de"]),
    ],
)
def test_a_browser_is_given_what_it_wants_most(field: str, wanted: list[str]) -> None:
    assert list(accepted(field)) == wanted


def test_a_field_of_any_length_costs_no_more_than_a_short_one() -> None:
    assert len(list(accepted("de," * 100_000))) <= 20


def test_a_page_is_in_the_browsers_language_and_says_so() -> None:
    visitor = Client(pages())
    german = visitor.get("/", accept_language="de-CH, en;q=0.5")
    assert german.headers["content-language"] == "de"
    assert '<html lang="de">' in german.text
    assert visitor.get("/", accept_language="fr").headers["content-language"] == "en"


def test_the_first_language_of_the_site_is_for_who_asks_for_none() -> None:
    assert Client(pages(languages=("de", "en"))).get("/").headers["content-language"] == "de"


def test_a_choice_is_kept_and_wins_over_the_browser() -> None:
    visitor = Client(pages(), headers={"accept-language": "en"})
    assert visitor.get("/?lang=de").headers["content-language"] == "de"
    assert visitor.get("/settings").headers["content-language"] == "de"
    assert visitor.get("/settings?lang=en").headers["content-language"] == "en"
    assert visitor.get("/").headers["content-language"] == "en"


def test_a_language_that_there_is_not_is_passed_over_and_not_kept() -> None:
    visitor = Client(pages())
    assert visitor.get("/?lang=../../etc").headers["content-language"] == "en"
    assert visitor.cookies == {}


def test_the_other_language_is_offered_with_the_rest_of_the_address() -> None:
    assert "?system=macos&amp;lang=de" in Client(pages()).get("/?system=macos").text


def test_a_language_without_a_catalogue_is_no_language() -> None:
    with pytest.raises((OSError, KeyError)):
        read_languages(("xx",))
