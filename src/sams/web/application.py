"""The pages as one ASGI application: routes, what each request passes, and what is said when something is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from structlog.typing import FilteringBoundLogger

from sams.core.clock import Clock, SystemClock
from sams.web.assets import Assets
from sams.web.bugs import Answer, Bugs
from sams.web.gate import Gate
from sams.web.headers import SecurityHeaders
from sams.web.languages import read_languages
from sams.web.limits import Buckets
from sams.web.link import Link
from sams.web.pages import downloads, front, programs, setup_files
from sams.web.pages.doctor import Doctor
from sams.web.pages.sign_in import SignIn
from sams.web.rendering import Renderer, make_renderer
from sams.web.site import Site
from sams.web.watching import Watching

BURST, PER_SECOND = 200.0, 5.0
"""Requests that a network may make at once, and how many come back each second."""


def make_application(
    site: Site, link: Link, log: FilteringBoundLogger | None = None, clock: Clock | None = None
) -> Starlette:
    """All pages of a site.

    link: how the service is asked. log: for what goes wrong here.
    """
    clock = clock or SystemClock()
    assets = Assets(site.brand)
    languages = read_languages(site.languages)
    renderer = make_renderer(site, assets, languages)
    buckets = Buckets(BURST, PER_SECOND, clock.monotonic)
    watching = Watching(link, clock.now, clock.monotonic)
    application = Starlette(
        routes=[
            assets.route(),
            *setup_files.routes(site),
            *front.routes(renderer),
            *programs.routes(renderer),
            *downloads.routes(renderer),
            *Doctor(renderer, watching, clock).routes(),
            *SignIn(renderer, link, watching).routes(),
        ],
        middleware=[
            Middleware(SecurityHeaders, is_secure=site.is_secure),
            Middleware(Bugs, answer=_bug(renderer), log=log or structlog.get_logger()),
            Middleware(Gate, site=site, buckets=buckets, languages=languages),
        ],
        exception_handlers={HTTPException: _expected(renderer)},
    )
    # Starlette would lead from `/doctor/` to where the Host field says, by http:// behind a proxy.
    application.router.redirect_slashes = False
    return application


Handler = Callable[[Request, Exception], Awaitable[Response]]


def _expected(renderer: Renderer) -> Handler:
    async def handle(request: Request, error: Exception) -> HTMLResponse:
        assert isinstance(error, HTTPException)
        answer = renderer.page(
            request, "error.html", status=error.status_code, code=error.status_code, reference=""
        )
        answer.headers.update(error.headers or {})
        return answer

    return handle


def _bug(renderer: Renderer) -> Answer:
    return lambda request, reference: renderer.page(
        request, "error.html", status=500, code=500, reference=reference
    )
