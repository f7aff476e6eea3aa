"""Fetching the policy of MTA-STS as other servers do (RFC 8461 section 3.3)."""

from __future__ import annotations

import asyncio
import socket
import ssl

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from sams.cli.dns.checks.arriving import FetchError
from sams.cli.dns.questions import Questions
from sams.core.text import visible

SECONDS = 10.0
_MOST_OCTETS = 65_536
"""Of a policy; others may stop there as well."""
_MOST_ADDRESSES = 4


class PolicyFetch:
    """Fetches policies; where their hosts are is asked of the resolver that everything is asked of.

    context: which authorities are trusted; None: those of this machine.
    """

    def __init__(
        self,
        questions: Questions,
        *,
        port: int = 443,
        context: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._questions = questions
        self._port = port
        self._context = context or ssl.create_default_context()
        self._seconds = seconds

    async def __call__(self, domain: str) -> str:
        """The text of the policy of a domain.

        Raises:
            FetchError: it cannot be had.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._fetch(f"mta-sts.{domain}")
        except TimeoutError:
            raise FetchError(f"no answer within {self._seconds:g} s") from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise FetchError(f"its certificate is not in order: {_reason(error.certificate_error)}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(f"cannot be fetched: {_reason(error)}") from None

    async def _fetch(self, host: str) -> str:
        connector = aiohttp.TCPConnector(ssl=self._context, resolver=_Resolver(self._questions))
        headers = {"Accept": "text/plain", "Accept-Encoding": "identity", "User-Agent": "sams"}
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            auto_decompress=False,
        ) as session:
            url = f"https://{host}:{self._port}/.well-known/mta-sts.txt"
            async with session.get(url, allow_redirects=False) as response:
                if response.status != 200:
                    raise FetchError(f"the answer is {response.status} and not 200, which alone counts")
                return await _bounded(response)


class _Resolver(AbstractResolver):
    """Addresses as our own questions find them."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family
        addresses, _ = await self._questions.addresses(host)
        if not addresses:
            raise FetchError("DNS knows no address of this host")
        ordered = sorted(addresses, key=lambda address: (":" in address, address))[:_MOST_ADDRESSES]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in ordered
        ]

    async def close(self) -> None:
        """Nothing is kept."""


async def _bounded(response: aiohttp.ClientResponse) -> str:
    found = bytearray()
    async for chunk in response.content.iter_chunked(4_096):
        found += chunk
        if len(found) > _MOST_OCTETS:
            raise FetchError(f"the answer has more than {_MOST_OCTETS} octets")
    return found.decode("utf-8", "replace")


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return visible(error.verify_message, 200)
    cause = getattr(error, "os_error", None)
    text = getattr(cause, "strerror", None) or str(error)
    return visible(text or type(error).__name__, 200)
