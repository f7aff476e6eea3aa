"""What every request passes first: its size, who sent it there, and how many its network sends."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sams.core.translatable import translatable
from sams.web.languages import Language, choose
from sams.web.limits import Buckets
from sams.web.site import Site
from sams.web.visitor import System, Visitor, address_of

LARGEST_BODY = 16_384
"""Octets of a form, or of what a program asks for its settings with."""
LONGEST_QUERY = 2_000
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_POST_COST = 5.0
_TOO_MANY = translatable("Too many requests from your network: try again in {seconds} s.")
_TOO_LARGE = translatable("This request is too large.")
_FOREIGN = translatable("This form was sent from another site. Open the page itself and try again.")


class Gate:
    """Refuses what is too much, too large, or was sent by another site in the visitor's name (CSRF)."""

    def __init__(
        self, app: ASGIApp, *, site: Site, buckets: Buckets, languages: tuple[Language, ...]
    ) -> None:
        self._app = app
        self._languages = languages
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(site.url))
        self._buckets = buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        changes, headers = scope["method"] in _CHANGING, Headers(scope=scope)
        visitor = Visitor(address_of(Request(scope)), System.UNKNOWN, "")
        seconds = self._buckets.take(visitor.network, _POST_COST if changes else 1.0)
        if seconds:
            wait = int(seconds) + 1
            return self._said(scope, 429, _TOO_MANY, wait)
        if len(scope["query_string"]) > LONGEST_QUERY:
            return self._said(scope, 414, _TOO_LARGE)
        if changes and not _is_small(headers):
            return self._said(scope, 413, _TOO_LARGE)
        if changes and not self._is_own(headers):
            return self._said(scope, 403, _FOREIGN)
        return None

    def _said(self, scope: Scope, status: int, text: str, wait: int = 0) -> PlainTextResponse:
        """A refusal in the visitor's language. wait: seconds after which to come again; 0: not said."""
        language = choose(Request(scope), self._languages)
        text = language.texts.gettext(text).replace("{seconds}", str(wait))
        fields = {"content-language": language.tag}
        if wait:
            fields["retry-after"] = str(wait)
            if scope["method"] == "GET":  # a page that reloads itself must not end here
                fields["refresh"] = str(wait)
        return PlainTextResponse(f"{text}\n", status, fields)

    def _is_own(self, headers: Headers) -> bool:
        """Programs that set themselves up send neither field; browsers send both, or the one."""
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return False
        return headers.get("origin", self._origin) == self._origin


def _is_small(headers: Headers) -> bool:
    """Whether the body has a length, and a small one.

    One that comes in pieces is not taken, whatever length stands beside: the pieces count (RFC 9112 section 6.3).
    """
    if "transfer-encoding" in headers:
        return False
    length = headers.get("content-length", "")
    return length.isascii() and length.isdigit() and len(length) < 8 and int(length) <= LARGEST_BODY
