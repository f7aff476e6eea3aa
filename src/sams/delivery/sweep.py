"""Expiry and delay notices for what waits on a route that is down.

Nothing of such a route is attempted but the probe, so nobody would ever look at the age of the rest. The sweep
does: message ids rise with time, so it reads them in their order, page by page, up to the age in question, and
touches only who is to be given up or told. What it told of once lies behind its cursor.

An id is given when a message begins to arrive, and its age counts from the end of that: what took an hour to
arrive may still be too young when the cursor passes it. So may what is rerouted, put back, or taken over from a
failed shard come in behind the cursor. All of that is found when the scheduler lets the sweep begin anew, once an
hour (`restart`): over an outage each waiting message is read once an hour, however many there are, and who waited
behind the cursor hears of it so much later at most.

A page is read on a thread of the spool, and meanwhile the probe may have delivered a message of it. So a page
counts only if no attempt of the route ended while it was read, and it ends before a message that is being sent: who
was delivered is never reported. What is being settled has just been judged, and is passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sams.core.outcome import Outcome
from sams.delivery.backoff import RetryPolicy
from sams.delivery.judge import Judge, Judgement
from sams.delivery.window import Step
from sams.spool.interface import Entry, QueuedRecipient, Search, Spool, Work


@dataclass(frozen=True, slots=True)
class Overdue:
    """A message with recipients of the route that are to be given up or told of."""

    work: Work
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class View:
    """What the sweep must know of the route at the moment.

    trouble: why it is down. ended: how many attempts of it are over.
    step: what is done with a message, if it is in hand.
    """

    trouble: Outcome
    ended: Callable[[], int]
    step: Callable[[str], Step | None]


class Sweep:
    """Finds what is overdue on one route in one spool.

    unstored: done when what came of a message is stored. A page is so much smaller, and the window's room is bounded.
    """

    def __init__(self, route: str, spool: Spool, policy: RetryPolicy, judge: Judge, size: int) -> None:
        """`size`: the messages of a page."""
        self.spool = spool
        self._route = route
        self._judge = judge
        self._size = size
        self.unstored: set[asyncio.Future[None]] = set()
        ages = [policy.expire] + [policy.delay_notice] * bool(policy.delay_notice)
        self._cursors: dict[float, str | None] = dict.fromkeys(ages)

    @property
    def ages(self) -> tuple[float, ...]:
        """Seconds since arrival after which something is due."""
        return tuple(self._cursors)

    def restart(self) -> None:
        """Read from the oldest message on again."""
        self._cursors = dict.fromkeys(self._cursors)

    async def page(self, age: float, now: float, view: View) -> tuple[list[Overdue], bool]:
        """The next page of what is older than `age` (one of `ages`), and whether there may be more."""
        search = Search(route=self._route, held=False, arrived_before=now - age)
        ended, size = view.ended(), self._size - len(self.unstored)
        entries = await self.spool.search(search, self._cursors[age], size) if size > 0 else ()
        if view.ended() != ended:
            return [], False
        steps = [view.step(one.message.id) for one in entries]
        place = steps.index(Step.SENDING) if Step.SENDING in steps else len(entries)
        if place:
            self._cursors[age] = entries[place - 1].message.id
        free = [one for one, step in zip(entries[:place], steps, strict=False) if step is not Step.SETTLING]
        return list(self._judged(free, view.trouble, now)), 0 < place == size

    def _judged(self, entries: Sequence[Entry], trouble: Outcome, now: float) -> Iterator[Overdue]:
        for entry in entries:
            waiting = tuple(one for one in entry.recipients if one.route == self._route)
            judgement = self._judge.overdue(entry.message, waiting, trouble, now)
            if judgement.settled:
                yield Overdue(Work(entry.message, self._route, _named(waiting, judgement)), judgement)


def _named(waiting: Sequence[QueuedRecipient], judgement: Judgement) -> tuple[QueuedRecipient, ...]:
    numbers = {one.number for one in judgement.settled}
    return tuple(one for one in waiting if one.number in numbers)
