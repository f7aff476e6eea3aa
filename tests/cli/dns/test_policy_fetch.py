"""Fetching a policy from a real HTTPS server, found by a real DNS server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import pytest
import trustme
from aiohttp import web

from sams.cli.dns.checks.arriving import FetchError
from sams.cli.dns.policy_fetch import PolicyFetch
from sams.cli.dns.questions import Questions
from tests.support import web_server
from tests.support.dns_server import DnsServer, serving
from tests.support.web_server import Handler

PATH = "/.well-known/mta-sts.txt"
TEXT = "version: STSv1\r\nmode: testing\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with serving("mta-sts.example.org. 60 IN A 127.0.0.1\n") as server:
        yield server


def answering(status: int = 200, text: str = TEXT, location: str = "") -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers={"Location": location} if location else {})

    return answer


def fetched(
    dns: DnsServer,
    authority: trustme.CA,
    handler: Handler,
    *,
    name: str = "mta-sts.example.org",
    trusted: bool = True,
    seconds: float = 20.0,
) -> str:
    context = ssl.create_default_context()
    if trusted:
        authority.configure_trust(context)

    async def run() -> str:
        questions = Questions([("127.0.0.1", dns.port)])
        async with web_server.serving(authority, (name,)) as server:
            server.handlers[PATH] = handler
            fetch = PolicyFetch(questions, port=server.port, context=context, seconds=seconds)
            try:
                return await fetch("example.org")
            finally:
                await questions.close()

    return asyncio.run(run())


def test_a_policy_is_fetched_from_where_dns_says(dns: DnsServer, authority: trustme.CA) -> None:
    assert fetched(dns, authority, answering()) == TEXT
    assert ("mta-sts.example.org", "A", "udp") in dns.asked


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (answering(404), "the answer is 404 and not 200"),
        (answering(302, location="https://elsewhere.example/"), "the answer is 302"),
        (answering(text="x" * 70_000), "more than 65536 octets"),
    ],
    ids=["missing", "redirect", "endless"],
)
def test_an_answer_that_others_would_not_take_is_told(
    dns: DnsServer, authority: trustme.CA, handler: Handler, told: str
) -> None:
    with pytest.raises(FetchError, match=told):
        fetched(dns, authority, handler)


def test_a_certificate_for_another_name_or_of_nobody_known_is_told(
    dns: DnsServer, authority: trustme.CA
) -> None:
    with pytest.raises(FetchError, match=r"its certificate is not in order: .*mta-sts.example.org"):
        fetched(dns, authority, answering(), name="www.example.org")
    with pytest.raises(FetchError, match="its certificate is not in order"):
        fetched(dns, authority, answering(), trusted=False)


def test_a_host_that_dns_does_not_know_or_that_does_not_answer_is_told(
    dns: DnsServer, authority: trustme.CA
) -> None:
    async def never(_request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(FetchError, match=r"no answer within 0\.5 s"):
        fetched(dns, authority, never, seconds=0.5)
    dns.remove("mta-sts.example.org", "A")
    with pytest.raises(FetchError, match="DNS knows no address"):
        fetched(dns, authority, answering())
