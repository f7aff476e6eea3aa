"""The whole of submission on loopback, with a real spool and real accounts, and nothing behind the spool."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sams.activity.events import Event
from sams.activity.lines import Lines
from sams.activity.logs import FactLog, make_logger
from sams.app import parts, settings
from sams.app.doors import Entrances
from sams.app.inherited import Inherited, make_memory, open_listeners
from sams.app.sign_ins import SignIns
from sams.config.loading import parse
from sams.core.clock import SystemClock
from sams.core.courtesy import Courtesy
from sams.core.ids import IdMaker, new_reference
from sams.core.turns import Share
from sams.identity.accounts.store import AccountStore
from sams.identity.passwords.hashes import HashCost, Hashes
from sams.policy.senders import SenderPolicy
from sams.protocol.sasl.interface import SecurityContext
from sams.protocol.sasl.registry import all_mechanisms
from sams.service.material import Material
from sams.service.tls_contexts import ClientAuthority
from sams.spool.interface import Search, Work
from sams.spool.sqlite import SqliteSpool, open_shard
from sams.submission.composition import Composer
from sams.submission.reception import House, ListenerDoor, Reception
from sams.submission.services import Services
from sams.submission.sign_in import DECIDED_AT_ONCE
from tests.support.certificates import Authority
from tests.support.service import free_ports

PASSWORD = "a-long-enough-secret"
CHEAP = HashCost(memory=64, passes=1, scram_iterations=16)
CONFIGURATION = """
[server]
name = "smtp.example.org"
data_dir = "{folder}"
workers = 0
[tls]
certificate = "unused.pem"
private_key = "unused.pem"
[[listener]]
address = "127.0.0.1"
port = {starttls}
{listener}
[[listener]]
address = "127.0.0.1"
port = {implicit}
security = "implicit"
{listener}
[accounts]
domains = ["example.org"]
[[route]]
domains = ["*.example.net", "example.net"]
name = "hub"
hosts = ["127.0.0.1:25"]
[limits]
min_free = "1 MiB"
{limits}
[guard]
failure_delay = "0 s"
{tables}
"""


class Told:
    """An activity that keeps what it is told."""

    def __init__(self) -> None:
        self.clients: list[str] = []
        self.events: list[Event] = []
        self.ended: list[str] = []

    def session(self, session_id: str, client: str, port: int, *, implicit: bool = False) -> ToldSession:
        self.clients.append(client)
        return ToldSession(self, session_id)

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def tick(self) -> None:
        """Nothing is kept back."""

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class ToldSession:
    told: Told
    id: str

    def tell(self, event: Event) -> None:
        self.told.events.append(event)

    def end(self, how: str, commands: int = 0) -> None:
        self.told.ended.append(how)


@dataclass
class Rig:
    """What a test can look at.

    rooms: what the next messages have to wait for, the last one first.
    renew_certificates: a reload with new certificates of ours.
    """

    starttls: int
    implicit: int
    authority: Authority
    accounts: AccountStore
    spool: SqliteSpool
    told: Told
    reception: Reception
    submitted: list[Work] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    rooms: list[asyncio.Future[None]] = field(default_factory=list)
    uses: list[tuple[str, str, str]] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    renew_certificates: Callable[[], None] = field(default=lambda: None)

    async def open(
        self, port: int, tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection that is closed with the rig."""
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
        self.writers.append(writer)
        return reader, writer

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.ca.configure_trust(context)
        return context

    async def connect(self, *, implicit: bool = False, tls: ssl.SSLContext | None = None) -> Client:
        """A connection whose greeting was read. tls: in place of `trust`, where TLS is from the start."""
        port = self.implicit if implicit else self.starttls
        tls = tls or self.trust() if implicit else None
        reader, writer = await self.open(port, tls)
        client = Client(self, reader, writer)
        assert (await client.reply()).startswith("220 ")
        return client

    async def secured(self, tls: ssl.SSLContext | None = None) -> Client:
        client = await self.connect(implicit=True, tls=tls)
        await client.ask("EHLO client.example.com")
        return client

    async def signed_in(self, login: str = "alice") -> Client:
        client = await self.secured()
        assert (await client.ask(plain(login))).startswith("235 2.7.0 ")
        return client

    async def waiting(self) -> list[str]:
        return [entry.message.id for entry in await self.spool.search(Search(), None, 100)]


@dataclass
class Client:
    rig: Rig
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def reply(self) -> str:
        """The next reply, its lines joined."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 20)).decode().rstrip("\r\n")
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    async def ask(self, text: str | bytes) -> str:
        self.send(text)
        return await self.reply()

    def send(self, text: str | bytes) -> None:
        self.writer.write(text if isinstance(text, bytes) else text.encode() + b"\r\n")

    async def start_tls(self) -> None:
        assert (await self.ask("STARTTLS")).startswith("220 ")
        await self.writer.start_tls(self.rig.trust(), server_hostname="localhost")

    async def submit(self, content: bytes, sender: str = "alice@example.org", *recipients: str) -> str:
        """One transaction by DATA; the last reply."""
        for to in (
            "MAIL FROM:<" + sender + ">",
            *[f"RCPT TO:<{one}>" for one in recipients or ("x@example.net",)],
        ):
            answer = await self.ask(to)
            if not answer.startswith("250"):
                return answer
        answer = await self.ask("DATA")
        return await self.ask(content + b"\r\n.\r\n") if answer.startswith("354") else answer

    async def ended(self) -> bool:
        """Whether the server closed."""
        return await asyncio.wait_for(self.reader.read(), 20) == b""

    def close(self) -> None:
        self.writer.transport.abort()


def plain(login: str, password: str = PASSWORD, authzid: str = "") -> str:
    return "AUTH PLAIN " + base64.b64encode(f"{authzid}\0{login}\0{password}".encode()).decode()


def message(sender: str = "alice@example.org", subject: str = "hello", body: bytes = b"Hello.") -> bytes:
    return f"From: {sender}\r\nTo: x@example.net\r\nSubject: {subject}\r\n\r\n".encode() + body


@dataclass(frozen=True)
class Proofs:
    """What sign-ins by other than a password lean on.

    clients: whose client certificates all listeners take. accept_context: of a realm. cost: of passwords' keys.
    """

    clients: ClientAuthority | None = None
    accept_context: Callable[[], SecurityContext] | None = None
    cost: HashCost = CHEAP


@asynccontextmanager
async def serving(
    folder: Path,
    proofs: Proofs = Proofs(),
    /,
    *,
    limits: str = "",
    listener: str = "",
    tables: str = "",
    authority: Authority | None = None,
) -> AsyncIterator[Rig]:
    """Submission as the configuration says, with the accounts alice and bob."""
    authority = authority or Authority.make()
    starttls, implicit = free_ports(2)
    folder = folder / "data"
    folder.mkdir(mode=0o700, exist_ok=True)
    text = CONFIGURATION.format(
        folder=folder, starttls=starttls, implicit=implicit, limits=limits, listener=listener, tables=tables
    )
    config = parse(text.encode(), folder / "sams.toml").config
    clock = SystemClock()
    lines = Lines(2)
    log = make_logger("error", people=True, clock=clock, lines=lines)
    host = authority.host("smtp.example.org", "localhost")
    material = Material(config, (host,), {}, clients=len(config.listeners) * (proofs.clients,))
    accounts = AccountStore(parts.accounts_path(config), clock, Hashes(proofs.cost))
    accounts.add("alice", PASSWORD, ["alice@example.org"])
    accounts.add("bob", PASSWORD, ["bob@example.org", "*@lab.example.org"], ["alice@example.org"])
    inherited = Inherited(
        material,
        folder,
        clock,
        log,
        open_listeners(material, 1, []),
        make_memory(config, clock),
        1,
        clock.now(),
        FactLog(log, "error", people=True, lines=lines),
    )
    spool = open_shard(folder, 0, clock, settings.spool_settings(config, Courtesy()))
    told, submitted, notices = Told(), list[Work](), list[tuple[str, str]]()
    rooms: list[asyncio.Future[None]] = []
    uses: list[tuple[str, str, str]] = []
    sign_ins = SignIns(inherited, 0, lambda _: None, told.tell)
    mechanisms = all_mechanisms()
    senders = SenderPolicy(config.senders)
    services = Services(
        name=config.server.name,
        authenticator=sign_ins.authenticator,
        sign_ins=Share(asyncio.get_running_loop(), DECIDED_AT_ONCE),
        mechanisms=mechanisms,
        admission=parts.admission(inherited, 0),
        senders=senders,
        quota=parts.quota(inherited),
        spool=spool,
        route_of=settings.route_table(config).route_of,
        submit=submitted.extend,
        room_for=lambda _: rooms.pop() if rooms else None,
        activity=told,
        log=log,
        clock=clock,
        session_ids=IdMaker(clock, 0),
        header_limits=settings.header_limits(config),
        mime_limits=settings.mime_limits(config),
        composer=Composer(config.server.name, senders, config.trace),
        reference=new_reference,
        notice=lambda identity, text: notices.append((identity.login, text)),
        alarm=lambda kind, text, login: None,
        note_use=lambda password_id, address, program: uses.append((password_id, address, program)),
    )
    bugs: list[Exception] = []
    entrances = Entrances(mechanisms, proofs.accept_context, clock.now)
    reception = Reception(
        asyncio.get_running_loop(), House(services, settings.time_limits(config)), bugs.append
    )
    doors = [
        (
            ListenerDoor(
                reception,
                open_one.listener.port,
                open_one.tls.context,
                entrances.make(config, open_one.listener, open_one.tls, sources=sign_ins.sources),
                settings.proxies(config, open_one.listener),
            ),
            open_one.sockets[0],
        )
        for open_one in inherited.listeners
    ]
    await reception.listen(doors)

    def renew_certificates() -> None:
        inherited.renew(replace(material, hosts=(authority.host("smtp.example.org", "localhost"),)))
        for (door, _), one in zip(doors, inherited.listeners, strict=True):
            made = entrances.make(
                config, one.listener, one.tls, sources=sign_ins.sources, before=door.entrance
            )
            door.context, door.entrance = one.tls.context, made

    rig = Rig(
        starttls, implicit, authority, accounts, spool, told, reception, submitted, notices, rooms, uses
    )
    rig.renew_certificates = renew_certificates
    try:
        yield rig
    finally:
        for writer in rig.writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)
        await reception.close(0.2)
        reception.cut()
        await sign_ins.close()
        await spool.close()
    assert bugs == []
