"""Templates to pages: the language of the visitor, the organisation's values, and nothing that is not escaped."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from sams.activity.explaining.verdicts import verdict
from sams.activity.explaining.words import Ports, told
from sams.config.offered import best_port
from sams.web.assets import Assets
from sams.web.languages import COOKIE, Language, choose, offered
from sams.web.programs.settings import Settings
from sams.web.site import Site
from sams.web.visitor import Visitor, address_of, system_of

TEMPLATES = Path(__file__).parent / "templates"
_YEAR = 31_536_000


@dataclass(frozen=True, slots=True)
class Renderer:
    """Makes pages. Templates see what `page` is given, `site`, `brand`, `settings`, `visitor` and `language`."""

    site: Site
    assets: Assets
    languages: tuple[Language, ...]
    environments: Mapping[str, Environment]

    def page(self, request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
        """One page, in the visitor's language."""
        language = choose(request, self.languages)
        html = self.fragment(
            request, template, others=offered(request, self.languages, language.tag), **values
        )
        fields = {"content-language": language.tag, "vary": "Accept-Language, Cookie"}
        answer = HTMLResponse(html, status, fields)
        if request.query_params.get("lang") == language.tag:
            secure = self.site.is_secure
            answer.set_cookie(COOKIE, language.tag, _YEAR, secure=secure, httponly=True, samesite="lax")
        return answer

    def fragment(self, request: Request, template: str, **values: object) -> str:
        """A part of a page."""
        language = choose(request, self.languages)
        found = self.environments[language.tag].get_template(template)
        return found.render(visitor=self.visitor(request), language=language, path=request.url.path, **values)

    def visitor(self, request: Request) -> Visitor:
        """Who asks."""
        language = choose(request, self.languages)
        return Visitor(address_of(request), system_of(request.headers.get("user-agent", "")), language.tag)

    def translate(self, request: Request) -> Callable[[str], str]:
        """For texts that stand in the code (`core.translatable`)."""
        return choose(request, self.languages).texts.gettext


def make_renderer(site: Site, assets: Assets, languages: tuple[Language, ...]) -> Renderer:
    """The renderer of a site: an environment for each of its languages."""
    return Renderer(site, assets, languages, {one.tag: _environment(site, assets, one) for one in languages})


def _environment(site: Site, assets: Assets, language: Language) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(language.texts, newstyle=True)  # type: ignore[attr-defined]  # of the extension
    ports = Ports(best_port(site.outgoing, "implicit"), best_port(site.outgoing, "starttls"))
    environment.globals.update(
        site=site,
        brand=site.brand,
        settings=Settings(site),
        asset=assets.url,
        absolute=lambda path: f"{site.url}{path}",
        qr=qr_code,
        told=partial(told, translate=language.texts.gettext, when=_until, ports=ports),
        verdict=verdict,
        clock=_clock,
        moment=_moment,
    )
    environment.filters["spaced"] = _spaced
    return environment


def qr_code(text: str) -> Markup:
    """A QR code as an SVG element whose colours are its style sheet's, without any style in it."""
    svg = segno.make(text, error="m").svg_inline(
        border=2, svgclass="qr", lineclass=None, omitsize=True, dark="#000", light="#fff"
    )
    return Markup(svg)  # noqa: S704 - made by segno of squares; the text itself is not in it


def _spaced(text: str) -> Markup:
    """A long name that may be broken at its dots and at signs on a narrow screen."""
    parts = re.split(r"(?<=[.@:/-])", text)
    return Markup("<wbr>").join(parts)


def _clock(at: float) -> str:
    """UNIX seconds as a time of the day of the service; scripts show it in the visitor's own zone."""
    return dt.datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def _until(at: float) -> str:
    """A time in a sentence, which no script puts into the visitor's zone: with its zone, and its day if not today."""
    then, today = dt.datetime.fromtimestamp(at).astimezone(), dt.datetime.now().astimezone().date()
    return then.strftime("%H:%M:%S %Z" if then.date() == today else "%Y-%m-%d %H:%M:%S %Z")


def _moment(at: float) -> str:
    """The same for programs (RFC 3339)."""
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="seconds")
