"""A page for each program, and the list of all."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sams.web.programs.program import Kind
from sams.web.programs.table import SYSTEM_NAMES, by_slug, of_kinds
from sams.web.rendering import Renderer


def routes(renderer: Renderer) -> list[Route]:
    """`/programs` and `/programs/SLUG`."""

    async def every(request: Request) -> Response:
        groups = {kind.value: of_kinds((kind,)) for kind in Kind}
        return renderer.page(request, "programs.html", groups=groups, system_names=SYSTEM_NAMES)

    async def one(request: Request) -> Response:
        program = by_slug(request.path_params["slug"])
        if program is None:
            raise HTTPException(404)
        return renderer.page(
            request, f"programs/{program.slug}.html", program=program, system_names=SYSTEM_NAMES
        )

    return [Route("/programs", every), Route("/programs/{slug}", one)]
