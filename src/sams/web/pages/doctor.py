"""The connection doctor: what the service sees of a visitor's mail program, while it tries.

`/doctor` says how it goes, `/doctor/watch?since=…` shows what has come since then and is reloaded now and then by a
browser without scripts; with scripts `/doctor/events` streams the same fragment as server-sent events (HTML living
standard, section 9.2) whenever it has changed. Nothing of a watch is kept here: its begin stands in its address.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from sams.core.clock import Clock
from sams.web.link import ServiceUnreachable
from sams.web.pages.sign_in import ticket_of
from sams.web.rendering import Renderer
from sams.web.seen import Seen, look
from sams.web.watching import LOOK_BACK, TooManyWatchers, Watching, Whose

PAUSE = 1.0
"""Seconds between two looks."""
PATIENCE = 25.0
"""Seconds without any connection after which blocked ports are explained."""
LONGEST = 600.0
"""Seconds that one stream lasts; the page then offers to go on."""
ALIVE = 15.0
"""Seconds of silence after which a comment keeps proxies from giving the stream up."""
_STREAM = {"cache-control": "no-store", "x-accel-buffering": "no"}


@dataclass(frozen=True, slots=True)
class Doctor:
    """The pages of the doctor."""

    renderer: Renderer
    watching: Watching
    clock: Clock

    def routes(self) -> list[Route]:
        """Its addresses."""
        return [
            Route("/doctor", self.front),
            Route("/doctor/start", self.start),
            Route("/doctor/watch", self.watch),
            Route("/doctor/events", self.events),
        ]

    async def front(self, request: Request) -> Response:
        """How it goes."""
        return self.renderer.page(
            request,
            "doctor.html",
            address=self.renderer.visitor(request).address,
            signed_in=bool(ticket_of(request)),
        )

    async def start(self, _request: Request) -> Response:
        """The begin of a watch is the moment when its button was pressed."""
        return RedirectResponse(f"/doctor/watch?since={int(self.clock.now())}", 303)

    async def watch(self, request: Request) -> Response:
        """What has come so far."""
        since = self._since(request)
        seen, trouble = Seen(), ""
        try:
            seen = await look(self.watching, self._whose(request), since)
        except ServiceUnreachable as error:
            trouble = error.text
        return self.renderer.page(
            request,
            "watch.html",
            status=503 if trouble else 200,
            since=int(since),
            address=self.renderer.visitor(request).address,
            trouble=trouble,
            **self._shown(request, seen, since),
        )

    async def events(self, request: Request) -> Response:
        """The same as a stream."""
        visitor = self.renderer.visitor(request)
        place = self.watching.place(visitor.network)
        try:
            place.__enter__()
        except TooManyWatchers:
            return Response(status_code=429, headers={"retry-after": "60"})
        stream = self._stream(request, self._whose(request), self._since(request))

        async def held() -> AsyncIterator[str]:
            try:
                async for event in stream:
                    yield event
            finally:
                place.__exit__(None, None, None)

        return StreamingResponse(held(), media_type="text/event-stream", headers=_STREAM)

    async def _stream(self, request: Request, whose: Whose, since: float) -> AsyncIterator[str]:
        """A fragment each time when it is another one, until the time is over."""
        last, began = "", self.clock.monotonic()
        said = began
        while self.clock.monotonic() - began < LONGEST:
            fragment = await self._fragment(request, whose, since)
            if fragment != last:
                last, said = fragment, self.clock.monotonic()
                yield _event("seen", fragment)
            elif self.clock.monotonic() - said > ALIVE:
                said = self.clock.monotonic()
                yield ": still here\n\n"
            await asyncio.sleep(PAUSE)
        yield _event("over", "")

    async def _fragment(self, request: Request, whose: Whose, since: float) -> str:
        try:
            seen = await look(self.watching, whose, since)
        except ServiceUnreachable as error:
            return self.renderer.fragment(request, "trouble.html", trouble=error.text)
        return self.renderer.fragment(request, "seen.html", **self._shown(request, seen, since))

    def _shown(self, request: Request, seen: Seen, since: float) -> dict[str, object]:
        is_late = self.clock.now() - since > PATIENCE
        return {"seen": seen, "is_late": is_late, "signed_in": bool(ticket_of(request))}

    def _since(self, request: Request) -> float:
        """When the watch began; at most an hour ago."""
        now, said = self.clock.now(), request.query_params.get("since", "")
        if not (said.isascii() and said.isdigit() and len(said) < 12):
            return now
        return min(max(float(said), now - LOOK_BACK), now)

    def _whose(self, request: Request) -> Whose:
        return Whose(self.renderer.visitor(request).address, ticket_of(request))


def _event(name: str, data: str) -> str:
    """A server-sent event. A line of data ends where a line of the text does: there is no other end in it."""
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\n{lines}\n"
