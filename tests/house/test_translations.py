"""Each catalogue has every text, translated, with the same values and the same marks in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from babel.messages.catalog import Catalog, Message

from sams.config.web import Language, Web
from sams.web.languages import NAMES
from sams.web.setup_files import words
from tools.translations import LOCALE, collect, read, updated

LANGUAGES = sorted(path.name for path in LOCALE.iterdir() if path.is_dir())
_PLACES = re.compile(r"%\([a-z_]+\)s|\{[a-z_]+\}")
_TAGS = re.compile(r"</?[a-z]+[^>]*>")
_PARTS = re.compile(r"[\[\]]")

each_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def texts() -> Catalog:
    return collect()


def _messages(language: str) -> list[Message]:
    return [message for message in read(language) if message.id]


def test_texts_are_found_in_pages_and_in_code(texts: Catalog) -> None:
    found = {message.id for message in texts}
    assert "Set up mail" in found
    assert "The mail service does not answer just now. Please try again in a minute." in found
    assert len(found) > 300


def test_there_is_a_language_besides_english() -> None:
    assert LANGUAGES


def test_every_place_knows_the_same_languages() -> None:
    """What is to be done for one more: docs/admin/translations.md."""
    known = {"en", *LANGUAGES}
    assert set(get_args(Language)) == known
    assert set(NAMES) == known
    key = get_type_hints(Web, include_extras=True)["languages"].__metadata__[0]
    assert set(key.kind.read(sorted(known), Path())) == known
    for texts in (words.DOCUMENTATION, words.PROFILE_NAME, words.PROFILE_DESCRIPTION):
        assert set(texts) == known


@each_language
def test_a_catalogue_has_the_texts_that_there_are_and_no_others(language: str, texts: Catalog) -> None:
    path = Path(LOCALE, language, "LC_MESSAGES", "sams.po")
    assert path.read_bytes() == updated(language, texts), "run `make translations`"


@each_language
def test_every_text_is_translated(language: str) -> None:
    missing = [message.id for message in _messages(language) if not message.string or message.fuzzy]
    assert missing == []


@each_language
def test_a_translation_has_the_same_values_and_marks(language: str) -> None:
    """A value that is not there in another language, or a mark that does not end, would break a page."""
    for message in _messages(language):
        assert isinstance(message.id, str), "plurals need a test of their own"
        assert isinstance(message.string, str)
        for pattern in (_PLACES, _TAGS, _PARTS):
            assert sorted(pattern.findall(message.id)) == sorted(pattern.findall(message.string)), message.id


@each_language
def test_a_translation_ends_as_its_text_does(language: str) -> None:
    for message in _messages(language):
        assert isinstance(message.string, str)
        ends = {text[-1] for text in (str(message.id), message.string) if text[-1:] in {*".?!:…"}}
        assert len(ends) <= 1, message.id
