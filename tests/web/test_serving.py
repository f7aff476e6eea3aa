"""HTTP as strangers speak it: slowly, without end, in numbers; real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from structlog.typing import FilteringBoundLogger

from sams.core.ip_addresses import counted_network
from sams.web import doors, serving
from sams.web.serving import PagesServer, make_server
from sams.web.site import Brand, Certificate, CertifiedHost, Site
from tests.spool.rig import on_loop
from tests.support.certificates import Authority

LOG: FilteringBoundLogger = structlog.wrap_logger(structlog.testing.CapturingLogger(), processors=[])
SITE = Site(
    "smtp.example.org", "1", "https://smtp.example.org", ("example.org",), (), Brand("E", "E"), "/none"
)
AUTHORITY = Authority.make()
LARGE = 8_000_000
PATIENCE = 30.0


@dataclass
class Pages:
    """Pages of a test's own, and where they are."""

    port: int
    server: PagesServer
    going_on: asyncio.Event = field(default_factory=asyncio.Event)
    bodies: list[bytes] = field(default_factory=list)

    async def get(self, path: str = "/", *, host: str = "127.0.0.1", source: str = "127.0.0.1") -> bytes:
        """A whole answer, on a connection of its own."""
        reader, writer = await self.connect(source)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read()
        writer.close()
        return answer

    async def connect(self, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))


@asynccontextmanager
async def serving_pages(site: Site = SITE) -> AsyncIterator[Pages]:
    async def hello(request: Request) -> Response:
        assert request.client is not None
        return PlainTextResponse(f"hello {request.client.host}")

    async def slow(_: Request) -> Response:
        await pages.going_on.wait()
        return PlainTextResponse("at last")

    async def form(request: Request) -> Response:
        pages.bodies.append(await request.body())
        return PlainTextResponse("taken")

    async def large(_: Request) -> Response:
        return Response(bytes(LARGE))

    async def stream(_: Request) -> Response:
        async def events() -> AsyncIterator[str]:
            while True:
                yield "data: x\n\n"
                await asyncio.sleep(0.01)

        return StreamingResponse(events(), media_type="text/event-stream")

    routes = [Route("/", hello), Route("/slow", slow), Route("/large", large), Route("/stream", stream)]
    application = Starlette(routes=[*routes, Route("/form", form, methods=["POST"])])
    listening = socket.create_server(("127.0.0.1", 0), backlog=100)
    listening.setblocking(False)
    server = make_server(application, site, LOG)
    pages = Pages(listening.getsockname()[1], server)
    running = asyncio.ensure_future(server.serve([listening]))
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        yield pages
    finally:
        pages.going_on.set()
        server.should_exit = True
        await running


async def is_ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other end hangs up, without a limit that a busy machine would reach."""
    async with asyncio.timeout(PATIENCE):
        try:
            await reader.read()
        except ConnectionResetError:
            return True
    return reader.at_eof()


async def dribble(writer: asyncio.StreamWriter, octets: bytes) -> None:
    """Always a bit more, and never all."""
    try:
        for octet in octets:
            writer.write(bytes((octet,)))
            await writer.drain()
            await asyncio.sleep(0.02)
    except ConnectionError:
        return


@on_loop
async def test_a_page_is_answered_and_says_nothing_of_the_program_that_serves_it() -> None:
    async with serving_pages() as pages:
        answer = await pages.get()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == b"hello 127.0.0.1"
    assert b"server:" not in head.lower()


@on_loop
async def test_who_wants_a_web_socket_gets_a_page() -> None:
    async with serving_pages() as pages:
        reader, writer = await pages.connect()
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    "octets",
    [b"", b"\r\n" * 500, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 500],
    ids=["nothing", "empty lines", "fields without end"],
)
@on_loop
async def test_a_head_that_does_not_end_is_not_waited_for(
    octets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.3)
    async with serving_pages() as pages:
        reader, writer = await pages.connect()
        dribbling = asyncio.ensure_future(dribble(writer, octets))
        assert await is_ended(reader)
        assert (await pages.get()).endswith(b"hello 127.0.0.1")
        dribbling.cancel()
        writer.close()


@on_loop
async def test_a_second_head_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 2.0)
    async with serving_pages() as pages:
        reader, writer = await pages.connect()
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in await reader.readuntil(b"hello 127.0.0.1")
            await asyncio.sleep(0.8)
        dribbling = asyncio.ensure_future(dribble(writer, b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 500))
        assert await is_ended(reader)
        dribbling.cancel()
        writer.close()


@on_loop
async def test_an_idle_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "IDLE_SECONDS", 0.1)
    async with serving_pages() as pages:
        reader, writer = await pages.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await is_ended(reader)
        writer.close()


@on_loop
async def test_a_body_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.3)
    async with serving_pages() as pages:
        reader, writer = await pages.connect()
        writer.write(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n")
        dribbling = asyncio.ensure_future(dribble(writer, b"x" * 4_999))
        assert await is_ended(reader)
        assert pages.bodies == []
        dribbling.cancel()
        writer.close()


@on_loop
async def test_a_body_that_comes_in_pieces_is_taken() -> None:
    async with serving_pages() as pages:
        reader, writer = await pages.connect()
        writer.write(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\nConnection: close\r\n\r\n")
        await dribble(writer, b"x" * 20)
        assert (await reader.read()).endswith(b"taken")
        writer.close()
    assert pages.bodies == [b"x" * 20]


@on_loop
async def test_who_reads_no_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "READ_SECONDS", 0.3)
    async with serving_pages() as pages:
        with socket.create_connection(("127.0.0.1", pages.port)) as client:
            client.setblocking(False)
            await asyncio.get_running_loop().sock_sendall(client, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            async with asyncio.timeout(PATIENCE):
                while not pages.server.server_state.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                while pages.server.server_state.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


@on_loop
async def test_an_endless_answer_ends_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "STREAM_SECONDS", 0.3)
    async with serving_pages() as pages:
        reader, writer = await pages.connect()
        writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"data: x")
        assert await is_ended(reader)
        writer.close()


@on_loop
async def test_a_head_is_bounded() -> None:
    async with serving_pages() as pages:
        reader, writer = await pages.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"x" * 200_000)
        answer = await reader.readline()
        assert b" 4" in answer
        assert await is_ended(reader)
        writer.close()


@on_loop
async def test_a_network_has_so_many_connections_and_others_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doors, "MOST_OF_A_NETWORK", 3)
    async with serving_pages() as pages:
        held = [await pages.connect("127.0.0.2") for _ in range(3)]
        await pages.get(source="127.0.0.3")
        reader, writer = await pages.connect("127.0.0.2")
        assert await is_ended(reader)
        held[1][1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await held[1][0].readuntil(b"\r\n"), (
            "it ended at once, and not when its time was up"
        )
        assert b"200 OK" in await pages.get(source="127.0.0.3")
        held[0][1].close()
        async with asyncio.timeout(PATIENCE):
            while b"200 OK" not in await tried(pages, "127.0.0.2"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for _, one in (*held, (reader, writer)):
            one.close()


async def tried(pages: Pages, source: str) -> bytes:
    try:
        return await pages.get(source=source)
    except ConnectionResetError:
        return b""


@on_loop
async def test_a_proxy_that_is_believed_has_no_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MOST_OF_A_NETWORK", 1)
    site = msgspec.structs.replace(SITE, proxies=("127.0.0.2",))
    async with serving_pages(site) as pages:
        held = [await pages.connect("127.0.0.2") for _ in range(5)]
        assert b"200 OK" in await pages.get(source="127.0.0.2")
        for _, writer in held:
            writer.close()


@on_loop
async def test_where_all_is_full_the_oldest_without_a_request_gives_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doors, "MOST", 3)
    async with serving_pages() as pages:
        working = [await pages.connect()]
        working[0][1].write(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while not pages.server.server_state.tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        idle = [await pages.connect() for _ in range(2)]
        assert b"200 OK" in await pages.get()
        assert await is_ended(idle[0][0])
        for _ in range(2):
            working.append(await pages.connect())
            working[-1][1].write(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while len(pages.server.server_state.tasks) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        reader, refused = await pages.connect()
        assert await is_ended(reader), "all of them have work to do"
        pages.going_on.set()
        for reader, _ in working:
            assert (await reader.read()).endswith(b"at last")
        for _, writer in (*idle, *working, (reader, refused)):
            writer.close()


@on_loop
async def test_at_the_end_answers_are_finished_and_streams_are_cut() -> None:
    async with serving_pages() as pages:
        streaming, one = await pages.connect()
        one.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await streaming.readuntil(b"data: x")
        working, other = await pages.connect()
        other.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        while len(pages.server.server_state.tasks) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        pages.server.should_exit = True
        assert await is_ended(streaming)
        pages.going_on.set()
        assert (await working.read()).endswith(b"at last")
        one.close()
        other.close()


# --- TLS


def https(*names: str) -> Site:
    """A site with a certificate for its name, and others for further names."""

    def certificates(name: str) -> tuple[Certificate, ...]:
        pairs = AUTHORITY.host(name).pairs
        return tuple(Certificate(pair.chain, pair.key) for pair in pairs)

    named = tuple(CertifiedHost(name, certificates(name)) for name in names)
    default = certificates("smtp.example.org")
    return msgspec.structs.replace(SITE, certificates=default, hosts=named, does_tls=True)


def trusting(**settings: object) -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.ca.configure_trust(context)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


async def secured(
    pages: Pages, context: ssl.SSLContext, name: str = "smtp.example.org"
) -> tuple[bytes, ssl.SSLObject]:
    reader, writer = await asyncio.open_connection("127.0.0.1", pages.port, ssl=context, server_hostname=name)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.close()
    return answer, connection


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@on_loop
async def test_pages_are_served_inside_tls(version: ssl.TLSVersion) -> None:
    context = trusting(minimum_version=version, maximum_version=version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with serving_pages(https()) as pages:
        answer, connection = await secured(pages, context)
    assert answer.endswith(b"hello 127.0.0.1")
    assert connection.selected_alpn_protocol() == "http/1.1"


@on_loop
async def test_each_name_has_its_certificate_and_an_unknown_one_the_defaults() -> None:
    async with serving_pages(https("help.example.org")) as pages:
        for name in ("smtp.example.org", "help.example.org", "HELP.example.org"):
            assert (await secured(pages, trusting(), name))[0].endswith(b"hello 127.0.0.1")
        with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.example\.org"):
            await secured(pages, trusting(), "other.example.org")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@on_loop
async def test_tls_of_old_is_refused() -> None:
    context = trusting(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with serving_pages(https()) as pages:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await secured(pages, context)
        assert (await secured(pages, trusting()))[0].endswith(b"hello 127.0.0.1")


@on_loop
async def test_a_handshake_that_does_not_come_is_not_waited_for_and_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doors, "HANDSHAKE_SECONDS", 0.5)
    monkeypatch.setattr(doors, "MOST_OF_A_NETWORK", 2)
    async with serving_pages(https()) as pages:
        held = [await pages.connect("127.0.0.2") for _ in range(2)]
        refused, writer = await pages.connect("127.0.0.2")
        assert await is_ended(refused)
        assert (await secured(pages, trusting()))[0].endswith(b"hello 127.0.0.1")
        for reader, one in held:
            assert await is_ended(reader)
            one.close()
        writer.close()


@on_loop
async def test_plain_http_at_a_tls_port_ends_and_harms_nobody() -> None:
    async with serving_pages(https()) as pages:
        assert b"200" not in await tried(pages, "127.0.0.1")
        assert (await secured(pages, trusting()))[0].endswith(b"hello 127.0.0.1")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_network_counts_as_one(address: str, network: str) -> None:
    assert counted_network(address) == network


async def _come_and_go(pages: Pages, count: int) -> None:
    for _ in range(count):
        await pages.get()


def test_what_connections_leave_in_memory_is_looked_for_when_some_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[None] = []
    monkeypatch.setattr(doors, "_GONE", 5)
    monkeypatch.setattr("gc.collect", lambda: looks.append(None))

    async def scene() -> None:
        async with serving_pages() as pages:
            await _come_and_go(pages, 4)
            assert looks == []
            await _come_and_go(pages, 8)
            async with asyncio.timeout(PATIENCE):
                while len(looks) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(scene())
