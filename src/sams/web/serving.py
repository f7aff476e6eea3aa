"""HTTP: uvicorn on our socket, with an end to every wait and a limit to every list.

Theory of operation
-------------------
uvicorn knows how long an idle connection may stay, and no more: who sends a head octet by octet, or never reads an
answer, would hold a connection for ever, and a handshake of TLS for a minute. So connections are taken in here
(`doors.py`), which counts them before a handshake is paid for, and each has a deadline for whatever it is at: its
handshake and first head, a further head from its first octet on, the body of a request, an answer that is not read.
An endless answer (server-sent events) ends after `STREAM_SECONDS`; browsers come back by themselves.

At the end streams are cut at once and other answers have some seconds: the listening socket lives on in the
supervisor, and a successor takes what waits in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Any

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import Server

from sams.web.doors import Doors, Guest
from sams.web.proxies import ForwardedVisitor, Proxies
from sams.web.site import Site
from sams.web.tls import tls_context

HEAD_OCTETS = 16_384
HEAD_SECONDS = 15.0
"""For the handshake and the first head together; for a further head from its first octet on."""
BODY_SECONDS = 20.0
READ_SECONDS = 30.0
"""How long the peer may take nothing of an answer that waits."""
STREAM_SECONDS = 900.0
IDLE_SECONDS = 5
"""Between two requests of a connection."""
GRACE_SECONDS = 4
"""For answers under way when the process is to end."""
_STREAM = "sams.stream"


class TimedProtocol(H11Protocol, Guest):
    """uvicorn's HTTP/1.1, with deadlines (`doors.Guest`)."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._stage: object = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way: such a connection may be closed for the sake of another."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The handshake is done."""
        super().connection_made(transport)
        self._watch(h11.IDLE)

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        super().data_received(data)
        self._watch(self.conn.their_state)

    def on_response_complete(self) -> None:
        """An answer is out; the next head has its own time, from its first octet on."""
        self._stop_watch()
        super().on_response_complete()
        if not self.is_idle:  # it had come already
            self._watch(self.conn.their_state)

    def pause_writing(self) -> None:
        """The peer does not take what is written."""
        super().pause_writing()
        self._reading = self.loop.call_later(READ_SECONDS, self.cut)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_watch()
        if self._reading is not None:
            self._reading.cancel()
        super().connection_lost(exc)
        self.when_over()

    def shutdown(self) -> None:
        """The process is to end."""
        super().shutdown()
        if not self.is_idle and _STREAM in self.cycle.scope["state"]:
            self.transport.close()  # what is written already still goes out

    def cut(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()

    def _watch(self, stage: object) -> None:
        """A stage has one deadline, however often something comes in it."""
        if stage is self._stage and self._deadline is not None:
            return
        self._stop_watch()
        self._stage = stage
        seconds = {h11.IDLE: HEAD_SECONDS, h11.SEND_BODY: BODY_SECONDS}.get(stage, STREAM_SECONDS)  # type: ignore[call-overload]
        self._deadline = self.loop.call_later(seconds, self.cut)

    def _stop_watch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class NotedStreams:
    """Notes which answers have no end (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_stream(message):
                scope["state"][_STREAM] = True
            await send(message)

        await self._app(scope, receive, say)


def _is_stream(message: Message) -> bool:
    fields: list[tuple[bytes, bytes]] = message.get("headers", [])
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in fields)


class PagesServer(Server):
    """uvicorn's server, which takes connections from our doors."""

    def __init__(self, config: Config, site: Site, proxies: Proxies) -> None:
        super().__init__(config)
        self._tls = tls_context(site)
        self._proxies = proxies

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the sockets."""
        await self.lifespan.startup()
        doors: list[Any] = [Doors(one, self._protocol, self._tls, self._proxies) for one in sockets or ()]
        self.servers = doors
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM ends it, and is not raised again afterwards."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.handle_exit, signal.SIGTERM, None)
        yield

    def _protocol(self) -> TimedProtocol:
        return TimedProtocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def make_server(application: ASGIApp, site: Site, log: FilteringBoundLogger) -> PagesServer:
    """What answers with this application.

    Raises:
        ssl.SSLError, OSError: a certificate cannot be used.
    """

    def stranger(peer: str) -> None:
        log.warning("a proxy that [web] proxies does not name forwards visitors: all look like it", peer=peer)

    proxies = Proxies(site.proxies)
    config = Config(
        NotedStreams(ForwardedVisitor(application, proxies, stranger)),
        http=TimedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=HEAD_OCTETS,
    )
    config.load()
    return PagesServer(config, site, proxies)


async def serve(
    application: ASGIApp, site: Site, listening: socket.socket, log: FilteringBoundLogger
) -> None:
    """Answer until SIGTERM."""
    await make_server(application, site, log).serve([listening])
