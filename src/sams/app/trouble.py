"""What goes wrong with sign-ins, for the log: a bug with its trace, and an outage in words and once in a while."""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger

from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure

EVERY = 60.0
"""Seconds between two lines of one outage: it is met at each sign-in, at each MAIL, and once a second besides."""
_MOST = 100
"""Texts that are told apart."""


class Trouble:
    """Told of exceptions that sign-ins could not go on with. Any thread may call."""

    __slots__ = ("_clock", "_log", "_told")

    def __init__(self, log: FilteringBoundLogger, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._told: dict[str, float] = {}

    def __call__(self, error: BaseException) -> None:
        """Put it into the log."""
        if not isinstance(error, TemporaryFailure):
            self._log.error("sign-in failed in an unexpected way", exc_info=error)
        elif self._is_news(error.detail):
            self._log.error("sign-ins do not work", why=error.detail, see="sams doctor")

    def _is_news(self, why: str) -> bool:
        now = self._clock.monotonic()
        before = self._told.get(why)
        if before is not None and now - before < EVERY:
            return False
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[why] = now
        return True
