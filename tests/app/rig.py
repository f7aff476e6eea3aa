"""A whole worker in this process, between a client that the test plays and a scripted next hop."""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from sams.activity.interface import Search as ActivitySearch
from sams.activity.lines import Lines
from sams.activity.logs import FactLog, make_logger
from sams.activity.reader import JournalReader, journal_files
from sams.app import parts
from sams.app.inherited import Inherited, make_memory, open_listeners
from sams.app.worker import WorkerGraph
from sams.config.loading import parse
from sams.core.clock import SystemClock
from sams.core.errors import OperatorError
from sams.identity.accounts.store import AccountStore
from sams.identity.passwords.hashes import HashCost, Hashes
from sams.service.material import Material
from tests.support.certificates import Authority
from tests.support.next_hop import NextHop
from tests.support.service import free_ports

PASSWORD = "a-long-enough-secret"
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
port = {port}
[accounts]
domains = ["example.org"]
[[route]]
domains = ["example.org"]
type = "maildir"
path = "{folder}/Maildir"
[[route]]
name = "hub"
domains = ["*"]
hosts = ["localhost:{hop}"]
{route}
[limits]
min_free = "1 MiB"
[retry]
first = "1 s"
longest = "1 s"
{tables}
"""
_T = TypeVar("_T")


class LogLines(Lines):
    """The log, kept."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.lines: list[dict[str, object]] = []

    def later(self, line: bytes, *, urgent: bool = False) -> None:
        del urgent
        self.lines.append(json.loads(line))

    def msg(self, line: bytes) -> None:
        self.later(line)

    debug = info = warning = error = critical = msg


@dataclass
class Rig:
    """A running worker."""

    folder: Path
    port: int
    authority: Authority
    worker: WorkerGraph
    material: Material
    accounts: AccountStore
    log: LogLines = field(default_factory=LogLines)
    is_stopped: bool = False

    async def stop(self, grace: float) -> None:
        """As SIGTERM does."""
        self.is_stopped = True
        await self.worker.stop(grace)

    async def play(self, scene: Callable[[smtplib.SMTP], _T], login: str = "alice") -> _T:
        """What a mail program does, on a thread of its own."""
        return await asyncio.to_thread(self._play, scene, login)

    def _play(self, scene: Callable[[smtplib.SMTP], _T], login: str) -> _T:
        trust = ssl.create_default_context()
        self.authority.ca.configure_trust(trust)
        with smtplib.SMTP("localhost", self.port, timeout=20) as client:
            client.starttls(context=trust)
            client.login(login, PASSWORD)
            return scene(client)

    def reload(self, *changes: tuple[str, str]) -> None:
        """Take in a configuration with changes: (what stands there, what shall stand there)."""
        path = self.folder / "sams.toml"
        text = path.read_text()
        for before, after in changes:
            assert before in text, before
            text = text.replace(before, after)
        self.worker.reload(replace(self.material, config=parse(text.encode(), path).config))

    async def mailbox(self, count: int = 1) -> list[str]:
        """What lies in the Maildir, once it is so much."""
        box = self.folder / "Maildir" / "new"
        while not box.is_dir() or len(list(box.iterdir())) < count:  # noqa: ASYNC110 - a folder tells of no event
            await asyncio.sleep(0.01)
        return [path.read_text() for path in sorted(box.iterdir())]

    def story(self, **search: str) -> str:
        """What the journal knows."""
        reader = JournalReader(lambda: journal_files(self.folder))
        try:
            return repr(reader.search(ActivitySearch(**search)).entries)  # type: ignore[arg-type]
        finally:
            reader.close()


@asynccontextmanager
async def worker(
    folder: Path, hop: NextHop, *, route: str = "", tables: str = "", passwords: dict[str, str] | None = None
) -> AsyncIterator[Rig]:
    """A worker that relays to the hop, with the account alice."""
    (port,) = free_ports(1)
    folder = folder / "data"
    folder.mkdir(mode=0o700, exist_ok=True)
    text = CONFIGURATION.format(folder=folder, port=port, hop=hop.port, route=route, tables=tables)
    (folder / "sams.toml").write_text(text)
    config = parse(text.encode(), folder / "sams.toml").config
    clock, lines, authority = SystemClock(), LogLines(), Authority.make()
    log = make_logger("info", people=False, clock=clock, lines=lines)
    accounts = AccountStore(
        parts.accounts_path(config), clock, Hashes(HashCost(memory=64, passes=1, scram_iterations=16))
    )
    accounts.prepare()
    if not accounts.list():
        accounts.add("alice", PASSWORD, ["alice@example.org"])
    material = Material(config, (authority.host("smtp.example.org", "localhost"),), passwords or {})
    inherited = Inherited(
        material=material,
        config_path=folder / "sams.toml",
        clock=clock,
        log=log,
        listeners=open_listeners(material, 1, []),
        memory=make_memory(config, clock),
        workers=1,
        started=clock.now(),
        facts=FactLog(log, "info", people=False, lines=lines),
    )
    graph = WorkerGraph(inherited, 0, _no_reload)
    await graph.start()
    rig = Rig(folder, port, authority, graph, material, accounts, lines)
    try:
        yield rig
    finally:
        if not rig.is_stopped:
            await rig.stop(5.0)


async def _no_reload() -> tuple[str, ...]:
    raise OperatorError("nobody reads it here")
