"""Style, script and pictures, in memory under names that hold a hash of their content, so that browsers keep them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sams.web.colours import accents
from sams.web.site import Brand

STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""A picture that somebody opens by itself runs nothing."""


class Asset(msgspec.Struct, frozen=True):
    """One file. url: where it is found."""

    url: str
    media_type: str
    octets: bytes


class Assets:
    """All files: those of the house, and those of the organisation."""

    def __init__(self, brand: Brand) -> None:
        files = {path.name: (_TYPES[path.suffix], path.read_bytes()) for path in sorted(STATIC.iterdir())}
        files["brand.css"] = (_TYPES[".css"], brand_style(brand).encode())
        if brand.logo is not None:
            files["logo"] = (brand.logo.media_type, brand.logo.octets)
        self._by_name = {name: _asset(name, *content) for name, content in files.items()}
        self._by_url: Mapping[str, Asset] = {asset.url: asset for asset in self._by_name.values()}

    def url(self, name: str) -> str:
        """Where a file is found."""
        return self._by_name[name].url

    def route(self) -> Route:
        """Serves them."""
        return Route("/static/{rest:path}", self._serve)

    async def _serve(self, request: Request) -> Response:
        asset = self._by_url.get(request.url.path)
        if asset is None:
            return PlainTextResponse("There is no such file.\n", 404)
        fields = {"cache-control": "public, max-age=31536000, immutable"}
        if asset.media_type == _TYPES[".svg"]:
            fields["content-security-policy"] = _SVG_POLICY
        return Response(asset.octets, media_type=asset.media_type, headers=fields)


def brand_style(brand: Brand) -> str:
    """The organisation's colours as style."""
    found = accents(brand.colour)
    return (
        f":root {{ --accent: {found.light}; --on-accent: {found.on_light}; }}\n"
        "@media (prefers-color-scheme: dark) {\n"
        f"  :root {{ --accent: {found.dark}; --on-accent: {found.on_dark}; }}\n}}\n"
    )


def _asset(name: str, media_type: str, octets: bytes) -> Asset:
    return Asset(f"/static/{hashlib.sha256(octets).hexdigest()[:16]}/{name}", media_type, octets)
