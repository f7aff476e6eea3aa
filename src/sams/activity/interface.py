"""What activity is to the rest of the house: whom to tell, and how to read what was told.

Who serves a session or makes an attempt tells each step once. Logs, metrics, journal and alarms come of that.
Telling never waits, never raises and costs microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sams.activity.events import AnyEvent, ServiceEvent, SessionEvent


class SessionLog(Protocol):
    """Takes the steps of one session. Methods are called on the loop."""

    @property
    def id(self) -> str:
        """The session's id."""
        ...

    def tell(self, event: SessionEvent) -> None:
        """A step. `Connected` and `Closed` are told by this object itself."""
        ...

    def end(self, how: str, commands: int = 0) -> None:
        """The session is over; `how` as in `Closed`. What is told later, and a second end, is left out."""
        ...


class Activity(Protocol):
    """Takes what happens in one worker. Methods are called on the loop."""

    def session(self, session_id: str, client: str, port: int, *, implicit: bool = False) -> SessionLog:
        """A client connected from the address `client` (as text, IPv4 never mapped) to our `port`."""
        ...

    def tell(self, event: ServiceEvent) -> None:
        """Something outside sessions: an attempt, a report, a change, an alarm."""
        ...

    def tick(self) -> None:
        """To be called about once a second: what running sessions told since then goes to the journal."""
        ...


@dataclass(frozen=True, slots=True)
class Search:
    """Which entries a person means. All that is set must hold; texts are compared as they are, case folded.

    message: a message id. reference: a reference such as `K7Q2-4F`. client: a client's address. recipient: the
    mail address of an attempt. session: a session id. since, until: UNIX seconds, until not included.
    """

    login: str = ""
    client: str = ""
    message: str = ""
    reference: str = ""
    recipient: str = ""
    session: str = ""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One event of an entry; `at` is UNIX seconds."""

    at: float
    event: AnyEvent


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the journal: a session (or a part of a long one), an attempt, or an event of the service.

    number: rises within a shard in the order in which entries were first written.
    what: `session`, or the kind of the one event.
    ended: False while the session lasts.
    """

    shard: int
    number: int
    what: str
    session: str
    login: str
    client: str
    ended: bool
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended; the next one goes on behind it."""

    number: int
    shard: int


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first. A None cursor: there are no more."""

    entries: tuple[Entry, ...]
    cursor: Cursor | None


class Reader(Protocol):
    """Reads the journals of all shards as one, for commands and pages. Blocks: not for the loop."""

    def search(self, search: Search, after: Cursor | None = None, limit: int = 50) -> Page:
        """One page of what matches."""
        ...

    def tail(self) -> tuple[Entry, ...]:
        """What was written or changed since the last call, oldest first; at first the latest few."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...
