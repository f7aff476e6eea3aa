"""Whose settings are asked for."""

from __future__ import annotations

import pytest

from sams.web.setup_files.asked import Refused, asked_address, asked_name
from tests.web.setup_files.sites import site


@pytest.mark.parametrize(
    "text",
    [
        "alice@example.ac.uk",
        " alice@example.ac.uk\n",
        "alice@EXAMPLE.ac.UK",
        "alice@münchen.example",
        "alice@xn--mnchen-3ya.example",
        "jürgen@example.ac.uk",
        '"a b"@example.ac.uk',
        "nobody-has-this@example.ac.uk",
    ],
)
def test_an_address_in_a_domain_of_the_organisation_is_taken_whoever_has_it(text: str) -> None:
    assert asked_address(site(), text) is not None


@pytest.mark.parametrize("text", ["", " ", "\r\n"])
def test_no_address_is_no_mistake(text: str) -> None:
    assert asked_address(site(), text) is None


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("alice", 400),
        ("@example.ac.uk", 400),
        ("alice@", 400),
        ("a" * 65 + "@example.ac.uk", 400),
        ("alice@" + "a." * 200 + "uk", 400),
        ("alice\r\nX: y@example.ac.uk", 400),
        ("alice\x00@example.ac.uk", 400),
        ("alice@exam\udcffple.ac.uk", 400),
        ("alice@example.com", 404),
        ("alice@sub.example.ac.uk", 404),
        ("alice@example.ac.uk.evil.example", 404),
        ("alice@[127.0.0.1]", 404),
    ],
)
def test_everything_else_is_refused_with_words_on_one_line(text: str, status: int) -> None:
    with pytest.raises(Refused) as caught:
        asked_address(site(), text)
    assert caught.value.status == status
    assert caught.value.text.isprintable()
    assert len(caught.value.text) < 400


def test_a_foreign_domain_is_told_which_ones_there_are() -> None:
    with pytest.raises(
        Refused, match=r"example\.com is no mail domain of this service\. Its domains: example\.ac\.uk"
    ):
        asked_address(site(), "alice@example.com")


def test_a_name_has_no_control_characters_and_an_end() -> None:
    assert asked_name(" Alice Liddell ") == "Alice Liddell"
    assert asked_name("") == ""
    for name in ("a\nb", "a\u202eb", "a" * 101):
        with pytest.raises(Refused):
            asked_name(name)
