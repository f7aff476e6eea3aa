"""What waits in the queue, and what was set aside."""

from __future__ import annotations

import msgspec

from sams.control.messages.base import OneAnswer, OneRequest


class QueueSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which messages a person means. Fields that are None do not narrow.

    sender: the reverse path; an empty string means `<>`.
    arrived_before: UNIX seconds.
    """

    ids: tuple[str, ...] | None = None
    login: str | None = None
    sender: str | None = None
    recipient: str | None = None
    route: str | None = None
    held: bool | None = None
    arrived_before: float | None = None


class LastAttempt(msgspec.Struct, frozen=True):
    """What the last attempt at a recipient brought.

    result: `delivered`, `deferred` or `failed`.
    reply: code, status and text on one line, cleaned and cut to length.
    remote: whose reply it is, `host:port`; empty when it is our own.
    at: UNIX seconds.
    """

    result: str
    reply: str
    remote: str
    at: float


class RouteDown(msgspec.Struct, frozen=True):
    """A next hop that takes no mail: what is for it waits, and one message at a time tries whether it is back.

    since: UNIX seconds; None where the route has no next hop, as it is not in the configuration any more.
    reply: what was heard of it last, cleaned and cut to length; at: when, UNIX seconds.
    """

    since: float | None
    reply: str
    at: float


class RecipientEntry(msgspec.Struct, frozen=True):
    """One recipient that waits; due in UNIX seconds, attempts of its own."""

    number: int
    address: str
    route: str
    due: float
    attempts: int
    delay_told: bool
    last: LastAttempt | None = None


class QueueEntry(msgspec.Struct, frozen=True):
    """One message that waits.

    sender: the reverse path, empty for `<>`.
    size: octets. arrived: UNIX seconds.
    recipients: in lists the first ones only; `recipient_count` says how many there are.
    routes_down: those of its recipients' routes that are down, as the running service finds.
    """

    id: str
    login: str
    session: str
    sender: str
    arrived: float
    size: int
    held: bool
    smtputf8: bool
    envid: str | None
    recipient_count: int
    recipients: tuple[RecipientEntry, ...]
    routes_down: dict[str, RouteDown] = {}


class RouteEntry(msgspec.Struct, frozen=True):
    """How much waits for one route; oldest: when the oldest due recipient became due, UNIX seconds.

    down: None while it is up, and where no service runs.
    """

    route: str
    recipients: int
    due: int
    oldest: float | None
    down: RouteDown | None = None


class QueueList(OneRequest, frozen=True, tag="queue.list"):
    """Ask for a page of messages by rising id behind `after`."""

    search: QueueSearch = QueueSearch()
    after: str | None = None
    limit: int = 100


class QueuePage(OneAnswer, frozen=True, tag="queue.page"):
    """A page; `more`: another one may follow behind the last id."""

    entries: tuple[QueueEntry, ...]
    more: bool


class QueueShow(OneRequest, frozen=True, tag="queue.show"):
    """Ask for one message with its recipients numbered above `after`."""

    id: str
    after: int = -1


class QueueShown(OneAnswer, frozen=True, tag="queue.shown"):
    """One message, None where it is not here; `more`: recipients follow behind the last one."""

    entry: QueueEntry | None
    more: bool = False


class QueueHold(OneRequest, frozen=True, tag="queue.hold"):
    """Stop delivery of what matches until it is released."""

    search: QueueSearch


class QueueRelease(OneRequest, frozen=True, tag="queue.release"):
    """Let what matches go on."""

    search: QueueSearch


class QueueRetry(OneRequest, frozen=True, tag="queue.retry"):
    """Make what matches due now."""

    search: QueueSearch


class QueueDelete(OneRequest, frozen=True, tag="queue.delete"):
    """Remove what matches for good, without a report."""

    search: QueueSearch


class DamagedEntry(msgspec.Struct, frozen=True):
    """A message that was set aside because it could not be read, as far as it can be shown.

    found, arrived: UNIX seconds. body_file: where its body is, if it is a file.
    """

    id: str
    found: float
    reason: str
    login: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    arrived: float | None = None
    size: int | None = None
    body_file: str = ""


class DamagedList(OneRequest, frozen=True, tag="damaged.list"):
    """Ask for a page of what was set aside, by rising id behind `after`."""

    after: str | None = None
    limit: int = 100


class DamagedPage(OneAnswer, frozen=True, tag="damaged.page"):
    """A page; `more`: another one may follow behind the last id."""

    entries: tuple[DamagedEntry, ...]
    more: bool


class DamagedRelease(OneRequest, frozen=True, tag="damaged.release"):
    """Let a message that was set aside wait in the queue again."""

    id: str


class DamagedDelete(OneRequest, frozen=True, tag="damaged.delete"):
    """Remove a message that was set aside, for good."""

    id: str


class QueueDepth(OneRequest, frozen=True, tag="queue.depth"):
    """Ask how much waits, by route."""


class Depth(OneAnswer, frozen=True, tag="depth"):
    """How much waits, by route."""

    routes: tuple[RouteEntry, ...]
