"""One question to one RADIUS server: a datagram, sent again until an answer comes that can be believed.

Answers that cannot be believed are counted and passed over, for the true one may still come (RFC 2865 section 3).
What they were is told when none came.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from typing import cast

from sams.config.places import HostPort
from sams.protocol.radius import RadiusError, Request, Response, read_response

SENT = 3
"""Times that a packet is sent to one server."""

_SILENCE = (
    "no answer: does it run, is this machine a client there, and is the shared secret the same on both sides?"
)


class UnansweredError(Exception):
    """The server did not answer. The message says what came instead, and what to look at."""


async def exchange(address: HostPort, request: Request, secret: bytes, patience: float) -> Response:
    """The answer, within so many seconds, by a socket of its own with a random port.

    Raises:
        UnansweredError: there is none.
    """
    loop = asyncio.get_running_loop()
    question = _Question(request, secret)
    try:
        async with asyncio.timeout(patience):
            await loop.create_datagram_endpoint(lambda: question, remote_addr=address)
            return await question.answer(patience / SENT)
    except TimeoutError:
        raise UnansweredError(question.what_came or _SILENCE) from None
    except OSError as error:
        raise UnansweredError(f"{error.strerror or type(error).__name__}: does it run there?") from None
    finally:
        question.close()


class _Question(asyncio.DatagramProtocol):
    """The socket of one question. It is connected: what comes from another address or port is not seen here."""

    def __init__(self, request: Request, secret: bytes) -> None:
        self._request = request
        self._secret = secret
        self._transport: asyncio.DatagramTransport | None = None
        self._response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._passed_over = Counter[str]()

    @property
    def what_came(self) -> str:
        """Answers that could not be believed; empty: none came."""
        return ", ".join(f"{text} ({times} times)" for text, times in self._passed_over.items())

    async def answer(self, interval: float) -> Response:
        """Send, and send again, until there is an answer.

        Raises:
            OSError: the network says that nobody is there.
        """
        assert self._transport is not None
        for _time in range(SENT):
            self._transport.sendto(self._request.octets)
            done, _ = await asyncio.wait({self._response}, timeout=interval * _jitter())
            if done:
                break
        return await self._response

    def close(self) -> None:
        """Let go of the socket."""
        if not self._response.cancel() and not self._response.cancelled():
            self._response.exception()  # looked at, for nobody waits for it any more
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Believe it, or pass it over."""
        del addr
        if self._response.done():
            return
        try:
            response = read_response(data, self._request, self._secret)
        except RadiusError as error:
            self._passed_over[str(error)] += 1
        else:
            self._response.set_result(response)

    def error_received(self, exc: Exception) -> None:
        """ICMP: nobody is there."""
        if not self._response.done():
            self._response.set_exception(exc)


def _jitter() -> float:
    """From 0.9 to 1.1 (RFC 5080 section 2.2.1)."""
    return 0.9 + secrets.randbelow(2_001) / 10_000
