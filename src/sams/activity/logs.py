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
        processors=[_stamp(clock, people=people), structlog.processors.format_exc_info, clean, render],
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
        if value.__class__ is str:
            if len(value) > MAX_VALUE or not value.isprintable():
                event[key] = _lines_visible(value) if key == "exception" else visible(value, MAX_VALUE)
        elif value.__class__ not in _PLAIN:
            event[key] = _cleaned(value)
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


def _stamp(clock: Clock, *, people: bool) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """Put time and level first. The seconds' text is made once a second."""
    last_second, last_text = 0, ""

    def stamp(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        nonlocal last_second, last_text
        del logger
        now = clock.now()
        second = int(now)
        if second != last_second:
            last_second, last_text = second, _utc(second)
        stamped: EventDict = {"timestamp" if people else "time": f"{last_text}.{int(now % 1 * 1000):03d}Z"}
        stamped["level"] = method
        stamped.update(event)
        return stamped

    return stamp


def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _as_json(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    del logger, method
    return _ENCODER.encode(event)


_ENCODER = msgspec.json.Encoder()


def _for_people(*, colours: bool) -> Callable[[WrappedLogger, str, EventDict], bytes]:
    console = structlog.dev.ConsoleRenderer(colors=colours, sort_keys=False, pad_event_to=12)

    def render(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
        return console(logger, method, event).encode("utf-8", "backslashreplace")

    return render
