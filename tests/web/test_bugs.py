"""A bug in a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message

from sams.web.application import make_application
from sams.web.bugs import Bugs
from tests.web.client import ask
from tests.web.rig import HOST, SITE, ScriptedLink


def test_the_visitor_gets_a_reference_and_the_log_the_rest_once() -> None:
    link = ScriptedLink(failure=RuntimeError("a secret of the house"))
    with structlog.testing.capture_logs() as logged:
        answer = asyncio.run(ask(make_application(SITE, link), "/doctor/watch?since=0"))
    assert answer.status == 500
    assert "secret" not in answer.text
    (line,) = logged
    assert line["ref"] in answer.text
    assert line["event"] == "a page failed"
    assert isinstance(line["exc_info"], RuntimeError)
    assert answer.headers["content-security-policy"]


def test_an_answer_that_is_under_way_ends_there() -> None:
    async def stream(_request: Request) -> Response:
        async def parts() -> AsyncIterator[str]:
            yield "half"
            raise RuntimeError

        return StreamingResponse(parts())

    def never(_request: Request, _reference: str) -> Response:
        return PlainTextResponse("a second answer")

    bugs = Middleware(Bugs, answer=never, log=structlog.get_logger())
    with structlog.testing.capture_logs() as logged:
        answer = asyncio.run(ask(Starlette(routes=[Route("/", stream)], middleware=[bugs]), "/"))
    assert (answer.text, answer.is_whole) == ("half", False)
    assert len(logged) == 1


def test_who_hangs_up_in_the_middle_of_a_form_writes_nothing_into_the_log() -> None:
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        said.append(message)

    fields = [(b"host", HOST.encode()), (b"content-length", b"50")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/sign-in",
        "query_string": b"",
        "scheme": "https",
        "headers": fields,
        "client": ("192.0.2.7", 1),
        "server": (HOST, 443),
        "root_path": "",
    }
    with structlog.testing.capture_logs() as logged:
        asyncio.run(make_application(SITE, ScriptedLink())(scope, receive, send))
    assert logged == []
    assert said == []
