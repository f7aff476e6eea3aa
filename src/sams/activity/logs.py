"""The log: one line for each thing told, as JSON or for people, never a secret and nothing raw from outside.

Nothing here configures structlog or logging for the process: a logger is made and handed on.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from sams.core.clock import Clock
from sams.core.text import visible

MAX_VALUE = 1_000
MAX_LIST = 50
HIDDEN = "(hidden)"
_SECRETS = frozenset(
    {"password", "passwd", "secret", "response", "credential", "credentials", "token", "body"}
)
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Lines:
    """Writes whole lines to a descriptor: what several processes write to one pipe does not mix.

    A reader that has gone away costs lines, counted in `lost`, and never a session.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.lost = 0

    def msg(self, line: bytes) -> None:
        """Write one line."""
        rest = memoryview(line + b"\n")
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self.lost += 1

    debug = info = warning = error = critical = msg


def make_logger(
    level: str, *, people: bool, clock: Clock, lines: Lines, colours: bool = False
) -> FilteringBoundLogger:
    """A logger that writes from `level` on.

    people: text for a terminal; otherwise a JSON object a line.
    """
    render = _for_people(colours=colours) if people else _as_json
    logger = structlog.wrap_logger(
        lines,
        processors=[_Stamp(clock, people=people), render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
    )
    bound: FilteringBoundLogger = logger.bind()
    return bound


def is_for_people(log_format: str, descriptor: int) -> bool:
    """What `[log] format` means for this descriptor: `auto` is for people on a terminal."""
    return log_format == "text" or (log_format == "auto" and os.isatty(descriptor))


def clean(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Make every value safe to be read: escaped, cut to length, no secret under a name that tells of one."""
    del logger, method
    for key, value in event.items():
        kind = value.__class__
        if kind is str:
            if len(value) > MAX_VALUE or not value.isprintable():
                event[key] = _lines_visible(value) if key == "exception" else visible(value, MAX_VALUE)
        elif kind not in _PLAIN:
            event[key] = _cleaned(value)
    if not _SECRETS.isdisjoint(event):
        for key in _SECRETS & event.keys():
            event[key] = HIDDEN
    return event


_PLAIN = frozenset({int, float, bool, type(None)})


def _cleaned(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_cleaned(item) for item in value[:MAX_LIST]]
    if isinstance(value, bytes):
        return visible(value, MAX_VALUE)
    return value if value.__class__ in _PLAIN else visible(str(value), MAX_VALUE)


def _lines_visible(text: str) -> str:
    """A traceback keeps its lines, at most 200 of the last."""
    return "\n".join(visible(line, MAX_VALUE) for line in text.splitlines()[-200:])


class StandardLogs(logging.Handler):
    """Takes what libraries tell the standard library's logging, and gives it to ours."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """One record as one line."""
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        tell = getattr(self._logger, level, self._logger.info)
        tell(record.getMessage(), source=record.name, exc_info=record.exc_info or None)


class _Stamp:
    """Puts time and level first. The seconds' text is made once a second."""

    def __init__(self, clock: Clock, *, people: bool) -> None:
        self._now = clock.now
        self._key = "timestamp" if people else "time"
        self._second, self._text = -1, ""

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        now = self._now()
        second = int(now)
        if second != self._second:
            self._second, self._text = second, _utc(second)
        time_text = f"{self._text}.{int((now - second) * 1000):03d}Z"
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(logger, method, event)
        return {self._key: time_text, "level": method, "event": event.pop("event"), **event}


def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _as_json(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    """A line that has nothing to escape shows it in one look at the whole; only others are cleaned value by value."""
    if _SECRETS.isdisjoint(event):
        try:
            line = _ENCODER.encode(event)
        except (TypeError, UnicodeEncodeError):
            line = b"\xff"
        if len(line) <= MAX_VALUE and line.isascii() and b"\\u" not in line and b"\x7f" not in line:
            return line
    return _ENCODER.encode(clean(logger, method, event))


_ENCODER = msgspec.json.Encoder()


def _for_people(*, colours: bool) -> Callable[[WrappedLogger, str, EventDict], bytes]:
    console = structlog.dev.ConsoleRenderer(colors=colours, sort_keys=False, pad_event_to=12)

    def render(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
        return console(logger, method, clean(logger, method, event)).encode("utf-8", "backslashreplace")

    return render
