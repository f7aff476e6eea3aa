"""How long a peer may take, on real connections and a clock that is turned forward."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from sams.activity.events import Refused, TlsFailed
from sams.protocol.smtp.server import ServerEngine
from sams.submission.connection import COMMANDS_BUFFER, EVENTS_AT_ONCE, Connection
from sams.submission.reception import HANDSHAKES
from sams.submission.tls import ServerTls, TlsFacts
from tests.submission.rig import Client, Rig, message, serving
from tests.support.certificates import Authority

Scene = Callable[[Rig, "Clock"], Awaitable[None]]
Play = Callable[..., None]


class Clock:
    """The wheel's, which a test turns forward; the wheel turns with it."""

    def __init__(self, rig: Rig) -> None:
        self._wheel = rig.reception.wheel
        self._time = self._wheel.now
        self.ahead = 0.0
        self._wheel.now = lambda: self._time() + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += seconds
        if self._wheel._timer is not None:
            self._wheel._timer.cancel()
        self._wheel._turn()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


@pytest.fixture
def play(tmp_path: Path, authority: Authority) -> Play:
    def run(scene: Scene, **configured: str) -> None:
        async def served() -> None:
            async with serving(tmp_path, authority=authority, **configured) as rig:
                await asyncio.wait_for(scene(rig, Clock(rig)), 40)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(served())

    return run


async def _begun(rig: Rig, *lines: str) -> Client:
    client = await rig.signed_in()
    for line in ("MAIL FROM:<alice@example.org>", *lines):
        assert (await client.ask(line))[0] in "23"
    return client


def client_hello(octets: int) -> bytes:
    """One of TLS 1.3, as large as that, whose groups and key shares nobody knows."""
    groups = b"\x0a\x0a" * (octets // 4) + b"\x0b\x0b"
    shares = b"\x0b\x0b\x00\x01\x00" * (octets // 10)
    extensions = _extension(43, b"\x02\x03\x04") + _extension(10, _counted(groups))
    extensions += _extension(13, _counted(b"\x04\x03\x08\x04")) + _extension(51, _counted(shares))
    hello = b"\x03\x03" + bytes(32) + b"\0" + _counted(b"\x13\x01") + b"\x01\0" + _counted(extensions)
    message_ = b"\x01" + len(hello).to_bytes(3, "big") + hello
    pieces = [message_[start : start + 16_384] for start in range(0, len(message_), 16_384)]
    return b"".join(b"\x16\x03\x01" + _counted(piece) for piece in pieces)


def _counted(octets: bytes) -> bytes:
    return len(octets).to_bytes(2, "big") + octets


def _extension(kind: int, octets: bytes) -> bytes:
    return kind.to_bytes(2, "big") + _counted(octets)


def test_a_handshake_that_begins_late_has_its_own_time_and_no_more(play: Play) -> None:
    async def scene(rig: Rig, clock: Clock) -> None:
        client = await rig.connect()
        clock.forward(60)
        assert (await client.ask("STARTTLS")).startswith("220 ")
        clock.forward(16)
        assert await client.ended()
        assert rig.told.ended == ["timeout"]

    play(scene)


A_MINUTE = "session_time = '1 min'"


def test_when_the_session_is_over_its_time_no_message_begins(play: Play) -> None:
    async def scene(rig: Rig, clock: Clock) -> None:
        client = await _begun(rig, "RCPT TO:<x@example.net>")
        clock.forward(90)
        assert (await client.ask("DATA")).startswith("354 ")
        clock.forward(30)
        assert (await client.ask(message() + b"\r\n.\r\n")).startswith("250 ")
        assert (await client.ask("MAIL FROM:<alice@example.org>")).startswith("421 4.7.0 ")
        assert await client.ended()
        assert rig.told.ended == ["timeout"]

    play(scene, limits=A_MINUTE)


def test_who_begins_and_gives_up_transactions_all_the_time_does_not_stay(play: Play) -> None:
    async def scene(rig: Rig, clock: Clock) -> None:
        client = await _begun(rig)
        for _ in range(5):
            clock.forward(11)
            client.send(b"NOOP\r\nRSET\r\nMAIL FROM:<alice@example.org>\r\n")
            assert [(await client.reply())[:4] for _ in range(3)] == ["250 "] * 3
        clock.forward(11)
        client.send(b"NOOP\r\nRSET\r\nMAIL FROM:<alice@example.org>\r\n")
        assert [(await client.reply())[:4] for _ in range(3)] == ["250 ", "250 ", "421 "]
        assert await client.ended()

    play(scene, limits=A_MINUTE)


def test_a_transaction_that_never_comes_to_its_body_ends_soon_after_its_session_should(play: Play) -> None:
    async def scene(rig: Rig, clock: Clock) -> None:
        client = await _begun(rig)
        for _ in range(7):
            clock.forward(50)
            assert (await client.ask("RCPT TO:<x@example.net>")).startswith("250 ")
        clock.forward(15)
        assert (await client.reply()).startswith("421 4.7.0 This connection has been open for its full time")
        assert await client.ended()

    play(scene, limits=A_MINUTE)


def test_who_only_says_noop_is_told_when_the_time_is_over(play: Play) -> None:
    async def scene(rig: Rig, clock: Clock) -> None:
        client = await rig.signed_in()
        for _ in range(5):
            clock.forward(11)
            assert (await client.ask("NOOP")).startswith("250 ")
        clock.forward(11)
        assert (await client.reply()).startswith("421 4.7.0 ")
        assert await client.ended()

    play(scene, limits=A_MINUTE)


def test_a_body_that_comes_too_slowly_is_cut_off_a_minute_after_it_began(play: Play) -> None:
    async def scene(rig: Rig, clock: Clock) -> None:
        client = await rig.signed_in()
        clock.forward(100)  # it is looked at, and not again before it must
        for line in ("MAIL FROM:<alice@example.org>", "RCPT TO:<x@example.net>", "DATA"):
            await client.ask(line)
        client.send(message())
        clock.forward(66)
        assert (await client.reply()).startswith("421 4.4.2 The message came too slowly")
        assert await client.ended()
        assert await rig.waiting() == []

    play(scene)


@pytest.mark.parametrize(
    ("flaw", "why"),
    [(b"a bare\nnewline", "550 5.6.11 "), (b"x" * 70_000, "554 5.6.0 "), (b"\0", "550 5.6.11 ")],
)
def test_a_body_that_is_refused_is_as_quick_as_it_comes(play: Play, flaw: bytes, why: str) -> None:
    """It was counted by what was kept of it, so that it was cut off and its sender never read why."""

    async def scene(rig: Rig, clock: Clock) -> None:
        client = await _begun(rig, "RCPT TO:<x@example.net>", "DATA")
        client.send(message(body=flaw))
        (session,) = rig.reception.sessions
        progress, came = session._connection.progress, len(message(body=flaw))
        for _ in range(4):
            client.send(b"A line of the rest.\r\n" * 2_500)
            await client.writer.drain()
            came += 52_500
            while progress.body_octets < came:  # noqa: ASYNC110 - octets that arrive set no event
                await asyncio.sleep(0.001)
            clock.forward(100)
        answer = await client.ask(b"\r\n.\r\n")
        assert answer.startswith(why)

    play(scene)


def test_pressure_takes_time_from_who_has_not_signed_in(play: Play) -> None:
    async def scene(rig: Rig, clock: Clock) -> None:
        stranger, silent = await rig.connect(), await rig.connect()
        clock.forward(60)
        for client in (stranger, silent):
            assert (await client.ask("NOOP")).startswith("250 ")
        member = await rig.signed_in()
        rig.reception.note_pressure()
        for client in (stranger, silent):
            assert (await client.reply()).startswith("421 4.7.0 Nobody signed in")
            assert await client.ended()
        rig.reception.note_pressure()
        newcomer = await rig.connect()
        clock.forward(20)
        assert (await newcomer.ask("NOOP")).startswith("250 "), "the pressure is over"
        assert (await member.submit(message())).startswith("250 ")

    play(scene, limits="connections = 4\npressure_at = 75")


def test_under_pressure_a_sign_in_that_is_broken_off_is_the_one_mistake(play: Play) -> None:
    async def scene(rig: Rig, _: Clock) -> None:
        client = await rig.secured()
        await client.ask("AUTH LOGIN")
        assert (await client.ask("*")).startswith("501 ")
        assert (await client.reply()).startswith("421 4.3.2 ")
        assert await client.ended()

    play(scene, limits="connections = 1")


def test_a_round_of_the_loop_has_few_handshakes_however_many_ask_at_once(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []
    shake_hands = ServerTls.shake_hands

    def counted(tls: ServerTls, ciphertext: bytes | memoryview) -> TlsFacts | None:
        rounds[-1] += 1
        return shake_hands(tls, ciphertext)

    def next_round() -> None:
        rounds.append(0)
        asyncio.get_running_loop().call_soon(next_round)

    async def scene(rig: Rig, _: Clock) -> None:
        monkeypatch.setattr(ServerTls, "shake_hands", counted)
        next_round()
        opened = [asyncio.open_connection("127.0.0.1", rig.implicit) for _ in range(40)]
        writers = [writer for _, writer in await asyncio.gather(*opened)]
        hello, incoming = ssl.MemoryBIO(), ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            rig.trust().wrap_bio(incoming, hello, server_hostname="localhost").do_handshake()
        octets = hello.read()
        while len(rig.reception.sessions) < 40:  # noqa: ASYNC110 - who comes in sets no event
            await asyncio.sleep(0.001)
        for writer in writers:
            writer.write(octets)
        member = await rig.signed_in()
        assert (await member.submit(message())).startswith("250 ")
        assert sum(rounds) >= 42, "all were served"
        assert max(rounds) <= HANDSHAKES
        for writer in writers:
            writer.transport.abort()

    play(scene)


def test_a_client_hello_with_many_groups_is_refused_before_openssl_looks_through_them(play: Play) -> None:
    """For each key share it looks through all groups: 64 KiB of both are a quarter of a second."""

    async def scene(rig: Rig, _: Clock) -> None:
        for octets, is_heard in ((4_000, True), (40_000, False)):
            reader, writer = await asyncio.open_connection("127.0.0.1", rig.implicit)
            writer.write(client_hello(octets))
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                answer = await asyncio.wait_for(reader.read(), 20)
            assert (answer[:1] == b"\x15") is is_heard, "OpenSSL's alert"
            writer.close()
        assert [one.why for one in rig.told.of(TlsFailed)] == ["NO_SUITABLE_KEY_SHARE", "HANDSHAKE_TOO_LONG"]

    play(scene)


def test_who_pipelines_without_end_is_read_from_once_in_a_round(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libuv reads up to 32 times in a round where each read is full: two seconds of work for one member.

    The commands are long: of short ones a read has more than are answered at once, and the next waits for that.
    """
    rounds: list[int] = []
    buffer_updated = Connection.buffer_updated

    def counted(connection: Connection, nbytes: int) -> None:
        rounds[-1] += 1
        buffer_updated(connection, nbytes)

    def next_round() -> None:
        rounds.append(0)
        asyncio.get_running_loop().call_soon(next_round)

    async def scene(rig: Rig, _: Clock) -> None:
        next_round()
        monkeypatch.setattr(Connection, "buffer_updated", counted)
        client = await _begun(rig)
        command = b"RCPT TO:<x@elsewhere.invalid> ORCPT=rfc822;%b\r\n" % (b"x" * 400)
        assert COMMANDS_BUFFER / len(command) < EVENTS_AT_ONCE
        count = 600
        client.send(command * count)
        answers = [await client.reply() for _ in range(count)]
        assert {answer[:4] for answer in answers} == {"550 "}
        assert sum(rounds) >= 10
        assert max(rounds) == 1

    play(scene)


def test_many_commands_of_one_read_are_answered_some_in_a_round(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of recipients in domains that were never seen before were a tenth of a second for everybody."""
    rounds: list[int] = []
    next_event = ServerEngine.next_event

    def counted(engine: ServerEngine) -> object:
        rounds[-1] += 1
        return next_event(engine)

    def next_round() -> None:
        rounds.append(0)
        asyncio.get_running_loop().call_soon(next_round)

    async def scene(rig: Rig, _: Clock) -> None:
        client = await _begun(rig)
        next_round()
        monkeypatch.setattr(ServerEngine, "next_event", counted)
        client.send(b"RCPT TO:<x@elsewhere.invalid>\r\n" * 500)
        answers = [await client.reply() for _ in range(500)]
        assert {answer[:4] for answer in answers} == {"550 "}
        assert sum(rounds) > 500
        assert max(rounds) <= EVENTS_AT_ONCE

    play(scene)


@pytest.mark.parametrize("recipients", [10, 150])
def test_who_says_all_at_once_and_ends_is_answered_to_the_end(play: Play, recipients: int) -> None:
    async def scene(rig: Rig, _: Clock) -> None:
        client = await rig.signed_in()
        content = message()
        lines = ["MAIL FROM:<alice@example.org>", *["RCPT TO:<x@example.net>"] * recipients]
        lines += [f"BDAT {len(content)} LAST", ""]
        client.send("\r\n".join(lines).encode() + content + b"QUIT\r\n")
        client.writer.close()
        while not await rig.waiting():  # noqa: ASYNC110 - what was accepted sets no event
            await asyncio.sleep(0.001)

    play(scene)


def test_who_does_not_take_the_replies_is_not_read_from(play: Play) -> None:
    async def scene(rig: Rig, _: Clock) -> None:
        client = await rig.signed_in()
        (session,) = rig.reception.sessions
        connection = session._connection
        transport = connection._transport
        assert transport is not None
        before = len(rig.told.events)
        connection.pause_writing()
        assert not transport.is_reading()
        client.send("MAIL FROM:<mallory@example.com>")
        other = await rig.signed_in("bob")
        assert (await other.submit(message("bob@example.org"), "bob@example.org")).startswith("250 ")
        assert not any(isinstance(event, Refused) for event in rig.told.events[before:])
        connection.resume_writing()
        assert (await client.reply()).startswith("553 5.7.1 ")

    play(scene)
