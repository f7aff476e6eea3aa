"""A small HTTP client that talks to an ASGI application in this process: no socket, no further library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, urlencode

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message

ADDRESS = "192.0.2.7"
"""From which a client asks, where it is not said."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. is_whole: the application ended it by itself."""

    status: int
    headers: Headers
    body: bytes
    is_whole: bool

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as the values that it is made of."""
        return json.loads(self.body)


async def ask(
    app: ASGIApp,
    target: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    address: str = ADDRESS,
    enough: Callable[[bytes], bool] = lambda _: False,
) -> Answer:
    """One request.

    target: a path, with its query. address: the visitor's; empty: none is known.
    enough: is asked with all that has come so far, and hangs up by saying yes: for answers without an end.
    """
    exchange = _Exchange(body, enough)
    await app(_scope(target, method, headers or {}, body, address), exchange.receive, exchange.send)
    return exchange.answer()


@dataclass(slots=True)
class Client:
    """A visitor with a browser: keeps cookies. headers: sent with every request."""

    app: ASGIApp
    address: str = ADDRESS
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, target: str, **headers: str) -> Answer:
        """GET. headers: with `_` for `-`."""
        return asyncio.run(self.request(target, headers=headers))

    def post(self, target: str, form: Mapping[str, str] | bytes = b"", **headers: str) -> Answer:
        """POST of a form, or of octets."""
        return asyncio.run(self.request(target, form=form, headers=headers))

    async def request(
        self,
        target: str,
        *,
        form: Mapping[str, str] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        enough: Callable[[bytes], bool] = lambda _: False,
    ) -> Answer:
        """The same where a loop runs already. form: None: GET."""
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in (headers or {}).items()}}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = b"" if form is None else form if isinstance(form, bytes) else urlencode(form).encode()
        if isinstance(form, Mapping):
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
        answer = await ask(
            self.app,
            target,
            method="GET" if form is None else "POST",
            headers=sent,
            body=body,
            address=self.address,
            enough=enough,
        )
        self._keep(answer)
        return answer

    def _keep(self, answer: Answer) -> None:
        for line in answer.headers.getlist("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


def _scope(
    target: str, method: str, headers: Mapping[str, str], body: bytes, address: str
) -> dict[str, object]:
    path, _, query = target.partition("?")
    fields = {"host": "smtp-auth.example.ac.uk", **{name.lower(): value for name, value in headers.items()}}
    if method != "GET":
        fields.setdefault("content-length", str(len(body)))
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": quote(path).encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        "client": (address, 50_000) if address else None,
        "server": ("smtp-auth.example.ac.uk", 443),
    }


class _Exchange:
    """Both callables of ASGI for one request."""

    def __init__(self, body: bytes, enough: Callable[[bytes], bool]) -> None:
        self._requests: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._enough = enough
        self._gone = asyncio.Event()
        self._start: Message = {}
        self._body = b""
        self._is_whole = False

    async def receive(self) -> Message:
        """The request; then nothing until it is over."""
        if self._requests:
            return self._requests.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """A part of the answer."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        self._is_whole = not message.get("more_body", False)
        if self._is_whole or self._enough(self._body):
            self._gone.set()

    def answer(self) -> Answer:
        """All that came."""
        return Answer(self._start["status"], Headers(raw=self._start["headers"]), self._body, self._is_whole)
