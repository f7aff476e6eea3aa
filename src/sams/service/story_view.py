"""Stories for the pages: read from the journal beside the loop, and cut to what the reader may see.

Many windows may watch the same: the web process asks once for all of them (`web/watching.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sams.activity.explaining.gathering import stories, without_internal
from sams.activity.explaining.sign_ins import PAGE
from sams.activity.explaining.stages import Story, concerns, for_member, for_strangers
from sams.activity.interface import Reader, Search
from sams.activity.reader import JournalReader, journal_files
from sams.control.messages import MAX_STORIES, Stories
from sams.core.clock import Clock

LONGEST = 3_600.0
"""Seconds that stories reach back."""
LONGEST_REST = 0.5
"""Seconds that the thread rests after a question, at most: as long as that took, so that mail has its half."""
MOST_WAITING = 60
"""Questions that wait for the journal or are read just now."""
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
        if self._waiting >= MOST_WAITING:
            raise TooMany
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, question)
        finally:
            self._waiting -= 1

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
