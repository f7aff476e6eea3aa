"""One worker's activity: each step is told once, and counted, journalled and logged from here.

A step of a session costs a list's append and a counter. The journal's row is made when the session ends, or
once a second while it lasts and told something new; a story of more than 200 steps goes on in a further row, so
that a row that is written again and again stays small. The log line is made at the end, from what the steps
summed up to.
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
    ServiceEvent,
    SessionEvent,
    kind_of,
)
from sams.activity.rows import (
    SESSION,
    WITH_TERMS,
    Keep,
    Record,
    Row,
    client_term,
    encode_record,
    session_term,
    terms_of,
)
from sams.activity.summaries import RULES, Summary, log_service_event
from sams.core.clock import Clock
from sams.core.text import visible

STEPS_PER_ROW = 200
MAX_REFUSALS = 1_000
"""Refusals of one session that are kept with all they tell; more are only counted."""
LIVE_AFTER = 1.0
"""Seconds until a session that lasts is written for the first time."""
_MANY_RECIPIENTS = 20
_SHORT_REPLY = 300
_SERVICE_KEEP = {"attempt": Keep.DELIVERIES, "report": Keep.DELIVERIES}


class RowSink(Protocol):
    """Where rows go: the journal."""

    def next_number(self) -> int:
        """A number for a new row."""
        ...

    def put(self, row: Row) -> None:
        """Write a row, or write it again under its number."""
        ...

    def take_lost(self) -> int:
        """How many rows were lost since the last call, where there is room to tell of it now."""
        ...


class Recorder:
    """Takes what happens in one worker (`interface.Activity`). Called on the loop.

    on_alarm: told of each alarm at once.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        journal: RowSink,
        log: FilteringBoundLogger,
        metrics: m.Metrics,
        on_alarm: Callable[[Alarmed], None],
    ) -> None:
        self.clock = clock
        self.journal = journal
        self.log = log
        self.metrics = metrics
        self.changed: dict[_Session, None] = {}
        self._on_alarm = on_alarm

    def session(self, session_id: str, client: str, port: int, *, implicit: bool = False) -> _Session:
        """A client connected."""
        session = _Session(self, session_id, client, port)
        session.tell(Connected(client, port, implicit))
        return session

    def tell(self, event: ServiceEvent) -> None:
        """Something outside sessions."""
        if event.__class__ is Attempted:
            event = _shortened(event)
        if action := RULES[event.__class__].counts:
            action(self.metrics, event)
        self.journal.put(self._service_row(event))
        log_service_event(self.log, event)
        if isinstance(event, Alarmed):
            self._on_alarm(event)

    def tick(self) -> None:
        """Once a second: write what running sessions told, and whether rows were lost."""
        oldest = self.clock.monotonic() - LIVE_AFTER
        for session in [each for each in self.changed if each.begun <= oldest]:
            session.write()
        if lost := self.journal.take_lost():
            self.tell(JournalLost(lost, "the journal could not be written in time"))

    def _service_row(self, event: AnyEvent) -> Row:
        kind = kind_of(event)
        keep = _SERVICE_KEEP.get(kind, Keep.SERVICE)
        session, login = getattr(event, "session", ""), getattr(event, "login", "")
        terms = terms_of(event)
        record = Record(self.clock.now(), kind, session, login, "", [(0.0, event)], terms)
        return Row(self.journal.next_number(), keep, ended=True, record=encode_record(record), terms=terms)


class _Session:
    """The steps of one session (`interface.SessionLog`)."""

    __slots__ = (
        "_at",
        "_changed",
        "_client",
        "_metrics",
        "_monotonic",
        "_number",
        "_omitted",
        "_own_terms",
        "_recorder",
        "_refusals",
        "_steps",
        "_summary",
        "_terms",
        "begun",
        "ended",
        "id",
    )

    def __init__(self, recorder: Recorder, session_id: str, client: str, port: int) -> None:
        self.id = session_id
        self._monotonic = recorder.clock.monotonic
        self.begun = self._monotonic()
        self._recorder = recorder
        self._metrics = recorder.metrics
        self._changed = False
        self._client = client
        self._at = recorder.clock.now()
        self._number = 0
        self._steps: list[tuple[float, AnyEvent]] = []
        self._terms: dict[str, None] = {}
        self._own_terms = (session_term(session_id), client_term(client))
        self._summary = Summary(session_id, client, port)
        self._refusals = self._omitted = 0
        self.ended = False

    def tell(self, event: SessionEvent) -> None:
        """A step."""
        if self.ended:
            return
        counts, notes = RULES[event.__class__]
        if counts is not None:
            counts(self._metrics, event)
        if notes is not None:
            notes(self._summary, event)
        if event.__class__ is Refused:
            self._refusals += 1
            if self._refusals > MAX_REFUSALS:
                self._omitted += 1
                return
        self._append(event)

    def end(self, how: str, commands: int = 0) -> None:
        """The session is over."""
        if self.ended:
            return
        if self._omitted:
            self._append(Omitted(self._omitted))
        seconds = round(self._recorder.clock.monotonic() - self.begun, 3)
        self.tell(Closed(how, commands, seconds))
        self.ended = True
        self.write()
        self._summary.log(self._recorder.log, seconds)

    def write(self) -> None:
        """Put the row as it is now, where something was told since the last time."""
        if self._changed:
            self._changed = False
            del self._recorder.changed[self]
            self._put(ended=self.ended)

    def _append(self, event: AnyEvent) -> None:
        steps = self._steps
        if len(steps) >= STEPS_PER_ROW:
            self._put(ended=True)
            self._number, self._terms = 0, {}
            steps = self._steps = []
        steps.append((round(self._monotonic() - self.begun, 3), event))
        if event.__class__ in WITH_TERMS:
            for term in terms_of(event):
                self._terms[term] = None
        if not self._changed:
            self._changed = True
            self._recorder.changed[self] = None

    def _put(self, *, ended: bool) -> None:
        journal = self._recorder.journal
        self._number = self._number or journal.next_number()
        terms = (*self._own_terms, *self._terms)
        record = Record(self._at, SESSION, self.id, self._summary.login, self._client, self._steps, terms)
        keep = Keep.SESSIONS if self._summary.signed_in else Keep.STRANGERS
        journal.put(Row(self._number, keep, ended, encode_record(record), terms))


def _shortened(event: Attempted) -> Attempted:
    """Long replies are cut where they would stand there for many recipients."""
    if len(event.recipients) <= _MANY_RECIPIENTS:
        return event
    recipients = tuple(
        RecipientResult(each.recipient, each.result, visible(each.reply, _SHORT_REPLY))
        for each in event.recipients
    )
    return msgspec.structs.replace(event, recipients=recipients)
