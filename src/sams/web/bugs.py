"""A bug ends the request, never the process: the visitor gets its reference, the log the rest, once."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from sams.core.ids import new_reference

Answer = Callable[[Request, str], Response]
"""The page that tells of a bug with this reference."""


class Bugs:
    """Catches what no page expects. An answer that is under way is cut, for there can be no other any more."""

    def __init__(self, app: ASGIApp, *, answer: Answer, log: FilteringBoundLogger) -> None:
        self._app = app
        self._answer = answer
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        has_begun = False

        async def say(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, say)
        except ClientDisconnect:
            return  # in the middle of a form: no bug, and nobody is left to be answered
        except Exception as error:  # noqa: BLE001 - whatever it is, the other visitors are served
            reference = new_reference()
            self._log.error("a page failed", ref=reference, path=scope.get("path"), exc_info=error)
            if not has_begun:
                await self._answer(Request(scope), reference)(scope, receive, send)
