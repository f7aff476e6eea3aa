"""One worker's activity: each step is told once, and counted, journalled and logged from here.

A step of a session costs a list's append and a counter. The journal's row is made when the session ends, or
once a second while it lasts and told something new; a story of more than 200 steps goes on in a further row, so
that a row that is written again and again stays small. The log line is made at the end, from what the steps
summed up to. An attempt is one row and one line. Both kinds of row and line are encoded from structs as they are.

Rows and lines of sessions that ended and of attempts are made together, a moment later, in the order in which they
came: one after another costs a third of what it does between other work, whose code and data were in the caches.
What is counted is counted at once. Whatever else is told is written behind them. A kill costs what is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from sams.activity import metrics as m
from sams.activity.events import (
    Alarmed,
    AnyEvent,
    Attempted,
    Closed,
    Connected,
    JournalLost,
    Omitted,
    RecipientResult,
    Refused,
    Reported,
    ServiceEvent,
    SessionEvent,
    kind_of,
)
from sams.activity.logs import FactLog
from sams.activity.rows import (
    SESSION,
    Keep,
    Record,
    Row,
    encode_record,
    terms_of,
    terms_of_attempt,
)
from sams.activity.summaries import (
    COUNTS,
    STEPS,
    Summary,
    count_attempt,
    count_closed,
    count_connected,
    delivery,
    log_service_event,
)
from sams.core.clock import Clock
from sams.core.text import visible

STEPS_PER_ROW = 200
MAX_REFUSALS = 1_000
"""Refusals of one session that are kept with all they tell; more are only counted."""
ATTEMPT = kind_of(Attempted("", "", "", "", (), 0.0))
GATHER = 0.05
"""Seconds, at most, for which ended sessions and attempts are kept to be written together."""
MAX_KEPT = 32
"""More are not kept: the loop does nothing else while they are written, some 10 µs each."""
LIVE_AFTER = 1.0
"""Seconds until a session that lasts is written for the first time."""
_MANY_RECIPIENTS = 20
_STRANGERS, _SESSIONS, _DELIVERIES = Keep.STRANGERS, Keep.SESSIONS, Keep.DELIVERIES
_SHORT_REPLY = 300


class RowSink(Protocol):
    """Where rows go: the journal."""

    def next_number(self, now: float) -> int:
        """A number for a new row. now: UNIX seconds."""
        ...

    def put(self, row: Row) -> None:
        """Write a row, or write it again under its number."""
        ...

    def take_lost(self) -> int:
        """How many rows were lost since the last call, where there is room to tell of it now."""
        ...


class Recorder:
    """Takes what happens in one worker (`interface.Activity`). Called on the loop.

    log, facts: for what is rare, and for what every message brings.
    on_alarm: told of each alarm at once.
    later: calls a function after so many seconds, on the loop. None: nothing is kept, all is written at once.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        journal: RowSink,
        log: FilteringBoundLogger,
        facts: FactLog,
        metrics: m.Metrics,
        on_alarm: Callable[[Alarmed], None],
        later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        self.now, self.monotonic = clock.now, clock.monotonic
        self.journal = journal
        self.facts = facts
        self.metrics = metrics
        self.numbers = metrics.numbers
        self.changed: dict[_Session, None] = {}
        self._log = log
        self._on_alarm = on_alarm
        self._later = later
        self._kept: list[tuple[_Session | Attempted, float]] = []

    def session(self, session_id: str, client: str, port: int, *, implicit: bool = False) -> _Session:
        """A client connected."""
        return _Session(self, session_id, client, port, implicit=implicit)

    def tell(self, event: ServiceEvent) -> None:
        """Something outside sessions."""
        if event.__class__ is Attempted:
            count_attempt(self.metrics, event)
            self.keep(event)
            return
        self.write_kept()
        counts = COUNTS[event.__class__]
        if counts is not None:
            counts(self.metrics, event)
        self._put(event, _DELIVERIES if isinstance(event, Reported) else Keep.SERVICE)
        log_service_event(self._log, event)
        if isinstance(event, Alarmed):
            self._on_alarm(event)

    def tick(self) -> None:
        """Once a second: write what running sessions told, and whether rows or lines were lost."""
        self.write_kept()
        oldest, now = self.monotonic() - LIVE_AFTER, self.now()
        for session in [each for each in self.changed if each.begun <= oldest]:
            session.write(now, ended=False)
        if lost := self.journal.take_lost():
            self.tell(JournalLost(lost, "the journal could not be written in time"))
        self.facts.tell_lost()

    def keep(self, what: _Session | Attempted) -> None:
        """Write a session that is over, or an attempt, with others."""
        kept = self._kept
        kept.append((what, self.now()))
        if self._later is None or len(kept) >= MAX_KEPT:
            self.write_kept()
        elif len(kept) == 1:
            self._later(GATHER, self.write_kept)

    def write_kept(self) -> None:
        """Write what was kept, if anything was."""
        kept, self._kept = self._kept, []
        for what, now in kept:
            try:
                if isinstance(what, _Session):
                    what.finish(now)
                else:
                    self._write_attempt(what, now)
            except Exception as error:  # noqa: BLE001 - a bug in one must not lose what the others told
                self._log.error("bug", why="something told was not written", exc_info=error)

    def _write_attempt(self, event: Attempted, now: float) -> None:
        line = delivery(event)
        self.facts.tell("warning" if line.failed else "info", "delivery", line, now)
        if len(event.recipients) > _MANY_RECIPIENTS:
            event = _shortened(event)
        terms = terms_of_attempt(event)
        record = encode_record(Record(now, ATTEMPT, event.session, event.login, "", ((0.0, event),), terms))
        self.journal.put(Row(self.journal.next_number(now), _DELIVERIES, True, record, terms))

    def _put(self, event: ServiceEvent, keep: Keep) -> None:
        now, login, terms = self.now(), getattr(event, "login", ""), terms_of(event)
        record = encode_record(Record(now, kind_of(event), "", login, "", ((0.0, event),), terms))
        self.journal.put(Row(self.journal.next_number(now), keep, True, record, terms))


class _Session:
    """The steps of one session (`interface.SessionLog`)."""

    __slots__ = (
        "_at",
        "_changed",
        "_client",
        "_monotonic",
        "_number",
        "_numbers",
        "_omitted",
        "_recorder",
        "_steps",
        "_summary",
        "_terms",
        "begun",
        "ended",
        "id",
    )

    def __init__(
        self, recorder: Recorder, session_id: str, client: str, port: int, *, implicit: bool
    ) -> None:
        self.id = session_id
        self._recorder = recorder
        self._numbers = recorder.numbers
        self._monotonic = recorder.monotonic
        self.begun = recorder.monotonic()
        self._at = recorder.now()
        self._client = client
        self._steps: list[tuple[float, AnyEvent]] = [(0.0, Connected(client, port, implicit))]
        self._terms: list[str] = []
        self._summary = Summary(session_id, client, port)
        self._number = self._omitted = 0
        self.ended = False
        self._changed = True
        recorder.changed[self] = None
        count_connected(self._numbers)

    def tell(self, event: SessionEvent) -> None:
        """A step."""
        if self.ended:
            return
        if event.__class__ is Refused and self._summary.refused >= MAX_REFUSALS:
            self._omit(event)
            return
        if len(self._steps) >= STEPS_PER_ROW:
            self._turn_over()
        does = STEPS[event.__class__]
        if does is not None:
            does(self._numbers, self._summary, self._terms, event)
        self._steps.append((int((self._monotonic() - self.begun) * 1_000 + 0.5) / 1_000, event))
        if not self._changed:
            self._changed = True
            self._recorder.changed[self] = None

    def end(self, how: str, commands: int = 0) -> None:
        """The session is over."""
        if self.ended:
            return
        self.ended = True
        seconds = int((self._monotonic() - self.begun) * 1_000 + 0.5) / 1_000
        count_closed(self._numbers, how)
        self._summary.how, self._summary.seconds = how, seconds
        if self._omitted:
            self._steps.append((seconds, Omitted(self._omitted)))
        self._steps.append((seconds, Closed(how, commands, seconds)))
        self._recorder.keep(self)

    def finish(self, now: float) -> None:
        """It ended: its row and its line, as of UNIX seconds."""
        self.write(now, ended=True)
        self._recorder.facts.tell("info", "session", self._summary, now)

    def write(self, now: float, *, ended: bool) -> None:
        """Put the row as it is now, at UNIX seconds. ended: nothing more will come into it."""
        recorder, summary = self._recorder, self._summary
        recorder.changed.pop(self, None)
        self._changed = False
        if not self._number:
            self._number = recorder.journal.next_number(now)
        keep = _SESSIONS if summary.mechanism else _STRANGERS
        terms = ("s" + self.id, "c" + self._client, *self._terms)  # ids of our own are in upper case
        record = Record(self._at, SESSION, self.id, summary.login, self._client, self._steps, terms)
        recorder.journal.put(Row(self._number, keep, ended, encode_record(record), terms))

    def _omit(self, event: Refused) -> None:
        """Count it, and keep nothing of it."""
        step = STEPS[Refused]
        assert step is not None
        step(self._numbers, self._summary, [], event)
        self._omitted += 1

    def _turn_over(self) -> None:
        """Leave the row as it is, and go on in a new one."""
        self.write(self._recorder.now(), ended=True)
        self._number, self._steps, self._terms = 0, [], []


def _shortened(event: Attempted) -> Attempted:
    """Long replies are cut: they would stand there for many recipients."""
    recipients = tuple(
        RecipientResult(each.recipient, each.result, visible(each.reply, _SHORT_REPLY))
        for each in event.recipients
    )
    return msgspec.structs.replace(event, recipients=recipients)
