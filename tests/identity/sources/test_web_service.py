from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
import uvloop
from aiohttp import web

from sams.config.sources import HttpSource
from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.web_service import HttpDirectory
from tests.identity.sources.sql.rig import CLIENT, RIGHT, login
from tests.support.web_server import WebServer, serving

TOKEN = "a-token-of-ours"
AUTHORITY = trustme.CA()


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@asynccontextmanager
async def asking(
    server: WebServer, ca_file: Path | None, *, token: str | None = TOKEN, **settings: object
) -> AsyncIterator[HttpDirectory]:
    section = HttpSource(url=f"{server.url}/sams", ca_file=ca_file, **{"timeout": 5.0, **settings})  # type: ignore[arg-type]  # a test's own keywords
    directory = HttpDirectory(section, token)
    try:
        yield directory
    finally:
        await directory.close()


async def members(request: web.Request) -> web.Response:
    """A service as an organisation may write it."""
    asked = await request.json()
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return web.Response(status=401)
    if asked["user"] != "alice":
        return web.json_response({"result": "unknown"})
    if not asked.get("find") and asked["password"] != RIGHT:
        return web.json_response({"result": "wrong"})
    said = {"result": "right", "login": "alice", "addresses": ["alice@example.org"], "recipients_per_hour": 9}
    return web.json_response(said)


def saying(
    answer: object, status: int = 200, headers: dict[str, str] | None = None
) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    async def answering(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers=headers)

    return answering


def verified(
    ca_file: Path,
    handler: Callable[[web.Request], Awaitable[web.Response]],
    typed: str = "alice",
    password: str = RIGHT,
) -> Answer:
    async def main() -> Answer:
        async with serving(AUTHORITY) as server, asking(server, ca_file) as directory:
            server.handlers["/sams"] = handler
            return await directory.verify(login(typed), password, CLIENT)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("typed", "password", "finding"),
    [
        ("alice", RIGHT, Finding.RIGHT),
        ("Alice@EXAMPLE.org", RIGHT, Finding.RIGHT),
        ("alice", "wrong", Finding.WRONG),
        ("nobody", RIGHT, Finding.UNKNOWN),
        ('"},{"result":"right', RIGHT, Finding.UNKNOWN),
        ("ü" * 100, RIGHT, Finding.UNKNOWN),
    ],
)
def test_the_service_tells_right_from_wrong(
    ca_file: Path, typed: str, password: str, finding: Finding
) -> None:
    answer = verified(ca_file, members, typed, password)
    assert answer.finding is finding
    if finding is Finding.RIGHT:
        assert answer.member == Member("alice", ("alice@example.org",), recipients_per_hour=9)


def test_it_is_sent_what_is_agreed(ca_file: Path) -> None:
    heard: list[object] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append((request.method, request.content_type, await request.json()))
        return web.json_response({"result": "unknown"})

    async def main() -> None:
        async with serving(AUTHORITY) as server, asking(server, ca_file, can_find=True) as directory:
            server.handlers["/sams"] = hear
            assert directory.can_find
            await directory.verify(login("alice/phone"), "pässword", CLIENT)
            await directory.find(login("bob@other.example"))

    uvloop.run(main())
    alice = {"login": "alice", "user": "alice", "domain": "example.org", "address": "alice@example.org"}
    other = "bob@other.example"
    bob = {"login": other, "user": other, "domain": "other.example", "address": other}
    assert heard == [
        ("POST", "application/json", {**alice, "password": "pässword", "client": CLIENT}),
        ("POST", "application/json", {**bob, "find": True}),
    ]


@pytest.mark.parametrize(
    ("said", "member"),
    [
        ({"result": "right"}, Member("alice")),
        ({"result": "right", "login": None, "suspended": None}, Member("alice")),
        ({"result": "right", "suspended": False}, Member("alice")),
        ({"result": "right", "suspended": True}, Member("alice", suspended="")),
        ({"result": "right", "suspended": "left"}, Member("alice", suspended="left")),
        (
            {"result": "right", "login": "A1", "may_send_as": ["*@b.example"]},
            Member("A1", (), ("*@b.example",)),
        ),
        ({"result": "right", "recipients_per_day": 5}, Member("alice", recipients_per_day=5)),
        ({"result": "unknown"}, None),
    ],
)
def test_who_it_is_is_told_in_an_answer(ca_file: Path, said: object, member: Member | None) -> None:
    async def main() -> Member | None:
        async with serving(AUTHORITY) as server, asking(server, ca_file) as directory:
            server.handlers["/sams"] = saying(said)
            found = await directory.find(login("alice"))
            assert (await directory.verify(login("alice"), RIGHT, CLIENT)).member == found
            return found

    assert asyncio.run(main()) == member


NOT_AGREED = [
    {},
    {"result": "yes"},
    {"result": True},
    {"result": "Right"},
    {"result": "right", "adresses": []},
    {"result": "right", "addresses": "alice@example.org"},
    {"result": "right", "addresses": [1]},
    {"result": "right", "addresses": ["x" * 400]},
    {"result": "right", "suspended": 1},
    {"result": "right", "login": ""},
    {"result": "right", "recipients_per_hour": -1},
    {"result": "right", "recipients_per_hour": "9"},
    {"result": "right", "recipients_per_hour": 1.5},
    {"result": "right", "recipients_per_hour": True},
    [],
    b"",
    b"<html>",
    b'{"result": "wrong", "result": "right"}',
    b'{"result": "right", "a": ' + b"[" * 20_000,
]


@pytest.mark.parametrize("said", NOT_AGREED, ids=range(len(NOT_AGREED)))
def test_an_answer_that_is_not_as_agreed_is_an_outage(ca_file: Path, said: object) -> None:
    with pytest.raises(TemporaryFailure, match="not as agreed"):
        verified(ca_file, saying(said))


def test_wrong_without_a_password_is_an_outage(ca_file: Path) -> None:
    async def main() -> None:
        async with serving(AUTHORITY) as server, asking(server, ca_file) as directory:
            server.handlers["/sams"] = saying({"result": "wrong"})
            with pytest.raises(TemporaryFailure, match="no password was sent"):
                await directory.find(login("alice"))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (saying({"result": "right"}, 401), "does not take the token"),
        (saying({"result": "right"}, 403), "may not ask"),
        (saying({"result": "right"}, 404), "nothing at this path"),
        (saying({"result": "right"}, 405), "takes POST"),
        (saying({"result": "right"}, 500), "see its own log"),
        (saying({"result": "right"}, 201), "status 201"),
        (saying({"result": "right"}, 307, {"Location": "/other"}), "sends elsewhere"),
        (saying(b" " * 70_000), "more than 65536 octets"),
        (saying(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "not as agreed"),
    ],
)
def test_any_other_answer_is_an_outage(
    ca_file: Path, handler: Callable[[web.Request], Awaitable[web.Response]], told: str
) -> None:
    with pytest.raises(TemporaryFailure) as failed:
        verified(ca_file, handler)
    assert told in failed.value.detail
    assert RIGHT not in failed.value.detail
    assert TOKEN not in failed.value.detail


def test_where_it_sends_elsewhere_nobody_is_asked(ca_file: Path) -> None:
    async def main() -> list[str]:
        async with serving(AUTHORITY) as server, asking(server, ca_file) as directory:
            server.handlers["/sams"] = saying({}, 307, {"Location": "/other"})
            with pytest.raises(TemporaryFailure):
                await directory.verify(login("alice"), RIGHT, CLIENT)
            return [request.path for request in server.asked]

    assert asyncio.run(main()) == ["/sams"]


@pytest.mark.parametrize("runs", [asyncio.run, uvloop.run])
def test_one_connection_serves_many_questions_and_a_dead_one_is_noticed(ca_file: Path, runs: object) -> None:
    async def main() -> None:
        async with serving(AUTHORITY) as server, asking(server, ca_file) as directory:
            server.handlers["/sams"] = members
            for _ in range(3):
                assert (await directory.verify(login("alice"), RIGHT, CLIENT)).finding is Finding.RIGHT
            assert server.connections == 1
            await server.stop()
            with pytest.raises(TemporaryFailure, match="cannot be reached"):
                await directory.verify(login("alice"), RIGHT, CLIENT)
            await server.start()
            assert (await directory.verify(login("alice"), RIGHT, CLIENT)).finding is Finding.RIGHT

    runs(main())  # type: ignore[operator]  # either of the two


def test_a_connection_that_dies_at_the_next_question_is_tried_once_more(ca_file: Path) -> None:
    async def main() -> int:
        async with serving(AUTHORITY) as server, asking(server, ca_file) as directory:

            async def once(request: web.Request) -> web.Response:
                if len(server.asked) == 2:
                    assert request.transport is not None
                    request.transport.abort()
                return await members(request)

            server.handlers["/sams"] = once
            for _ in range(2):
                assert (await directory.verify(login("alice"), RIGHT, CLIENT)).finding is Finding.RIGHT
            return len(server.asked)

    assert asyncio.run(main()) == 3


def test_a_fresh_connection_that_breaks_off_is_an_outage(ca_file: Path) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    with pytest.raises(TemporaryFailure, match="broke off"):
        verified(ca_file, cut)


def test_a_service_that_says_nothing_is_an_outage_in_time(tmp_path: Path) -> None:
    async def main(url: str) -> None:
        directory = HttpDirectory(HttpSource(url=url, timeout=0.2))
        with pytest.raises(TemporaryFailure, match=r"no answer within 0\.2 s"):
            await directory.verify(login("alice"), RIGHT, CLIENT)
        await directory.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        asyncio.run(main(f"http://127.0.0.1:{silent.getsockname()[1]}/"))
    assert time.monotonic() - began < 10


def test_what_is_no_http_is_an_outage() -> None:
    async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await writer.drain()
        await reader.read()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(chat, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        directory = HttpDirectory(HttpSource(url=url))
        with pytest.raises(TemporaryFailure, match="no HTTP"):
            await directory.verify(login("alice"), RIGHT, CLIENT)
        await directory.close()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_a_certificate_of_another_authority_or_name_is_an_outage(ca_file: Path) -> None:
    async def main(authority: trustme.CA, *names: str) -> str:
        async with serving(authority, names) as server, asking(server, ca_file) as directory:
            server.handlers["/sams"] = members
            with pytest.raises(TemporaryFailure) as failed:
                await directory.verify(login("alice"), RIGHT, CLIENT)
            assert server.asked == []
            return failed.value.detail

    assert "certificate cannot be verified" in asyncio.run(main(trustme.CA(), "127.0.0.1"))
    assert "certificate cannot be verified" in asyncio.run(main(AUTHORITY, "other.example"))


def test_clear_text_where_tls_is_asked_for_is_an_outage(ca_file: Path) -> None:
    async def main() -> None:
        async with serving() as server:
            directory = HttpDirectory(HttpSource(url=server.url.replace("http:", "https:")))
            with pytest.raises(TemporaryFailure, match="no TLS"):
                await directory.verify(login("alice"), RIGHT, CLIENT)
            await directory.close()

    asyncio.run(main())


def test_a_question_that_is_cancelled_leaves_no_answer_for_the_next(ca_file: Path) -> None:
    async def main() -> None:
        async with serving(AUTHORITY) as server, asking(server, ca_file, connections=1) as directory:
            heard, waits = asyncio.Event(), asyncio.Event()

            async def slow(request: web.Request) -> web.Response:
                heard.set()
                if len(server.asked) == 1:
                    await waits.wait()
                return await members(request)

            server.handlers["/sams"] = slow
            asked = asyncio.create_task(directory.verify(login("alice"), RIGHT, CLIENT))
            await heard.wait()
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            waits.set()
            assert (await directory.verify(login("nobody"), RIGHT, CLIENT)).finding is Finding.UNKNOWN
            assert server.connections == 2

    asyncio.run(main())


def test_the_environments_proxy_is_not_asked(ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert verified(ca_file, members).finding is Finding.RIGHT


def test_what_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for section, token, told in (
        (HttpSource(url="https://a.example/", ca_file=tmp_path / "ca.pem"), None, "PEM"),
        (HttpSource(url="https://a.example/", ca_file=tmp_path / "none"), None, "cannot be read"),
        (HttpSource(url="https://a.example/"), "tök en", "ASCII"),
    ):
        with pytest.raises(OperatorError, match=told):
            HttpDirectory(section, token)
