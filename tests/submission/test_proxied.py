"""Listeners for load balancers: whose address counts, and what happens to a connection that does not begin so."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sams.activity.events import Proxied, ProxyRefused, SignedIn, SignInRefused
from sams.protocol.proxy import Endpoint
from sams.submission.deadlines import DeadlineWheel
from sams.submission.proxied import ENDED, GAVE_WAY, NOT_NAMED, HeaderGate, Proxies
from tests.submission.rig import Client, Rig, message, plain, serving
from tests.submission.test_deadlines import FakeLoop
from tests.support import proxy_headers as made
from tests.support.certificates import Authority

MEMBER, OTHER, MEMBER6 = (Endpoint(each, 40_000) for each in ("192.0.2.7", "192.0.2.8", "2001:db8::7"))
SERVER, SERVER6 = Endpoint("198.51.100.1", 587), Endpoint("2001:db8:1::1", 587)
BALANCER = 'proxy_protocol = true\nproxy_from = ["127.0.0.0/8"]\n'
HEADERS = [
    pytest.param(made.line(MEMBER, SERVER), MEMBER.address, 1, id="version 1"),
    pytest.param(made.line(MEMBER6, SERVER6), MEMBER6.address, 1, id="version 1, IPv6"),
    pytest.param(made.binary(MEMBER, SERVER), MEMBER.address, 2, id="version 2"),
    pytest.param(made.binary(MEMBER6, SERVER6), MEMBER6.address, 2, id="version 2, IPv6"),
    pytest.param(
        made.binary(Endpoint("::ffff:192.0.2.7", 1), SERVER6, made.field(4, bytes(99))),
        MEMBER.address,
        2,
        id="version 2, mapped, with a field",
    ),
]
Scene = Callable[[Rig], Awaitable[None]]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


@dataclass
class Play:
    """Plays a scene against submission behind a load balancer."""

    folder: Path
    authority: Authority
    loop: Callable[[], asyncio.AbstractEventLoop]

    def __call__(self, scene: Scene, *, listener: str = BALANCER, **settings: str) -> Rig:
        async def whole() -> Rig:
            async with self._serving(listener=listener, **settings) as rig:
                await scene(rig)
            return rig

        with asyncio.Runner(loop_factory=self.loop) as runner:
            return runner.run(whole())

    def _serving(self, **settings: str) -> AbstractAsyncContextManager[Rig]:
        return serving(self.folder, authority=self.authority, **settings)


@pytest.fixture
def play(tmp_path: Path, authority: Authority) -> Play:
    return Play(tmp_path, authority, uvloop.new_event_loop)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def play_on_each(tmp_path: Path, authority: Authority, request: pytest.FixtureRequest) -> Play:
    return Play(tmp_path, authority, request.param)


async def through(rig: Rig, header: bytes, *, port: int | None = None) -> Client:
    """A connection of the balancer that has said nothing but this."""
    reader, writer = await rig.open(port or rig.starttls)
    writer.write(header)
    return Client(rig, reader, writer)


async def greeted(rig: Rig, header: bytes) -> Client:
    client = await through(rig, header)
    assert (await client.reply()).startswith("220 ")
    return client


async def secured(rig: Rig, header: bytes) -> Client:
    client = await greeted(rig, header)
    await client.ask("EHLO client.example.com")
    await client.start_tls()
    await client.ask("EHLO client.example.com")
    return client


@dataclass
class ByHand(Client):
    """Speaks TLS through two buffers, so that a test decides what stands in one segment."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    text: bytes = b""

    async def reply(self) -> str:
        lines = [await self._line()]
        while lines[-1][3:4] == "-":
            lines.append(await self._line())
        return "\n".join(lines)

    async def _line(self) -> str:
        while b"\n" not in self.text:
            try:
                self.text += self.tls.read(65_536)
            except ssl.SSLWantReadError:
                self.incoming.write(await asyncio.wait_for(self.reader.read(65_536), 20))
        line, _, self.text = self.text.partition(b"\n")
        return line.decode().rstrip("\r")

    def send(self, text: str | bytes) -> None:
        self.tls.write(text if isinstance(text, bytes) else text.encode() + b"\r\n")
        self.writer.write(self.outgoing.read())


async def implicit(rig: Rig, header: bytes) -> Client:
    """On the other listener, greeted: header and ClientHello in one segment."""
    reader, writer = await rig.open(rig.implicit)
    spoken = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = rig.trust().wrap_bio(*spoken, server_hostname="localhost")
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            writer.write(header + spoken[1].read())
            header = b""
            spoken[0].write(await asyncio.wait_for(reader.read(65_536), 20))
        else:
            break
    writer.write(spoken[1].read())
    client = ByHand(rig, reader, writer, tls, *spoken)
    assert (await client.reply()).startswith("220 ")
    return client


@pytest.mark.parametrize(("header", "address", "version"), HEADERS)
def test_the_address_in_the_header_is_the_one_address_from_then_on(
    play: Play, header: bytes, address: str, version: int
) -> None:
    async def scene(rig: Rig) -> None:
        client = await secured(rig, header)
        (session,) = rig.reception.sessions
        assert session.address == address
        assert (await client.ask(plain("alice"))).startswith("235 ")
        assert (await client.submit(message())).startswith("250 ")
        (work,) = rig.submitted
        assert work.content is not None
        assert f"({literal(address)})".encode() in work.content.head
        assert b"127.0.0.1" not in work.content.head

    rig = play(scene, tables="[trace]\nclient_address = true\n")
    assert rig.told.clients == [address]
    assert rig.told.of(Proxied) == [Proxied("127.0.0.1", version)]


@pytest.mark.parametrize(("header", "address", "version"), HEADERS)
def test_before_implicit_tls_the_header_is_in_clear_and_nothing_behind_it_is_lost(
    play_on_each: Play, header: bytes, address: str, version: int
) -> None:
    async def scene(rig: Rig) -> None:
        client = await implicit(rig, header)
        await client.ask("EHLO client.example.com")
        assert (await client.ask(plain("alice"))).startswith("235 ")

    rig = play_on_each(scene)
    assert rig.told.clients == [address]
    assert [event.version for event in rig.told.of(Proxied)] == [version]
    assert len(rig.told.of(SignedIn)) == 1


def test_what_is_sent_with_the_header_is_answered_after_the_greeting(play_on_each: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await greeted(rig, made.binary(MEMBER, SERVER) + b"EHLO client.example.com\r\nNOOP\r\n")
        assert (await client.reply()).startswith("250-")
        assert (await client.reply()).startswith("250 2.0.0 ")

    play_on_each(scene)


def test_many_at_once_are_each_served_as_who_they_are(play_on_each: Play) -> None:
    members = [Endpoint(f"192.0.2.{number}", 1) for number in range(1, 13)]

    async def scene(rig: Rig) -> None:
        clients = await asyncio.gather(*(implicit(rig, made.binary(member, SERVER)) for member in members))
        replies = await asyncio.gather(*(client.ask("EHLO client.example.com") for client in clients))
        assert all("AUTH PLAIN" in each for each in replies)

    rig = play_on_each(scene)
    assert sorted(rig.told.clients) == sorted(member.address for member in members)


def test_nothing_is_said_before_the_header_is_whole(play_on_each: Play) -> None:
    async def scene(rig: Rig) -> None:
        header = made.line(MEMBER, SERVER)
        client = await through(rig, header[:-1])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.read(1), 0.1)
        client.send(header[-1:])
        assert (await client.reply()).startswith("220 ")

    play_on_each(scene)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        pytest.param(b"EHLO client.example.com\r\n", "does not begin", id="absent"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "does not begin"),
        (b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n", "address"),
        (b"PROXY UNKNOWN " + b"x" * 100, "more than 107"),
        (made.frame(made.PROXY, made.TCP4, length=65_535), "more than 4096"),
        (made.frame(made.PROXY, made.TCP4, bytes(12) + b"\1\0\x09x"), "do not fit"),
        (b"PROXY TCP4 192.0.2.7", ENDED),
        (b"", ENDED),
    ],
)
@pytest.mark.parametrize("is_implicit", [False, True], ids=["starttls", "implicit"])
def test_a_wrong_or_missing_header_closes_without_a_reply_and_is_told(
    play: Play, octets: bytes, why: str, *, is_implicit: bool
) -> None:
    async def scene(rig: Rig) -> None:
        client = await through(rig, octets, port=rig.implicit if is_implicit else None)
        if why == ENDED:
            client.writer.write_eof()
        assert await is_over(client)
        await until(lambda: bool(rig.told.ended))
        assert places(rig) == 0

    rig = play(scene)
    (event,) = rig.told.of(ProxyRefused)
    assert why in event.why
    assert rig.told.clients == ["127.0.0.1"]
    assert rig.told.ended == ["proxy"]


def literal(address: str) -> str:
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


async def is_over(client: Client) -> bool:
    """Whether nothing came, and the connection ended."""
    try:
        return await asyncio.wait_for(client.reader.read(1), 20) == b""
    except ConnectionResetError:
        return True


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is looked for sets no event
            await asyncio.sleep(0.01)


def places(rig: Rig) -> int:
    """Connections of the worker, as admission counts them."""
    return int(rig.reception.house.services.admission._connections[0])


@pytest.mark.parametrize(
    "header", [made.line(MEMBER, SERVER), made.frame(made.LOCAL, 0), b""], ids=["member", "own", "nothing"]
)
def test_a_header_is_believed_from_the_named_networks_only(play: Play, header: bytes) -> None:
    async def scene(rig: Rig) -> None:
        client = await through(rig, header)
        assert await is_over(client)
        await until(lambda: bool(rig.told.ended))
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.starttls, local_addr=("127.0.0.9", 0))
        rig.writers.append(writer)
        writer.write(made.line(MEMBER, SERVER))
        assert (await Client(rig, reader, writer).reply()).startswith("220 ")

    rig = play(scene, listener='proxy_protocol = true\nproxy_from = ["127.0.0.8/30"]\n')
    assert rig.told.of(ProxyRefused) == [ProxyRefused(NOT_NAMED)]
    assert rig.told.clients == ["127.0.0.1", MEMBER.address]


def test_strangers_at_a_listener_for_load_balancers_fill_the_journal_no_faster_than_elsewhere(
    play: Play,
) -> None:
    async def scene(rig: Rig) -> None:
        for _ in range(10):
            assert await is_over(await through(rig, b""))
        assert places(rig) == 0

    rig = play(
        scene,
        listener='proxy_protocol = true\nproxy_from = ["127.0.0.9"]\n',
        limits="new_connections_per_minute = 3\n",
    )
    assert len(rig.told.of(ProxyRefused)) == 3


def test_the_caps_are_each_clients_and_never_the_balancers(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        clients = [Endpoint(f"192.0.2.{number}", 1) for number in range(1, 21)]
        for client in clients:
            await greeted(rig, made.binary(client, SERVER))
        await greeted(rig, made.binary(clients[0], SERVER))
        refused = await through(rig, made.binary(clients[0], SERVER))
        assert (await refused.reply()).startswith("421 4.7.0 Too many connections from your address")

    play(scene, limits="connections_per_address = 2\nnew_connections_per_minute = 5\n")


def test_a_signed_in_client_leaves_its_own_count_and_no_other(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        for _ in range(3):
            client = await secured(rig, made.line(MEMBER, SERVER))
            assert (await client.ask(plain("alice"))).startswith("235 ")
        await greeted(rig, made.line(MEMBER, SERVER))
        refused = await through(rig, made.line(MEMBER, SERVER))
        assert (await refused.reply()).startswith("421 ")

    play(scene, limits="connections_per_address = 1\n")


def test_wrong_passwords_lock_the_clients_address_and_nobody_elses(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        guessing = await secured(rig, made.line(MEMBER, SERVER))
        for guess in ("wrong", "wrong again"):
            assert (await guessing.ask(plain("alice", guess))).startswith("535 ")
        locked = await secured(rig, made.line(MEMBER, SERVER))
        assert (await locked.ask(plain("alice"))).startswith("454 ")
        other = await secured(rig, made.line(OTHER, SERVER))
        assert (await other.ask(plain("alice"))).startswith("235 ")

    rig = play(scene, tables="pair_failures = 2\n")
    assert [event.why for event in rig.told.of(SignInRefused)] == ["password", "password", "locked"]


def test_the_allowed_networks_are_those_of_clients(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        for _ in range(5):
            await greeted(rig, made.line(MEMBER, SERVER))
        await greeted(rig, made.line(OTHER, SERVER))
        refused = await through(rig, made.line(OTHER, SERVER))
        assert (await refused.reply()).startswith("421 ")

    play(scene, limits="connections_per_address = 1\n", tables='allow = ["192.0.2.7", "127.0.0.0/8"]\n')


def test_a_second_header_is_a_command_that_nobody_knows(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        client = await greeted(rig, made.line(MEMBER, SERVER) + made.line(OTHER, SERVER))
        (session,) = rig.reception.sessions
        assert session.address == MEMBER.address
        assert (await client.reply()).startswith("500 5.5.1 ")
        twice = await greeted(rig, made.binary(MEMBER, SERVER) + made.binary(OTHER, SERVER) + b"\r\nNOOP\r\n")
        assert (await twice.reply()).startswith("50")
        assert {each.address for each in rig.reception.sessions} == {MEMBER.address}

    rig = play(scene)
    assert len(rig.told.of(Proxied)) == 2


@pytest.mark.parametrize(
    "header",
    [
        made.frame(made.LOCAL, made.UNSPEC),
        made.frame(made.LOCAL, made.TCP4, bytes([192, 0, 2, 7]) + bytes(8)),
        made.frame(made.PROXY, made.UNSPEC),
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 40000 587\r\n",
    ],
)
def test_a_connection_of_the_balancers_own_is_served_without_a_sign_in_and_without_caps(
    play: Play, header: bytes
) -> None:
    async def scene(rig: Rig) -> None:
        for _ in range(4):
            await greeted(rig, header)
        client = await greeted(rig, header)
        await client.ask("EHLO balancer.example.com")
        await client.start_tls()
        assert "AUTH" not in await client.ask("EHLO balancer.example.com")
        assert (await client.ask(plain("alice"))).startswith("504 5.5.4 ")
        assert (await client.ask("MAIL FROM:<alice@example.org>")).startswith("530 5.7.0 ")
        assert (await client.ask("QUIT")).startswith("221 ")
        member = await greeted(rig, made.line(Endpoint("127.0.0.1", 1), SERVER))
        assert "STARTTLS" in await member.ask("EHLO client.example.com")

    rig = play(scene, limits="connections_per_address = 1\nnew_connections_per_minute = 1\n")
    assert set(rig.told.clients) == {"127.0.0.1"}
    assert {event.own for event in rig.told.of(Proxied)[:5]} == {True}
    assert rig.told.of(ProxyRefused) == []


def test_where_all_places_are_taken_the_oldest_without_a_header_gives_way(play_on_each: Play) -> None:
    async def scene(rig: Rig) -> None:
        waiting = []
        for number in range(1, 4):
            waiting.append(await through(rig, b""))
            await until(lambda number=number: places(rig) == number)  # type: ignore[misc]
        late = await through(rig, b"")
        assert await is_over(waiting[0])
        await until(lambda: places(rig) == 3)
        for client in (waiting[1], late):
            client.send(made.line(MEMBER, SERVER))
            assert (await client.reply()).startswith("220 ")
        for client in (*waiting, late):
            client.close()
        await until(lambda: places(rig) == 0)

    rig = play_on_each(scene, limits="connections = 3\nconnections_per_address = 3\n")
    assert {event.why for event in rig.told.of(ProxyRefused)} == {GAVE_WAY, ENDED}


def test_all_that_a_gate_had_goes_with_it(play_on_each: Play) -> None:
    def kept() -> int:
        return sum(isinstance(one, HeaderGate) for one in gc.get_objects())

    async def scene(rig: Rig) -> None:
        gc.collect()
        gc.disable()
        try:
            for octets in (made.line(MEMBER, SERVER) + b"QUIT\r\n", b"EHLO x\r\n", b"PROXY"):
                client = await through(rig, octets)
                if octets == b"PROXY":
                    client.writer.write_eof()
                await asyncio.wait([asyncio.ensure_future(client.reader.read())])
                client.close()
            await until(lambda: not kept() and places(rig) == 0)
        finally:
            gc.enable()

    play_on_each(scene)


def test_no_command_changes_the_address(play: Play) -> None:
    commands = ("XCLIENT ADDR=192.0.2.9", "XFORWARD ADDR=192.0.2.9", "PROXY TCP4 192.0.2.9 192.0.2.1 1 2")

    async def scene(rig: Rig) -> None:
        for listener in (rig.starttls, rig.implicit):
            header = made.line(MEMBER, SERVER)
            client = await (secured(rig, header) if listener == rig.starttls else implicit(rig, header))
            offered = await client.ask("EHLO client.example.com")
            assert not {"XCLIENT", "XFORWARD", "PROXY"} & set(offered.replace("\n", " ").split())
            for command in commands:
                assert (await client.ask(command)).startswith("500 5.5.1 ")
            assert (await client.ask(plain("alice"))).startswith("235 ")
            for command in commands:
                assert (await client.ask(command)).startswith("500 5.5.1 ")
        assert {session.address for session in rig.reception.sessions} == {MEMBER.address}

    play(scene)


# --- what takes time, on a clock turned by hand


class _Transport(asyncio.Transport):
    """One end of nothing."""

    def __init__(self, peer: tuple[str, int] | None = ("10.0.0.11", 1)) -> None:
        super().__init__({"peername": peer})
        self.aborted = False
        self.protocol: object = None

    def abort(self) -> None:
        self.aborted = True

    def set_protocol(self, protocol: object) -> None:
        self.protocol = protocol


class _Connection:
    """What stands in the gate's place, with all that it was handed."""

    def __init__(self, buffer: memoryview) -> None:
        self.buffer = buffer
        self.octets = b""

    def connection_made(self, transport: _Transport) -> None:
        assert transport.protocol is self

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.octets += bytes(self.buffer[:nbytes])


@dataclass
class _House:
    """A listener and its reception, as far as a gate knows them."""

    wheel: DeadlineWheel
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(256)))
    held: int = 0
    told: list[tuple[str, str]] = field(default_factory=list)

    def hold(self, _gate: HeaderGate) -> bool:
        self.held += 1
        return True

    def let_go(self, _gate: HeaderGate) -> None:
        self.held -= 1

    def refused(self, address: str, why: str) -> None:
        self.told.append((address, why))

    def connection(self, _door: object) -> _Connection:
        return _Connection(self.buffer)


def gate_of(house: _House, transport: _Transport) -> HeaderGate:
    """That of a connection which was made just now."""
    gate = HeaderGate(house, Proxies(lambda _: True, 5.0), house)  # type: ignore[arg-type] # as far as it is used
    gate.connection_made(transport)
    return gate


def test_what_stands_behind_the_header_is_handed_on_wherever_the_octets_were_cut() -> None:
    house = _House(DeadlineWheel(FakeLoop(), lambda error: pytest.fail(str(error))))
    rest = made.line(OTHER, SERVER) + b"EHLO client.example.com\r\n"
    octets = made.binary(MEMBER, SERVER) + rest
    for cut in range(len(octets) + 1):
        transport = _Transport()
        protocol: Any = gate_of(house, transport)
        for piece in (octets[:cut], octets[cut:]):
            protocol.get_buffer(-1)[: len(piece)] = piece
            protocol.buffer_updated(len(piece))
            protocol = transport.protocol or protocol
        assert protocol.octets == rest
    assert house.held == 0
    assert house.told == []


def test_a_connection_that_is_gone_when_it_is_made_is_nobodys_and_is_not_told() -> None:
    house = _House(DeadlineWheel(FakeLoop(), lambda error: pytest.fail(str(error))))
    transport = _Transport(None)
    gate_of(house, transport).connection_lost(None)
    assert transport.aborted
    assert (house.held, house.told) == (0, [])


def test_a_header_that_comes_octet_by_octet_has_one_short_time_in_all() -> None:
    loop = FakeLoop()
    house = _House(DeadlineWheel(loop, lambda error: pytest.fail(str(error))))
    transport = _Transport()
    gate = gate_of(house, transport)
    for number, octet in enumerate(b"PROXY"):
        gate.get_buffer(-1)[0] = octet
        gate.buffer_updated(1)
        loop.turn_to(100.9 + number)
    assert (transport.aborted, house.held) == (False, 1)
    loop.turn_to(106.5)
    assert transport.aborted
    gate.connection_lost(None)
    assert house.held == 0
    assert house.told == [("10.0.0.11", "no whole header came within 5 s")]
    assert gate.wheel_slot is None
