"""The front page, and the settings at a glance."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sams.web.programs.program import Kind
from sams.web.programs.table import SYSTEM_NAMES, for_system, of_kinds
from sams.web.rendering import Renderer
from sams.web.visitor import System

_SYSTEMS = (System.WINDOWS, System.MACOS, System.IOS, System.ANDROID, System.LINUX)


def routes(renderer: Renderer) -> list[Route]:
    """`/`, where a visitor finds the own system's programs first; `?system=` shows another one's."""

    async def front(request: Request) -> Response:
        guessed = renderer.visitor(request).system
        system = _wished(request.query_params.get("system", "")) or guessed
        return renderer.page(
            request,
            "front.html",
            system=system,
            system_names=SYSTEM_NAMES,
            systems=_SYSTEMS,
            mine=for_system(system),
            further=of_kinds((Kind.TERMINAL, Kind.SERVER, Kind.DEVICE)),
            old=of_kinds((Kind.OLD,)),
        )

    async def settings(request: Request) -> Response:
        return renderer.page(request, "settings.html")

    return [Route("/", front), Route("/settings", settings)]


def _wished(word: str) -> System | None:
    return next((system for system in _SYSTEMS if system.value == word), None)
