"""The queue as commands and pages see it: the shards of one process, and the values of the control wire.

A worker answers control requests by `queue_handlers`; a command opens shards itself, with the service down,
and calls the same `ShardQueue`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice

import msgspec

from sams.activity.events import QueueChanged
from sams.control.messages import (
    MAX_PAGE,
    Changed,
    DamagedDelete,
    DamagedEntry,
    DamagedList,
    DamagedPage,
    DamagedRelease,
    Depth,
    LastAttempt,
    QueueDelete,
    QueueDepth,
    QueueEntry,
    QueueHold,
    QueueList,
    QueuePage,
    QueueRelease,
    QueueRetry,
    QueueSearch,
    QueueShow,
    QueueShown,
    RecipientEntry,
    RouteDown,
    RouteEntry,
)
from sams.control.peers import Peer
from sams.control.running import summed_depth
from sams.control.server import Handler, Handlers
from sams.core.clock import Clock
from sams.core.errors import OperatorError
from sams.core.outcome import Outcome
from sams.core.text import visible
from sams.delivery.interface import RouteStatus
from sams.identity.logins import UnpreparableError, prepare_login
from sams.spool.interface import Entry, QueuedRecipient, Search, Spool
from sams.spool.keys import row_of

LISTED_RECIPIENTS = 20
"""Recipients of one message in a list."""
SHOWN_RECIPIENTS = 200
"""Recipients in one answer about one message."""
PAGE_OCTETS = 524_288
"""About what a page may have: half of a line, so that one more entry always fits."""
_REPLY_CHARACTERS = 300
_ENCODER = msgspec.json.Encoder()
_NO_HOP = "the route is not in the configuration any more"
_NO_ANSWER = "no answer"
_Change = QueueHold | QueueRelease | QueueRetry | QueueDelete


def entry_to_wire(
    entry: Entry, down: Mapping[str, RouteDown], limit: int = LISTED_RECIPIENTS, after: int = -1
) -> QueueEntry:
    """A message with at most `limit` of its recipients numbered above `after`, and which of its routes are down."""
    message = entry.message
    routes = {recipient.route for recipient in entry.recipients} if down else set()
    behind = (recipient for recipient in entry.recipients if recipient.number > after)
    return QueueEntry(
        id=message.id,
        login=message.login,
        session=message.session,
        sender="" if message.reverse_path is None else str(message.reverse_path),
        arrived=message.arrived,
        size=message.size,
        held=message.held,
        smtputf8=message.smtputf8,
        envid=message.envid,
        recipient_count=len(entry.recipients),
        recipients=tuple(_recipient(recipient) for recipient in islice(behind, limit)),
        routes_down={route: down[route] for route in sorted(routes & down.keys())},
    )


def routes_down(statuses: Sequence[RouteStatus], now: float) -> dict[str, RouteDown]:
    """The routes that are down, by name."""
    return {status.route: _down(status, now) for status in statuses if not status.is_up}


def _down(status: RouteStatus, now: float) -> RouteDown:
    trouble = status.trouble
    if trouble is None:
        return RouteDown(status.since, _NO_HOP if status.since is None else _NO_ANSWER, now)
    return RouteDown(status.since, visible(str(trouble.reply), _REPLY_CHARACTERS), trouble.at)


def search_from_wire(search: QueueSearch) -> Search:
    """What a person asked for, in the spool's terms.

    Raises:
        OperatorError: the login is none.
    """
    return Search(
        ids=None if search.ids is None else tuple(each.upper() for each in search.ids),
        login=_prepared(search.login),
        sender=search.sender,
        recipient=search.recipient,
        route=search.route,
        held=search.held,
        arrived_before=search.arrived_before,
    )


class ShardQueue:
    """The queue of the shards that this process owns. Methods are called on the loop.

    Args:
        spools: the shards open now; they may change when one fails or an orphan is adopted.
        changed: called with what was asked for (`hold`, `release`, `retry`, `delete`) after it is on disk, so
            that the scheduler lets go of what it has in hand, or looks for what became due.
        down: the routes that are down now; nobody knows of any where nothing is delivered.
    """

    def __init__(
        self,
        spools: Callable[[], Sequence[Spool]],
        clock: Clock,
        changed: Callable[[str, Search], None] | None = None,
        down: Callable[[], Mapping[str, RouteDown]] = dict,
    ) -> None:
        self._spools = spools
        self._down = down
        self._clock = clock
        self._changed = changed

    async def page(self, search: QueueSearch, after: str | None, limit: int) -> QueuePage:
        """Messages by rising id behind `after`, as many as fit."""
        wanted = min(max(limit, 1), MAX_PAGE)
        narrowed = search_from_wire(search)
        searches = [spool.search(narrowed, after, wanted + 1) for spool in self._spools()]
        pages = await asyncio.gather(*searches)
        merged = heapq.merge(*pages, key=lambda entry: entry.message.id)
        down = self._down()
        taken: list[QueueEntry] = []
        octets = 0
        for entry in merged:
            if len(taken) == wanted or octets > PAGE_OCTETS:
                return QueuePage(tuple(taken), more=True)
            taken.append(entry_to_wire(entry, down))
            octets += len(_ENCODER.encode(taken[-1]))
        return QueuePage(tuple(taken), more=False)

    async def show(self, message_id: str, after: int = -1) -> QueueShown:
        """One message, with some of its recipients numbered above `after`."""
        search = Search(ids=(message_id.upper(),))
        for spool in self._spools():
            for entry in await spool.search(search, None, 1):
                shown = entry_to_wire(entry, self._down(), SHOWN_RECIPIENTS, after)
                last = entry.recipients[-1].number if entry.recipients else -1
                return QueueShown(shown, more=bool(shown.recipients) and shown.recipients[-1].number < last)
        return QueueShown(None)

    async def hold(self, search: QueueSearch) -> int:
        """Stop delivery of what matches until it is released; the number of messages."""
        return await self._each("hold", search, lambda spool, what: spool.hold(what))

    async def release(self, search: QueueSearch) -> int:
        """Let it go on, due at once."""
        return await self._each("release", search, lambda spool, what: spool.release(what))

    async def retry(self, search: QueueSearch) -> int:
        """Make it due now."""
        now = self._clock.now()
        return await self._each("retry", search, lambda spool, what: spool.retry(what, now))

    async def delete(self, search: QueueSearch) -> int:
        """Remove it for good, without a report."""
        return await self._each("delete", search, lambda spool, what: spool.delete(what))

    async def _each(
        self, what: str, search: QueueSearch, change: Callable[[Spool, Search], Awaitable[int]]
    ) -> int:
        narrowed = search_from_wire(search)
        counts = await asyncio.gather(*(change(spool, narrowed) for spool in self._spools()))
        if self._changed is not None:
            self._changed(what, narrowed)
        return sum(counts)

    async def damaged(self, after: str | None, limit: int) -> DamagedPage:
        """What was set aside, by rising id behind `after`, as many as fit."""
        wanted = min(max(limit, 1), MAX_PAGE)
        after = None if after is None else _known_id(after)
        pages = await asyncio.gather(*(spool.damaged(after, wanted + 1) for spool in self._spools()))
        merged = heapq.merge(*pages, key=lambda entry: entry.id)
        taken: list[DamagedEntry] = []
        octets = 0
        for entry in merged:
            if len(taken) == wanted or octets > PAGE_OCTETS:
                return DamagedPage(tuple(taken), more=True)
            taken.append(DamagedEntry(**msgspec.structs.asdict(entry)))
            octets += len(_ENCODER.encode(taken[-1]))
        return DamagedPage(tuple(taken), more=False)

    async def put_back(self, message_id: str) -> int:
        """Let a message that was set aside wait in the queue again."""
        return await self._one("release", message_id, lambda spool, one: spool.put_back(one))

    async def discard(self, message_id: str) -> int:
        """Remove a message that was set aside, for good."""
        return await self._one("delete", message_id, lambda spool, one: spool.discard(one))

    async def _one(self, what: str, message_id: str, change: Callable[[Spool, str], Awaitable[int]]) -> int:
        known = _known_id(message_id)
        count = sum([await change(spool, known) for spool in self._spools()])
        if count and self._changed is not None:
            self._changed(what, Search(ids=(known,)))
        return count

    def depth(self) -> tuple[RouteEntry, ...]:
        """How much waits, by route."""
        now, down = self._clock.now(), self._down()
        return summed_depth(
            RouteEntry(depth.route, depth.recipients, depth.due, depth.oldest, down.get(depth.route))
            for spool in self._spools()
            for depth in spool.depth(now)
        )


def queue_handlers(queue: ShardQueue, tell: Callable[[QueueChanged], None]) -> Handlers:
    """The table by which a worker answers what concerns the queue; each change is told to the journal."""

    async def page(request: QueueList, _peer: Peer) -> QueuePage:
        return await queue.page(request.search, request.after, request.limit)

    async def show(request: QueueShow, _peer: Peer) -> QueueShown:
        return await queue.show(request.id, request.after)

    async def depth(_request: QueueDepth, _peer: Peer) -> Depth:
        return Depth(queue.depth())

    def changing(what: str, change: Callable[[QueueSearch], Awaitable[int]]) -> Handler:
        async def handle(request: _Change, peer: Peer) -> Changed:
            count = await change(request.search)
            if count:
                tell(_event(what, count, request.search, peer))
            return Changed(count)

        return handle

    return {
        **_damaged_handlers(queue, tell),
        QueueList: page,
        QueueShow: show,
        QueueDepth: depth,
        QueueHold: changing("hold", queue.hold),
        QueueRelease: changing("release", queue.release),
        QueueRetry: changing("retry", queue.retry),
        QueueDelete: changing("delete", queue.delete),
    }


def _damaged_handlers(queue: ShardQueue, tell: Callable[[QueueChanged], None]) -> Handlers:
    """What concerns messages that were set aside."""

    async def damaged(request: DamagedList, _peer: Peer) -> DamagedPage:
        return await queue.damaged(request.after, request.limit)

    async def put_back(request: DamagedRelease, peer: Peer) -> Changed:
        return told("put back", await queue.put_back(request.id), request.id, peer)

    async def discard(request: DamagedDelete, peer: Peer) -> Changed:
        return told("deleted as damaged", await queue.discard(request.id), request.id, peer)

    def told(what: str, count: int, message_id: str, peer: Peer) -> Changed:
        if count:
            tell(QueueChanged(what, count, peer.name, message_id.upper(), ""))
        return Changed(count)

    return {DamagedList: damaged, DamagedRelease: put_back, DamagedDelete: discard}


def _event(what: str, count: int, search: QueueSearch, peer: Peer) -> QueueChanged:
    one = search.ids[0] if search.ids is not None and len(search.ids) == 1 else ""
    return QueueChanged(what, count, peer.name, one, search.login or "")


def _recipient(recipient: QueuedRecipient) -> RecipientEntry:
    return RecipientEntry(
        number=recipient.number,
        address=str(recipient.recipient.mailbox),
        route=recipient.route,
        due=recipient.due,
        attempts=recipient.attempts,
        delay_told=recipient.delay_told,
        last=None if recipient.last is None else _last(recipient.last),
    )


def _last(outcome: Outcome) -> LastAttempt:
    reply = visible(str(outcome.reply), _REPLY_CHARACTERS)
    return LastAttempt(outcome.result.value, reply, outcome.remote, outcome.at)


def _known_id(message_id: str) -> str:
    """An id as it is stored.

    Raises:
        OperatorError: it is none.
    """
    try:
        row_of(message_id)
    except KeyError:
        raise OperatorError(f"{visible(message_id, 30)} is no message id") from None
    return message_id.upper()


def _prepared(login: str | None) -> str | None:
    """An empty login means the service's own reports."""
    if not login:
        return login
    try:
        return prepare_login(login)
    except UnpreparableError as error:
        raise OperatorError(f"This is no login: {error}.") from None
