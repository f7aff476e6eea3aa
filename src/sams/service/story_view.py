"""Stories for the pages: read from the journal beside the loop, cut to what the reader may see, kept for a moment."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sams.activity.explaining.gathering import stories, without_internal
from sams.activity.explaining.stages import Story, concerns, for_member, for_strangers
from sams.activity.interface import Reader, Search
from sams.activity.reader import JournalReader, journal_files
from sams.control.messages import MAX_STORIES, Stories
from sams.core.clock import Clock

PAGE = "page"
"""The mechanism under which sign-ins at the pages stand in the journal."""
LONGEST = 3_600.0
"""Seconds that stories reach back."""
FRESH = 1.0
"""Seconds for which an answer is as good as a new one: many windows may watch the same."""
LONGEST_REST = 0.5
"""Seconds that the thread rests after a question, at most: as long as that took, so that mail has its half."""
MOST_WAITING = 60
"""Questions that wait for the journal or are read just now."""
_MOST_KEPT = 200
_LARGEST = 800_000
"""Octets of an answer: one line on the control socket holds more."""


class TooMany(Exception):
    """So many questions wait that one more would not be answered in time."""


@dataclass(frozen=True, slots=True)
class Question:
    """Whose stories: of connections from an address, or of a login that a source knows. since: UNIX seconds."""

    address: str
    login: str
    since: float
    source: str = ""


@dataclass(slots=True)
class _Kept:
    """An answer, or the promise of one. until: on the monotonic clock; None while it is read."""

    answer: asyncio.Future[Stories]
    until: float | None = None


class StoryReader:
    """Answers questions, one after another on one thread; called on the loop.

    Args:
        data_dir: below which the journals are.
        clock: the clock.
        open_reader: makes the reader, on that thread; for tests.
    """

    def __init__(self, data_dir: Path, clock: Clock, open_reader: Callable[[], Reader] | None = None) -> None:
        self._open = open_reader or (lambda: JournalReader(lambda: journal_files(data_dir)))
        self._clock = clock
        self._reader: Reader | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stories")
        self._kept: OrderedDict[Question, _Kept] = OrderedDict()
        self._waiting = 0
        self._free_at = 0.0

    async def of_address(self, address: str, since: float) -> Stories:
        """Of connections from an address, exactly, as a stranger at that address may see them.

        Raises:
            TooMany: ask later.
        """
        return await self._ask(Question(address, "", self._bounded(since)))

    async def of_login(self, login: str, since: float, source: str = "") -> Stories:
        """Of a member's connections and messages, as the member may see them.

        source: who knows the member; empty: the built-in accounts.

        Raises:
            TooMany: ask later.
        """
        return await self._ask(Question("", login, self._bounded(since), source))

    async def close(self) -> None:
        """Let go of the journals."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
        self._thread.shutdown()

    def _bounded(self, since: float) -> float:
        now = self._clock.now()
        return float(int(min(max(since, now - LONGEST), now)))

    async def _ask(self, question: Question) -> Stories:
        now = self._clock.monotonic()
        kept = self._kept.get(question)
        if kept is None or (kept.until is not None and kept.until <= now):
            kept = self._begin(question)
        return await asyncio.shield(kept.answer)

    def _begin(self, question: Question) -> _Kept:
        if self._waiting >= MOST_WAITING:
            raise TooMany
        self._waiting += 1
        loop = asyncio.get_running_loop()
        kept = _Kept(asyncio.ensure_future(loop.run_in_executor(self._thread, self._read, question)))
        self._kept[question] = kept
        self._kept.move_to_end(question)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        kept.answer.add_done_callback(lambda answer: self._done(question, kept, answer))
        return kept

    def _done(self, question: Question, kept: _Kept, answer: asyncio.Future[Stories]) -> None:
        self._waiting -= 1
        kept.until = self._clock.monotonic() + FRESH
        failed = answer.cancelled() or answer.exception() is not None
        if failed and self._kept.get(question) is kept:
            del self._kept[question]

    # --- on the thread

    def _read(self, question: Question) -> Stories:
        time.sleep(max(0.0, self._free_at - time.monotonic()))
        began = time.monotonic()
        try:
            return self._told(question)
        finally:
            now = time.monotonic()
            self._free_at = now + min(now - began, LONGEST_REST)

    def _told(self, question: Question) -> Stories:
        if self._reader is None:
            self._reader = self._open()
        wanted = Search(client=question.address, login=question.login, since=question.since)
        found = stories(self._reader, wanted, self._clock.now(), 2 * MAX_STORIES, internal=True)
        if question.login:
            found = tuple(one for one in found if concerns(one, question.login, question.source))
        told = [_seen(story, question) for story in without_internal(found) if _is_meant(story)]
        return _fitting(told[:MAX_STORIES])

    def _let_go(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _is_meant(story: Story) -> bool:
    """Neither what a load balancer does for itself, nor a sign-in at the pages: who asks has just made that one."""
    return not any(
        stage.kind == "balancer-itself" or stage.facts.get("mechanism") == PAGE for stage in story.stages
    )


def _seen(story: Story, question: Question) -> Story:
    return for_member(story, question.login) if question.login else for_strangers(story)


def _fitting(told: list[Story]) -> Stories:
    """The latest, as many as one answer holds."""
    while len(msgspec.json.encode(told)) > _LARGEST:
        told = told[:-1]
    return Stories(tuple(told))
