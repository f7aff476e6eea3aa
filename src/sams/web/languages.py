"""The languages of the pages: catalogues of gettext, and which one a visitor reads.

Texts are in English where they are used; `locale/LANGUAGE/LC_MESSAGES/sams.po` translates them. A catalogue is read
when the process starts, so that no compiled file can be older than its source.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from starlette.requests import Request

LOCALE = Path(__file__).parent / "locale"
NAMES = {"en": "English", "de": "Deutsch"}
"""Each language in itself."""
COOKIE = "lang"
_MOST_WISHES = 20


@dataclass(frozen=True, slots=True)
class Language:
    """One language of the pages. tag: as in HTML. name: in itself. texts: its catalogue."""

    tag: str
    name: str
    texts: gettext.NullTranslations


def read_languages(tags: Sequence[str]) -> tuple[Language, ...]:
    """The languages of these tags, in their order.

    Raises:
        OSError: one has no catalogue.
    """
    return tuple(Language(tag, NAMES[tag], _catalogue(tag)) for tag in tags)


def _catalogue(tag: str) -> gettext.NullTranslations:
    if tag == "en":
        return gettext.NullTranslations()
    with (LOCALE / tag / "LC_MESSAGES" / "sams.po").open("rb") as source:
        catalog = read_po(source, locale=tag, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def choose(request: Request, languages: Sequence[Language]) -> Language:
    """What the visitor reads: as the address says, as chosen before, as the browser asks for, or the default."""
    known = {language.tag: language for language in languages}
    said = (request.query_params.get("lang", ""), request.cookies.get(COOKIE, ""))
    wishes = (*said, *accepted(request.headers.get("accept-language", "")))
    return next((known[tag] for tag in wishes if tag in known), languages[0])


def accepted(field: str) -> Iterable[str]:
    """The languages of an Accept-Language field (RFC 9110 section 12.5.4), the most wanted first, without regions."""
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(field[:1_000].split(",")[:_MOST_WISHES]):
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter)
        if weight > 0 and tag:
            wishes.append((-weight, place, tag.partition("-")[0].strip().lower()))
    return [tag for _, _, tag in sorted(wishes)]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return max(0.0, min(float(value), 1.0))
    except ValueError:
        return 0.0


def offered(request: Request, languages: Sequence[Language], now: str) -> list[Mapping[str, str]]:
    """The choice at the head of a page: the others, each with the address of this page in it."""
    query = {name: value for name, value in request.query_params.items() if name != "lang"}
    return [
        {
            "tag": one.tag,
            "name": one.name,
            "url": str(request.url.replace_query_params(**query, lang=one.tag).query),
        }
        for one in languages
        if one.tag != now
    ]
