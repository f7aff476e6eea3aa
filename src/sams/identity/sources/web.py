"""Questions over HTTP: verified TLS, no redirects, bounded bodies, no proxy or cookie of the environment."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.sources.interface import down

if TYPE_CHECKING:  # 120 ms, for those alone who ask over HTTP
    import aiohttp

MAX_BODY = 64 * 1024
_CHUNK = 16 * 1024
_IDLE = 30.0
"""Seconds that a connection is kept for the next question."""


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What came back."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    url: str
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    longest: int = MAX_BODY


class WebClient:
    """Asks web services of one source. Made on the loop or before it; its connections are made when it first asks.

    ca_file: authorities for https; None: the system's.
    timeout: seconds for one question, its connection included.
    connections: at most so many at once.

    Raises:
        OperatorError: the file cannot be read.
    """

    def __init__(self, ca_file: Path | None, *, timeout: float, connections: int) -> None:
        import aiohttp  # noqa: PLC0415 - see above

        self._library = aiohttp
        self._tls = _tls_context(ca_file)
        self._timeout = timeout
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, *, longest: int = MAX_BODY) -> WebAnswer:
        """GET a JSON document.

        Raises:
            TemporaryFailure: there is no answer, or one of more than `longest` octets.
        """
        return await self._ask(_Question("GET", url, longest=longest))

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> WebAnswer:
        """POST, and take JSON as an answer.

        Raises:
            TemporaryFailure: there is no answer, or a longer one than `MAX_BODY`.
        """
        return await self._ask(_Question("POST", url, body, headers))

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, question: _Question) -> WebAnswer:
        """Ask; again where the connection was an old one that had died meanwhile."""
        library, where = self._library, _where(question.url)
        while True:
            state = {"is_reused": False}
            try:
                return await self._ask_once(question, state)
            except TimeoutError:
                raise down(f"{where}: no answer within {self._timeout:g} s") from None
            except library.ClientConnectorError as error:
                raise down(f"{where}: {_why_not(error)}") from None
            except (library.ServerDisconnectedError, library.ClientOSError) as error:
                if not state["is_reused"]:
                    raise down(f"{where}: broke off ({type(error).__name__})") from None
            except library.ClientError as error:
                raise down(f"{where}: what it says is no HTTP ({type(error).__name__})") from None

    async def _ask_once(self, question: _Question, state: dict[str, bool]) -> WebAnswer:
        """state: where it is noted that the connection is an old one."""
        async with self._opened().request(
            question.method,
            question.url,
            data=question.body,
            headers=question.headers,
            allow_redirects=False,
            trace_request_ctx=state,
        ) as response:
            return WebAnswer(response.status, await _bounded(response, question.longest))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self._open()
        return self._session

    def _open(self) -> aiohttp.ClientSession:
        library = self._library
        trace = library.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        session: aiohttp.ClientSession = library.ClientSession(
            connector=library.TCPConnector(
                ssl=self._tls,
                limit=self._connections,
                keepalive_timeout=_IDLE,
                resolver=library.ThreadedResolver(),
            ),
            cookie_jar=library.DummyCookieJar(),
            timeout=library.ClientTimeout(total=self._timeout),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "sams"},
            auto_decompress=False,
            trace_configs=[trace],
        )
        return session


async def _note_reuse(_session: Any, context: SimpleNamespace, _parameters: Any) -> None:
    context.trace_request_ctx["is_reused"] = True


async def _bounded(response: aiohttp.ClientResponse, longest: int) -> bytes:
    """The body; what is longer is not read to its end, and the connection goes."""
    found = bytearray()
    while chunk := await response.content.read(_CHUNK):
        found += chunk
        if len(found) > longest:
            response.close()
            raise down(f"{_where(str(response.url))}: its answer has more than {longest} octets")
    return bytes(found)


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise OperatorError(f"{ca_file}: cannot be read as PEM certificates: {error.strerror}") from None


def _where(url: str) -> str:
    """Scheme, host and path; what stands behind `?` is nobody's business."""
    parts = urlsplit(url)
    return visible(f"{parts.scheme}://{parts.netloc}{parts.path}", 200)


def _why_not(error: aiohttp.ClientConnectorError) -> str:
    cause: Exception = getattr(error, "certificate_error", None) or error.os_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = visible(cause.verify_message, 200)
        advice = "is the host's name in it, and its authority in ca_file?"
        return f"its certificate cannot be verified ({reason}): {advice}"
    if isinstance(cause, ssl.SSLError):
        return f"no TLS ({visible(cause.reason or type(cause).__name__, 100)})"
    told = getattr(cause, "strerror", None) or type(cause).__name__
    return f"cannot be reached ({visible(told, 200)})"
