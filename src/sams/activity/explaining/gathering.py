"""From a search of the journal to stories.

Theory of operation
-------------------
A page of the journal holds rows: sessions, parts of long sessions, attempts, reports, changes. Rows are grouped by
session; an attempt names the session that its message came from, and a report or a change of the queue the message.
A search finds only the rows that it means (by a client's address no attempts, by a recipient no sessions), so the
rest of a session is looked up where there is more of it: another part, or a message that it accepted. An id holds
the time when it was made, so that a look-up walks only what is younger. A session that accepted nothing, as most have
that somebody asks about, costs no look-up at all.

Everything has a limit: pages, stories, look-ups, messages of a story, stages of a story.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from sams.activity.events import (
    Accepted,
    Attempted,
    Closed,
    Connected,
    GuardLocked,
    QueueChanged,
    Reported,
)
from sams.activity.explaining.beside import beside
from sams.activity.explaining.deliveries import Message
from sams.activity.explaining.making import stage
from sams.activity.explaining.sessions import SessionFold
from sams.activity.explaining.stages import Stage, Story
from sams.activity.interface import Entry, Page, Reader, Search, Step
from sams.core.ids import time_of

MOST_STORIES = 100
MOST_MESSAGES = 24
"""Messages of one story whose deliveries are told: the latest."""
MOST_STAGES = 160
_PAGE = 200
_MOST_PAGES = 5
_MOST_LOOKUPS = 150
_MARGIN = 60.0
"""Seconds by which clocks of rows and of ids may differ."""
_BEGINS_WITHIN = 30.0
"""Seconds after its begin by which the first row of a session is written."""
_BEFORE_REPLY = 60.0
"""Seconds within which the sign-in that led to a lock of the guard is answered: answers are slowed down."""
_LONGEST_SESSION = 2 * 86_400.0
"""Seconds after which nothing lasts any more: its worker was killed and could not write the end."""


def stories(
    reader: Reader, wanted: Search, now: float, limit: int = 20, *, internal: bool = False
) -> tuple[Story, ...]:
    """What happened, the latest connection first. Blocks as long as the reader does.

    wanted: by client and a time, or by login and a time, for the pages; anything for administrators. Where it names a
        message or a recipient, stages of other messages are left out.
    now: UNIX seconds, to tell what waits from what is long forgotten. limit: stories, at most `MOST_STORIES`.
    internal: with what is for administrators only.

    Raises:
        apsw.Error: a journal cannot be read.
    """
    found = _Finding(reader, wanted, max(1, min(limit, MOST_STORIES)))
    found.search()
    told = sorted(found.stories(now), key=lambda story: (story.begun, story.session), reverse=True)
    told = told[: found.limit]
    return tuple(told) if internal else tuple(without_internal(told))


def without_internal(told: Iterable[Story]) -> Iterator[Story]:
    """The stories without what is for administrators only."""
    for story in told:
        if not any(one.kind in {"alarm", "service-event"} for one in story.stages[:1]):
            stages = tuple(Stage(one.at, one.kind, one.facts, one.private) for one in story.stages)
            yield Story(story.session, story.client, story.begun, story.ended, story.login, stages)


@dataclass(slots=True)
class _Session:
    """What is known of one session. rows: by number and shard. messages: by id."""

    rows: dict[tuple[int, int], Entry] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)

    def ordered(self) -> list[Entry]:
        return [self.rows[key] for key in sorted(self.rows)]

    def accepted(self) -> Iterator[tuple[str, float, int]]:
        for entry in self.rows.values():
            for step in entry.steps:
                if isinstance(step.event, Accepted):
                    yield step.event.message, step.at, step.event.recipients

    @property
    def is_whole(self) -> bool:
        """Whether all parts are here: it begins, and it ended or goes on in its last part."""
        rows = self.ordered()
        if not rows or not rows[0].steps or not isinstance(rows[0].steps[0].event, Connected):
            return False
        last = rows[-1]
        return not last.ended or (bool(last.steps) and isinstance(last.steps[-1].event, Closed))


class _Finding:
    """One search and what it brings."""

    def __init__(self, reader: Reader, wanted: Search, limit: int) -> None:
        self._reader = reader
        self._wanted = wanted
        self.limit = limit
        self._lookups = _MOST_LOOKUPS
        self._sessions: dict[str, _Session] = {}
        self._loose: dict[str, Message] = {}  # by id: messages of no session, or of none that is known
        self._of: dict[str, str] = {}  # the session of a message
        self._unplaced: list[Step] = []  # reports and changes
        self._beside: list[Entry] = []
        self._named: set[str] = set()  # messages that the search itself found
        self._seen: set[tuple[int, int]] = set()

    def search(self) -> None:
        """Find the rows, and what belongs to them."""
        cursor = None
        for _ in range(_MOST_PAGES):
            page = self._reader.search(self._wanted, cursor, _PAGE)
            self._take(page.entries, named=True)
            cursor = page.cursor
            if cursor is None or self._count() > self.limit:
                break
        self._find_places()
        latest = sorted(self._sessions, reverse=True)[: self.limit]
        self._sessions = {key: self._sessions[key] for key in latest}
        for session_id, session in list(self._sessions.items()):
            self._complete(session_id, session)
        self._place()
        self._find_reports()
        self._place()

    def stories(self, now: float) -> Iterator[Story]:
        """All that was found."""
        only = self._only()
        sessions = [self._of_session(key, session, only, now) for key, session in self._sessions.items()]
        told = [story for story in sessions if story.stages]
        for entry in self._beside:
            if not self._put_into_session(entry, told):
                told.append(beside(entry))
        yield from told
        for message in self._loose.values():
            if story := _of_message(message, now):
                yield story

    # --- rows and where they belong

    def _count(self) -> int:
        return len(self._sessions) + len(self._loose) + len(self._beside)

    def _take(self, entries: Iterable[Entry], *, named: bool = False) -> None:
        for entry in entries:
            key = entry.number, entry.shard
            if key not in self._seen:
                self._seen.add(key)
                self._take_one(key, entry, named=named)

    def _take_one(self, key: tuple[int, int], entry: Entry, *, named: bool) -> None:
        if entry.what == "session":
            self._session(entry.session).rows[key] = entry
            return
        for step in entry.steps:
            event = step.event
            if isinstance(event, Attempted):
                self._take_attempt(step, event)
            elif isinstance(event, Reported) or (isinstance(event, QueueChanged) and event.message):
                self._unplaced.append(step)
            elif named:
                self._beside.append(replace(entry, steps=(step,)))
                continue
            if named and isinstance(event, (Attempted, Reported, QueueChanged)):
                self._named.add(event.message)

    def _take_attempt(self, step: Step, event: Attempted) -> None:
        if event.session:
            self._of[event.message] = event.session
            messages = self._session(event.session).messages
        else:
            messages = self._loose
        messages.setdefault(event.message, Message(event.message)).steps.append(step)

    def _session(self, session_id: str) -> _Session:
        return self._sessions.setdefault(session_id, _Session())

    def _place(self) -> None:
        """Give reports and changes to their messages; what has none is a message of its own."""
        for session_id, session in self._sessions.items():
            for message, at, recipients in session.accepted():
                self._of[message] = session_id
                session.messages.setdefault(message, Message(message)).accepted = (at, recipients)
        for step in self._unplaced:
            assert isinstance(step.event, (Reported, QueueChanged))
            owner = self._sessions.get(self._of.get(step.event.message, ""))
            messages = owner.messages if owner is not None else self._loose
            messages.setdefault(step.event.message, Message(step.event.message)).steps.append(step)
        self._unplaced = []

    # --- look-ups

    def _look_up(self, search: Search) -> Page:
        if self._lookups <= 0:
            return Page((), None)
        self._lookups -= 1
        page = self._reader.search(search, None, _PAGE)
        self._take(page.entries)
        return page

    def _find_places(self) -> None:
        """Of which session is the message of a report or a change that was found?"""
        known = {message for session in self._sessions.values() for message, _, _ in session.accepted()}
        for step in list(self._unplaced):
            assert isinstance(step.event, (Reported, QueueChanged))
            message = step.event.message
            if message not in known and message not in self._of:
                known.add(message)
                self._look_up(Search(message=message, since=_since(message)))

    def _complete(self, session_id: str, session: _Session) -> None:
        """All parts of it, and the attempts of its messages."""
        if session.is_whole and not any(True for _ in session.accepted()):
            return
        since = _since(session_id)
        page = self._look_up(Search(session=session_id, since=since))
        if page.cursor is not None and since is not None:  # the latest are here; it began with the first
            self._look_up(Search(session=session_id, since=since, until=since + _MARGIN + _BEGINS_WITHIN))

    def _find_reports(self) -> None:
        only = self._only()
        for session in self._sessions.values():
            for message in _latest(session.messages.values()):
                if message.is_troubled and message.steps and (not only or message.id in only):
                    self._look_up(Search(message=message.id, since=_since(message.id)))

    # --- stories

    def _only(self) -> frozenset[str]:
        """The messages that are meant, where the search means messages."""
        if self._wanted.message:
            return frozenset({self._wanted.message.upper(), *self._named})
        return frozenset(self._named) if self._wanted.recipient else frozenset()

    def _of_session(self, session_id: str, session: _Session, only: frozenset[str], now: float) -> Story:
        fold = SessionFold(only)
        rows = session.ordered()
        for entry in rows:
            fold.take(entry.steps)
        stages = list(fold.stages)
        if rows and not (rows[0].steps and isinstance(rows[0].steps[0].event, Connected)):
            begun = rows[0].steps[0].at if rows[0].steps else _made(session_id)
            stages.insert(0, stage(begun, "begin-not-known"))
        for message in _latest(session.messages.values()):
            if not only or message.id in only:
                stages += message.stages(now)
        stages.sort(key=lambda one: one.at)
        login = (
            fold.login
            or next((entry.login for entry in reversed(rows) if entry.login), "")
            or _owner(session)
        )
        begun = stages[0].at if stages else _made(session_id)
        client = rows[0].client if rows else ""
        is_long_ago = not stages or now - stages[-1].at > _LONGEST_SESSION
        ended = fold.ended or not rows or is_long_ago
        return Story(session_id, client, begun, ended, login, _cut(stages))

    def _put_into_session(self, entry: Entry, told: list[Story]) -> bool:
        """A lock of the guard belongs to the connection that led to it."""
        step = entry.steps[0]
        event = step.event
        if not isinstance(event, GuardLocked) or not event.address:
            return False
        for number, story in enumerate(told):
            began_before = story.begun <= step.at
            if began_before and story.client == event.address and _tried(story, event.login, step.at):
                stages = sorted((*story.stages, *beside(entry).stages), key=lambda one: one.at)
                told[number] = replace_stages(story, stages)
                return True
        return False


def replace_stages(story: Story, stages: Iterable[Stage]) -> Story:
    """The same story with these stages."""
    return Story(story.session, story.client, story.begun, story.ended, story.login, tuple(stages))


def _tried(story: Story, login: str, at: float) -> bool:
    """Whether a sign-in (of this login, where it is one's) was refused there just then."""
    return any(
        one.kind.startswith("sign-in-")
        and -1.0 <= one.at - at <= _BEFORE_REPLY
        and (not login or str(one.private.get("login", "")).casefold() == login.casefold())
        for one in story.stages
    )


def _of_message(message: Message, now: float) -> Story | None:
    """A message whose session is not known, or which has none."""
    stages = list(message.stages(now))
    if not stages:
        return None
    logins = [getattr(step.event, "login", "") for step in message.steps]
    return Story("", "", stages[0].at, True, next(filter(None, logins), ""), _cut(stages))


def _owner(session: _Session) -> str:
    """Whose messages they are, where the session's own rows are gone."""
    for message in session.messages.values():
        for step in message.steps:
            if isinstance(step.event, Attempted) and step.event.login:
                return step.event.login
    return ""


def _latest(messages: Iterable[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: message.id)[-MOST_MESSAGES:]


def _cut(stages: list[Stage]) -> tuple[Stage, ...]:
    """The first and the last of too many."""
    if len(stages) <= MOST_STAGES:
        return tuple(stages)
    half = MOST_STAGES // 2
    left_out = stage(stages[half].at, "omitted", {"events": len(stages) - 2 * half})
    return (*stages[:half], left_out, *stages[-half:])


def _since(identifier: str) -> float | None:
    try:
        return time_of(identifier) - _MARGIN
    except ValueError:
        return None


def _made(identifier: str) -> float:
    try:
        return time_of(identifier)
    except ValueError:
        return 0.0
