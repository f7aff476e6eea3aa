"""A worker's delivery between two routes, one of which leads to a bad next hop, with hours that pass in a moment.

Everything is as in the service but for the disk and the network: scheduler, pool, connector, client engine, reports,
log and journal. The hops are scripted servers at the other end of a `Wire`.
"""

from __future__ import annotations

import asyncio
import email
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

from sams.activity.events import Alarmed, Attempted, ServiceChanged, ServiceEvent
from sams.activity.logs import FactLog, make_logger
from sams.activity.metrics import Board
from sams.activity.recorder import Recorder
from sams.activity.rows import Row
from sams.core.address import Mailbox, parse_mailbox
from sams.core.envelope import Notify, Recipient
from sams.delivery.backoff import RetryPolicy
from sams.delivery.bounces import Bounces, ReportSettings
from sams.delivery.connection import Connector
from sams.delivery.hop_settings import HopAddress, RouteSettings, Security
from sams.delivery.interface import AttemptResult
from sams.delivery.pool import HopPool
from sams.delivery.routes import Route, RouteTable
from sams.delivery.scheduler import Scheduler
from sams.delivery.smarthost import Smarthost
from sams.delivery.window import Window
from sams.spool.interface import Content, MessageFacts, NewMessage, NewRecipient, Search, Work
from tests.app.rig import LogLines
from tests.delivery.fake_spool import FakeSpool, MemoryBody
from tests.delivery.rig import LoopClock, ScriptedHop
from tests.support.next_hop import NextHop, ReceivedMail
from tests.support.wire import WireLoop

HOUR = 3_600.0
POLICY = RetryPolicy(longest=HOUR / 3, expire=HOUR, delay_notice=HOUR / 4)
HUB_PORT = 25
PLAIN = MessageFacts()
_STATUS = re.compile(r"\nFinal-Recipient: rfc822; (\S+)\r\nAction: (\w+)\r\nStatus: (\S+)\r\n")


class Journal:
    """Keeps the rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def next_number(self, now: float) -> int:
        del now
        return len(self.rows)

    def put(self, row: Row) -> None:
        self.rows.append(row)

    def take_lost(self) -> int:
        return 0


@dataclass
class Quick(ScriptedHop):
    """The other route: takes all, at once; keeps the reports that it is given, and when the rest came."""

    reports: list[tuple[str, str]] = field(default_factory=list)
    came: list[float] = field(default_factory=list)

    async def deliver(self, work: Work, content: Content) -> AttemptResult:
        if work.message.reverse_path is None:
            to = str(work.recipients[0].recipient.mailbox)
            self.reports.append((to, (content.head + (content.body.in_memory() or b"")).decode()))
        else:
            self.came.append(asyncio.get_running_loop().time())
        return await super().deliver(work, content)


class World:
    """The house, with `hops` behind the route `hub` and a good hop behind `quick`."""

    def __init__(self, loop: WireLoop, *hops: NextHop | None, seed: int = 4, **settings: Any) -> None:
        """hops: each listens on a port of its own; None: refuses connections. settings: of the route."""
        self.loop, self.hops = loop, hops
        self.clock = LoopClock()
        self.spool = FakeSpool(self.clock)
        self.events: list[ServiceEvent] = []
        self.faults: list[BaseException] = []
        self.log, self.journal, self.quick = LogLines(), Journal(), Quick(is_final=True)
        for place, hop in enumerate(hops):
            if hop is not None:
                loop.peers[HUB_PORT + place] = hop.session
        names = tuple(HopAddress("localhost", HUB_PORT + place) for place in range(len(hops)))
        about = RouteSettings("hub", names, "me.example.org", **{"security": Security.NONE, **settings})
        connector = Connector(about, resolve=_loopback)
        self.smarthost = Smarthost(HopPool(about, connector, self.clock), self.clock)
        self.table = RouteTable([Route("quick", ("example.ac.uk", "quick.example")), Route("hub", ("*",))])
        logger = make_logger("debug", people=False, clock=self.clock, lines=self.log)
        self._recorder = Recorder(
            clock=self.clock,
            journal=self.journal,
            log=logger,
            facts=FactLog(logger, "debug", people=False, lines=self.log),
            metrics=Board(1).slot(0),
            on_alarm=lambda _: None,
        )
        self.window = Window()
        self.scheduler = Scheduler(
            clock=self.clock,
            policy=POLICY,
            reporter=Bounces(
                ReportSettings("me.example.org", parse_mailbox("postmaster@example.ac.uk"), POLICY.expire),
                self.clock,
                self.table.route_of,
            ),
            tell=self._tell,
            faulted=lambda _, error: self.faults.append(error),
            window=self.window,
            draw=random.Random(seed).random,
        )
        self.scheduler.adopt(self.spool)
        self.scheduler.set_routes(self.table, {"hub": self.smarthost, "quick": self.quick})
        self.scheduler.start()

    def _tell(self, event: ServiceEvent) -> None:
        self.events.append(event)
        self._recorder.tell(event)

    async def send(
        self,
        *recipients: str,
        sender: str | None = "ann@example.ac.uk",
        body: bytes = b"text\r\n",
        facts: MessageFacts = PLAIN,
        login: str = "ann",
        notify: Notify | None = None,
        **more: Any,
    ) -> str:
        """Accept a message; its id."""
        path: Mailbox | None = parse_mailbox(sender) if sender else None
        mailboxes = [parse_mailbox(each) for each in recipients]
        message = NewMessage(
            id=self.spool.next_id(),
            login=login,
            session="S",
            reverse_path=path,
            recipients=tuple(
                NewRecipient(Recipient(each, notify), self.table.route_of(each.domain) or "")
                for each in mailboxes
            ),
            head=b"Subject: x\r\n\r\n",
            body=MemoryBody(body),
            arrived=self.clock.now(),
            facts=facts,
            **more,
        )
        self.scheduler.submit(await self.spool.accept(message), self.spool)
        return message.id

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, with a message for the other route every ten minutes."""
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            began = self.loop.time()
            await self.send("z@quick.example", login="zoe")
            await asyncio.sleep(min(600.0, end - began))
            assert self.quick.came[-1] - began < 0.1, "the other route waited"

    async def close(self) -> None:
        """Stop as the service does."""
        await self.scheduler.drain(1.0)
        await asyncio.sleep(1.0)
        await asyncio.wait_for(self.spool.search(Search(), None, 1), 1.0)

    # ---- what was told

    @property
    def attempts(self) -> list[Attempted]:
        """All attempts by the route to the bad hop."""
        return [each for each in self.events if isinstance(each, Attempted) and each.route == "hub"]

    def first(self) -> dict[str, str]:
        """What the first attempt told of each recipient (by its local part): its result, and what was said."""
        told: dict[str, str] = {}
        for attempt in self.attempts:
            for one in attempt.recipients:
                told.setdefault(one.recipient.partition("@")[0], f"{one.result} {one.reply}")
        return told

    def last(self) -> dict[str, str]:
        """The same of the last attempt."""
        told: dict[str, str] = {}
        for attempt in self.attempts:
            told.update(
                {one.recipient.partition("@")[0]: f"{one.result} {one.reply}" for one in attempt.recipients}
            )
        return told

    def reported(self, action: str = "failed") -> list[tuple[str, str, str]]:
        """Of each report: to whom it went, about which recipient (its local part), with which status."""
        return [
            (to, recipient.partition("@")[0], status)
            for to, text in self.quick.reports
            for recipient, kind, status in _STATUS.findall(text)
            if kind == action
        ]

    def changes(self, what: str) -> list[str]:
        """What was told of the service under this name."""
        return [each.detail for each in self.events if isinstance(each, ServiceChanged) and each.what == what]

    def alarms(self) -> Counter[str]:
        """How often each alarm was raised."""
        return Counter(each.alarm for each in self.events if isinstance(each, Alarmed))

    def copies(self) -> Counter[str]:
        """How many copies of a message each recipient (by its local part) was given with a 250."""
        return _addresses([mail for hop in self.hops if hop is not None for mail in hop.mails])

    def had(self) -> Counter[str]:
        """How often each had all of a message, whatever the hop said then."""
        refused = [mail for hop in self.hops if hop is not None for mail in hop.refused]
        return self.copies() + _addresses(refused)

    def dialled(self) -> list[float]:
        """When connections to the hops were asked for."""
        return [at for at, port in self.loop.dialled if port >= HUB_PORT]

    def written(self) -> str:
        """All text that left: log, journal and reports."""
        lines = [str(value) for line in self.log.lines for value in _leaves(line)]
        rows = [row.record for row in self.journal.rows]
        reports = [part for _, text in self.quick.reports for part in (text, *_decoded(text))]
        return "\n".join([*lines, *rows, *reports])


def _addresses(mails: list[ReceivedMail]) -> Counter[str]:
    return Counter(each.decode().partition("@")[0] for mail in mails for each in mail.addresses)


def _decoded(report: str) -> list[str]:
    """The parts of a report as a mail program shows them."""
    parts = [
        part for part in email.message_from_string(report).walk() if part.get_content_maintype() == "text"
    ]
    return [cast("bytes", part.get_payload(decode=True)).decode() for part in parts]


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]


async def _loopback(name: str, port: int) -> list[str]:
    del name, port
    return ["127.0.0.1"]
