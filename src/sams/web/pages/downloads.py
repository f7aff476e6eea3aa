"""The probe for download: one file that members run where their mail program fails, and the page that tells of it."""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sams.web.programs.settings import Settings
from sams.web.rendering import Renderer
from sams_probe.bundle import NAME, pyz
from sams_probe.options import MOST_PORTS, PORTS, Port, Security

_MEDIA_TYPE = "application/x-python-code"
_KIB = 1024
_KINDS = {"implicit": Security.TLS, "starttls": Security.STARTTLS}


def routes(renderer: Renderer) -> list[Route]:
    """`/probe`, and `/sams-probe.pyz`, whose octets are made here once."""
    octets = pyz()
    digest = hashlib.sha256(octets).hexdigest()
    command = probe_arguments(Settings(renderer.site))

    async def page(request: Request) -> Response:
        return renderer.page(
            request,
            "probe.html",
            address=f"/{NAME}",
            file=NAME,
            host=command,
            sha256=digest,
            size=-(-len(octets) // _KIB),
        )

    async def download(request: Request) -> Response:
        fields = {"content-disposition": f'attachment; filename="{NAME}"', "etag": f'"{digest}"'}
        if digest in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=fields)
        return Response(octets, media_type=_MEDIA_TYPE, headers=fields)

    return [Route("/probe", page), Route(f"/{NAME}", download)]


def probe_arguments(settings: Settings) -> str:
    """What is written behind the file's name: the service's host, and its ports where they are not the usual ones."""
    usual = {port for port in PORTS if port.security is not Security.RELAY}
    ours = [Port(one.port, _KINDS[one.security]) for one in settings.site.outgoing]
    told = () if set(ours) == usual else ours[:MOST_PORTS]
    return " ".join([*(f"--port {port.number}/{port.security.value}" for port in told), settings.best.host])
