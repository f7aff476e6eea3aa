"""A scheduler on a loop whose time passes only when nothing is left to do, with hops that answer by script."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec

from sams.activity.events import Alarmed, ServiceChanged, ServiceEvent
from sams.core.address import Mailbox, parse_mailbox
from sams.core.envelope import Notify, Recipient, Ret
from sams.core.outcome import Outcome, Result
from sams.core.reply import Reply, reply
from sams.delivery.backoff import RetryPolicy
from sams.delivery.bounces import Report
from sams.delivery.interface import AttemptResult, Hop
from sams.delivery.judge import Judged, Judgement
from sams.delivery.routes import Route, RouteTable
from sams.delivery.scheduler import Scheduler
from sams.delivery.window import Window
from sams.spool.interface import Content, NewMessage, NewRecipient, QueuedMessage, Spool, Work
from tests.delivery.fake_spool import FakeSpool, MemoryBody

P = ParamSpec("P")
START = 1_700_000_000.0
SENDER = parse_mailbox("ann@example.ac.uk")


class _EagerSelector(selectors.SelectSelector):
    """Never waits: what it would have waited is added to the loop's time."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise AssertionError("the loop waits for something that will never happen")
            self.passed += max(0.0, timeout)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which a day of waiting takes no time."""

    def __init__(self) -> None:
        self._eager = _EagerSelector()
        super().__init__(self._eager)

    def time(self) -> float:
        """Seconds; passes only while nothing is left to do."""
        return 1_000.0 + self._eager.passed


@dataclass
class LoopClock:
    """The loop's time; `offset` makes a wall clock of it, and may be changed."""

    offset: float = START - 1_000.0

    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.offset

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test's coroutine in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def answer(result: Result, said: Reply, *, dsn: bool = False) -> Outcome:
    return Outcome(result, said, "hub.example:25", 0.0, dsn)


DELIVERED = answer(Result.DELIVERED, reply(250, "2.0.0", "queued"))
DEFERRED = answer(Result.DEFERRED, reply(450, "4.2.1", "busy"))
FAILED = answer(Result.FAILED, reply(550, "5.1.1", "no such user"))
REFUSED = Outcome(Result.DEFERRED, reply(451, "4.4.1", "connection refused"), "", 0.0)

Step = Outcome | AttemptResult | Exception | Callable[[Work], Awaitable[AttemptResult]]
DOWN = AttemptResult([], Hop.DOWN, REFUSED)


@dataclass
class Sent:
    at: float
    message_id: str
    recipients: tuple[str, ...]
    has_content: bool


@dataclass
class ScriptedHop:
    """Answers attempts by `script`, then by `usual`; each takes `seconds`."""

    usual: Step = DELIVERED
    connections: int = 2
    is_final: bool = False
    seconds: float = 0.0
    script: deque[Step] = field(default_factory=deque)
    sent: list[Sent] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    is_closed: bool = False

    @property
    def open_connections(self) -> int:
        return self.under_way

    @property
    def ids(self) -> list[str]:
        return [one.message_id for one in self.sent]

    async def deliver(self, work: Work, content: Content) -> AttemptResult:
        assert not self.is_closed
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.seconds:
                await asyncio.sleep(self.seconds)
            at = asyncio.get_running_loop().time()
            recipients = tuple(str(one.recipient.mailbox) for one in work.recipients)
            self.sent.append(Sent(at, work.message.id, recipients, content.head != b""))
            return await self._answer(work, self.script.popleft() if self.script else self.usual)
        finally:
            self.under_way -= 1

    async def _answer(self, work: Work, step: Step) -> AttemptResult:
        if isinstance(step, Exception):
            raise step
        if isinstance(step, AttemptResult):
            return step
        if isinstance(step, Outcome):
            return AttemptResult([(one.number, step) for one in work.recipients], remote=step.remote)
        return await step(work)

    group_size = 1
    has_idle_connection = False

    def deliver_group(self, *_: object) -> None:
        raise AssertionError("no connection is idle")

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class FakeReporter:
    """Makes a small message of each kind of news, or fails as often as told."""

    told: list[tuple[str, str, tuple[int, ...]]] = field(default_factory=list)
    failures: deque[Exception] = field(default_factory=deque)

    async def write(
        self,
        spool: Spool,
        message: QueuedMessage,
        content: Content | None,
        judgement: Judgement,
        *,
        is_final: bool,
    ) -> tuple[Report, ...]:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.popleft()
        assert message.reverse_path is not None
        kinds = (
            ("failed", judgement.failed),
            ("delayed", judgement.delayed),
            ("delivered", judgement.succeeded),
        )
        return tuple(self._report(spool, message, what, judged) for what, judged in kinds if judged)

    def _report(self, spool: Spool, message: QueuedMessage, what: str, judged: Sequence[Judged]) -> Report:
        assert message.reverse_path is not None
        self.told.append((what, message.id, tuple(one.recipient.number for one in judged)))
        to = (NewRecipient(Recipient(message.reverse_path), "local"),)
        return Report(
            what, NewMessage(spool.next_id(), "", "", None, to, b"R: x\r\n\r\n", MemoryBody(b""), 0.0)
        )


@dataclass
class Rig:
    """The parts of one test."""

    clock: LoopClock
    spool: FakeSpool
    hops: dict[str, ScriptedHop]
    policy: RetryPolicy
    window: Window
    reporter: FakeReporter = field(default_factory=FakeReporter)
    events: list[ServiceEvent] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)
    scheduler: Scheduler = field(init=False)

    @property
    def hub(self) -> ScriptedHop:
        return self.hops["hub"]

    def told(self, what: str) -> list[str]:
        return [one.detail for one in self.events if isinstance(one, ServiceChanged) and one.what == what]

    def alarms(self) -> list[str]:
        return [one.alarm for one in self.events if isinstance(one, Alarmed)]

    async def accept(self, *recipients: str, **how: Any) -> str:
        """Commit a message and hand it to the scheduler, as a session does; its id."""
        message = self.message(*recipients, **how)
        self.scheduler.submit(await self.spool.accept(message), self.spool)
        return message.id

    async def store(self, *recipients: str, **how: Any) -> str:
        """Commit a message that the scheduler does not hear of."""
        message = self.message(*recipients, **how)
        await self.spool.accept(message)
        return message.id

    def message(
        self,
        *recipients: str,
        login: str = "ann",
        sender: Mailbox | None = SENDER,
        notify: Notify | None = None,
        body: bytes = b"text\r\n",
        routes: Mapping[str, str] | None = None,
        age: float = 0.0,
    ) -> NewMessage:
        new = tuple(
            NewRecipient(Recipient(parse_mailbox(one), notify), (routes or {}).get(one, "hub"))
            for one in recipients or ("bob@example.org",)
        )
        head = b"Subject: x\r\n\r\n"
        arrived = self.clock.now() - age
        return NewMessage(
            self.spool.next_id(), login, "S", sender, new, head, MemoryBody(body), arrived, ret=Ret.HEADERS
        )

    def restart(self) -> None:
        """A new scheduler on the same spool, as after a kill."""
        self.window = Window(self.window.messages)
        self.scheduler = self.make()
        self.begin()

    def make(self) -> Scheduler:
        return Scheduler(
            clock=self.clock,
            policy=self.policy,
            reporter=self.reporter,
            tell=self.events.append,
            faulted=lambda _, error: self.faults.append(error),
            window=self.window,
            draw=lambda: 0.5,
        )

    def begin(self) -> None:
        self.scheduler.adopt(self.spool)
        self.scheduler.set_routes(table(self.hops), self.hops)
        self.scheduler.start()


def rig(
    *,
    window: Window | None = None,
    policy: RetryPolicy | None = None,
    hops: dict[str, ScriptedHop] | None = None,
    started: bool = True,
) -> Rig:
    """A rig with the routes `hub` (anything) and `local`, started."""
    clock = LoopClock()
    made = Rig(
        clock=clock,
        spool=FakeSpool(clock),
        hops={"hub": ScriptedHop(), "local": ScriptedHop(is_final=True), **(hops or {})},
        policy=policy or RetryPolicy(),
        window=Window() if window is None else window,
    )
    made.scheduler = made.make()
    if started:
        made.begin()
    return made


def table(names: Iterable[str]) -> RouteTable:
    """Routes in this order; the first takes everything, the others `NAME.example`."""
    return RouteTable(
        Route(name, ("*",) if place == 0 else (f"{name}.example",)) for place, name in enumerate(names)
    )
