"""A real HTTP server (aiohttp) on loopback, with TLS where it is given an authority."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trustme
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class WebServer:
    """What is asked is noted in `asked`; `handlers` answer by path, and may be changed while it runs.

    names: of its certificate.
    """

    authority: trustme.CA | None = None
    names: tuple[str, ...] = ("127.0.0.1",)
    handlers: dict[str, Handler] = field(default_factory=dict)
    asked: list[web.Request] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many different ones questions came over."""
        return len({id(request.transport) for request in self.asked})

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls(), reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        handler = self.handlers.get(request.path)
        return await handler(request) if handler else web.Response(status=404)

    def _tls(self) -> ssl.SSLContext | None:
        if self.authority is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*self.names).configure_cert(context)
        return context


@asynccontextmanager
async def serving(
    authority: trustme.CA | None = None, names: tuple[str, ...] = ("127.0.0.1",)
) -> AsyncIterator[WebServer]:
    """One that runs."""
    server = WebServer(authority, names)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
