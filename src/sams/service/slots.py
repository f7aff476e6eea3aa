"""A worker's place: who sits there now, when it was last heard of, and how it went with those before."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sams.service.channel import Channel

HANG = 60.0
"""Seconds without a word after which a worker that has been ready counts as hanging: it is killed and replaced.

Its loop says each few seconds that it turns. What holds the loop up is at most seconds long: a shard that is opened
after another's failure, a queue of a million messages that a reload moves to another route, a disk that makes a
write wait.
"""
_SHORT_LIFE = 10.0
_FREE_DEATHS = 2
"""So many short lives in a row are followed by a successor at once; then each pause is twice as long."""
_LONGEST_PAUSE = 30.0
_DOUBLINGS = 5
"""After so many the longest pause is reached: a shard that cannot be opened may stay so for days."""


@dataclass(slots=True)
class Slot:
    """Times are monotonic seconds.

    pid: 0 while nobody sits there. channel: None once it broke, or while nobody sits there.
    heard: when its worker last said anything. restart_at: when a successor is due.
    kill_at: when it ends at the latest, where it has been told to stop.
    """

    index: int
    pid: int = 0
    channel: Channel | None = None
    ready: bool = False
    began: float = 0.0
    heard: float = 0.0
    short_lives: int = 0
    restarts: int = 0
    restart_at: float | None = None
    kill_at: float | None = None

    def begin(self, pid: int, channel: Channel | None) -> None:
        """A worker was forked, or a helper started, which has no channel."""
        self.pid, self.channel, self.ready = pid, channel, False
        self.began = self.heard = time.monotonic()
        self.restart_at = self.kill_at = None

    def end(self) -> None:
        """It is gone."""
        self.pid, self.ready, self.kill_at = 0, False, None
        self.restarts += 1

    def plan_successor(self) -> float:
        """When the next one starts; the pause until then, in seconds."""
        now = time.monotonic()
        self.short_lives = self.short_lives + 1 if now - self.began < _SHORT_LIFE else 0
        over = self.short_lives - _FREE_DEATHS
        pause = min(2.0 ** min(over, _DOUBLINGS), _LONGEST_PAUSE) if over > 0 else 0.0
        self.restart_at = now + pause
        return pause

    def hangs(self, now: float) -> bool:
        """Whether it has been silent for too long.

        One that still starts may take its time, for its queue may be long; one without a channel cannot be heard.
        """
        return self.ready and self.channel is not None and now - self.heard > HANG
