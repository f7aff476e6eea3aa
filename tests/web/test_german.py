"""The pages in German: nothing of English is left on them, and every stage of a story is told in it."""

from __future__ import annotations

import functools
import html
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser

import msgspec
import pytest

from sams.activity.explaining.stages import Stage, for_strangers
from sams.activity.explaining.words import WORDS, told
from sams.config.offered import MailServer
from sams.web.languages import read_languages
from sams.web.link import ServiceUnreachable
from sams.web.programs.table import PROGRAMS
from sams.web.site import Brand
from tests.activity.explaining.examples import all_stages, all_stories
from tests.web.client import Client
from tests.web.markup import VOID
from tests.web.rig import HOST, ScriptedLink, pages
from tools.translations import collect

(GERMAN,) = read_languages(("de",))
TRANSLATE = GERMAN.texts.gettext
BRAND = Brand("Universität Beispiel", "Beispiel", "Uni-Konto", help_mail="hilfe@beispiel.example")
IMPLICIT = MailServer("smtp", HOST, 465, "implicit")
STARTTLS = MailServer("smtp", HOST, 2525, "starttls", "local-part")
SITES: dict[str, dict[str, object]] = {
    "usual": {},
    "sending alone, a login": {
        "user_name": "login",
        "outgoing": (MailServer("smtp", HOST, 587, "starttls", "login"), IMPLICIT),
        "incoming": (),
        "brand": Brand("Beispiel", "Beispiel"),
    },
    "POP3, two user names": {
        "user_name": "local-part",
        "outgoing": (STARTTLS,),
        "incoming": (MailServer("pop3", "pop.beispiel.example", 995, "implicit"),),
    },
}
PATHS = (
    *("/", "/?system=ios", "/?system=android", "/?system=windows", "/?system=macos", "/?system=linux"),
    *("/settings", "/programs", "/doctor", "/doctor/watch?since=0", "/probe", "/sign-in", "/nowhere"),
    *(f"/programs/{program.slug}" for program in PROGRAMS),
)
_SPOKEN = re.compile(r"aria-label|alt|title|placeholder|data-(done|live|lost|over|full|new)")
"""Attributes that somebody reads or hears."""
_UNREAD = frozenset({"code", "pre", "script", "style"})
_ENGLISH = re.compile(
    r"(?!The Bat!)\b(the|and|your|with|this|that|these|where|which|what|are|you|it|its|not|to|of|or)\b",
    re.IGNORECASE,
)
"""Words that no German text has, nor a name of the example's."""
_PLACE = re.compile(r"%\([a-z_]+\)s|\{[a-z_]+\}|[\[\]]")
_TAG = re.compile(r"<[^>]+>")


class _Reader(HTMLParser):
    """What is read or heard of a page but code, and what says by `lang` that it is in another language."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._silent: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name: value or "" for name, value in attrs}
        if not self._is_silent():
            self.found += [value for name, value in names.items() if _SPOKEN.fullmatch(name)]
        if tag not in VOID:
            is_foreign = tag != "html" and names.get("lang", "de") != "de"
            self._silent.append(tag in _UNREAD or is_foreign)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not self._is_silent():
            self.found.append(data)

    def _is_silent(self) -> bool:
        return any(self._silent)


def read(page: str) -> list[str]:
    """The pieces of a page's text, with single blanks."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return [" ".join(piece.split()) for piece in reader.found if piece.strip()]


@functools.cache
def english() -> tuple[str, ...]:
    """What of the texts is English and longer than three words, without places, parts and marks."""
    pieces = (piece for message in collect() if isinstance(message.id, str) for piece in _pieces(message.id))
    return tuple(sorted({piece for piece in pieces if len(piece.split()) > 3}))


def _pieces(text: str) -> Iterator[str]:
    for piece in _PLACE.split(_TAG.sub("\0", text)):
        for part in piece.split("\0"):
            yield " ".join(html.unescape(part).split())


def untranslated(page: str) -> list[str]:
    """The texts that stand on a page as they do in the source."""
    whole = " ".join(read(page))
    return [text for text in english() if text in whole]


def rest_of_english(page: str) -> list[str]:
    """The same, and pieces of a page that were never marked as texts."""
    return untranslated(page) + [piece for piece in read(page) if _ENGLISH.search(piece)]


def visitor(link: ScriptedLink | None = None, site: str = "usual") -> Client:
    """Somebody who reads German, at a site with a German name."""
    return Client(pages(link, **{"brand": BRAND, **SITES[site]}), headers={"accept-language": "de"})


def test_english_is_found_where_it_is_left() -> None:
    page = Client(pages(brand=BRAND)).get("/programs/thunderbird").text
    assert "Thunderbird finds all settings by itself." in untranslated(page)
    assert "Copy: server" in read(page)
    assert rest_of_english("<p>Not marked</p>") == ["Not marked"]
    assert rest_of_english('<p>Gut <code>to</code> <span lang="en">the words</span> so</p>') == []


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("path", PATHS)
def test_no_page_has_english_left(path: str, site: str) -> None:
    answer = visitor(site=site).get(path)
    assert answer.headers["content-language"] == "de"
    assert rest_of_english(answer.text) == []


def test_what_a_visitor_does_wrong_and_what_fails_is_said_in_german() -> None:
    link = ScriptedLink()
    asking = visitor(link)
    wrong = asking.post("/sign-in", {"login": "alice", "password": "wrong"}).text
    assert "Benutzername oder Passwort ist falsch." in wrong
    link.failure = ServiceUnreachable(
        "The mail service does not answer just now. Please try again in a minute.", ""
    )
    down = asking.get("/doctor/watch?since=0").text
    assert "Der Maildienst antwortet gerade nicht." in down
    also_down = asking.post("/sign-in", {"login": "alice", "password": "correct horse"}).text
    assert [rest_of_english(page) for page in (wrong, down, also_down)] == [[], [], []]


def test_what_is_refused_before_there_is_a_page_is_refused_in_german() -> None:
    asking = visitor()
    large, foreign = (
        asking.get("/?" + "x" * 3_000),
        asking.post("/sign-in", {}, origin="https://evil.example"),
    )
    assert (large.status, foreign.status) == (414, 403)
    assert [rest_of_english(answer.text) for answer in (large, foreign)] == [[], []]
    assert large.headers["content-language"] == foreign.headers["content-language"] == "de"


def test_the_doctor_tells_strangers_and_members_in_german() -> None:
    now = time.time()
    stories = tuple(msgspec.structs.replace(one, begun=now) for one in all_stories())
    link = ScriptedLink(
        of_address=lambda _address, _since: tuple(for_strangers(one) for one in stories),
        of_member=lambda _login, _since: stories,
    )
    asking = visitor(link)
    page = asking.get("/doctor/watch?since=0").text
    assert page.count("<article") == len(stories)
    assert untranslated(page) == []
    asking.post("/sign-in", {"login": "alice", "password": "correct horse"})
    for path in ("/doctor", "/doctor/watch?since=0"):
        page = asking.get(path).text
        assert "Sie sind angemeldet" in page
        assert untranslated(page) == []


@pytest.mark.parametrize("kind", [*WORDS, "of another version"])
def test_every_kind_of_stage_has_words_of_its_own_in_german(kind: str) -> None:
    stages = [stage for stage in all_stages() if stage.kind == kind] or [Stage(0.0, kind)]
    for stage in stages:
        for anonymous in (False, True):
            english_words, german = (
                told(stage, translate=translate, anonymous=anonymous) for translate in (str, TRANSLATE)
            )
            assert german.sentence != english_words.sentence
            assert german.remedy != english_words.remedy or not english_words.remedy
            assert german.tone is english_words.tone
            assert not set("{}[]?") & set(german.sentence + german.remedy)
            assert german.sentence.endswith(".")
            assert ".." not in german.sentence.replace("…", "")
