"""The log: one line for each thing told, as JSON or for people, never a secret and nothing raw from outside.

Nothing here configures structlog or logging for the process: a logger is made and handed on, and `app/serve.py`
has what libraries log come to it. What is rare goes through structlog. The two lines that every message brings, a
session's and an attempt's, are made by `FactLog` where they are JSON with nothing to clean: the same lines for a
tenth of the time.
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

from sams.activity.lines import Lines
from sams.core.clock import Clock
from sams.core.text import visible

MAX_VALUE = 1_000
MAX_LIST = 50
HIDDEN = "(hidden)"
_SECRETS = frozenset(
    {"password", "passwd", "secret", "response", "credential", "credentials", "token", "body"}
)
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


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


class FactLog:
    """Writes lines that are told as a struct, whose fields they show in order.

    log: takes what is not JSON or has to be cleaned. Other arguments: as of the logger, and the same.
    """

    def __init__(self, log: FilteringBoundLogger, level: str, *, people: bool, lines: Lines) -> None:
        self._log = log
        self._lines = lines
        self._is_wanted = {name: number >= _LEVELS[level] for name, number in _LEVELS.items()}
        self._is_for_people = people
        self._time = _Time()

    def tell(self, level: str, event: str, facts: msgspec.Struct, at: float) -> None:
        """Write a line. level: a method of the logger. at: UNIX seconds."""
        if not self._is_wanted[level]:
            return
        if not self._is_for_people and (line := _plain_json(facts)):
            head = f'{{"time":"{self._time.text(at)}","level":"{level}","event":"{event}",'
            self._lines.later(head.encode() + line[1:])
        else:
            getattr(self._log, level)(event, **msgspec.to_builtins(facts))

    def tell_lost(self) -> None:
        """Tell how many lines could not be written, once lines can be written again."""
        if lost := self._lines.take_lost():
            self._log.error("lines of the log were lost", lines=lost)


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


_BACKSLASH, _DELETE = b"\\\x7f"
"""One octet is found in a tenth of the time that two take."""
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
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - their bug in a line of the log must not reach who wrote it
            text = str(record.msg)
        tell(text, source=record.name, exc_info=record.exc_info or None)


class _Time:
    """Times as text, which for the second is made once a second."""

    def __init__(self) -> None:
        self._second, self._text = -1, ""

    def text(self, now: float) -> str:
        """UNIX seconds in UTC, with milliseconds."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{int((now - second) * 1000):03d}Z"


class _Stamp:
    """Puts time and level first."""

    def __init__(self, clock: Clock, *, people: bool) -> None:
        self._now = clock.now
        self._key = "timestamp" if people else "time"
        self._time = _Time()

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(logger, method, event)
        head = {self._key: self._time.text(self._now()), "level": method, "event": event.pop("event")}
        return {**head, **event}


def _as_json(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    """Only a line that has something to escape is cleaned, value by value."""
    line = _plain_json(event) if _SECRETS.isdisjoint(event) else b""
    return line or _ENCODER.encode(clean(logger, method, event))


def _plain_json(facts: EventDict | msgspec.Struct) -> bytes:
    """As JSON, if that has nothing to escape or to cut, as one look at the whole shows; otherwise empty."""
    try:
        line = _ENCODER.encode(facts)
    except (TypeError, UnicodeEncodeError):
        return b""
    is_plain = len(line) <= MAX_VALUE and line.isascii() and _DELETE not in line
    return line if is_plain and (_BACKSLASH not in line or b"\\u" not in line) else b""


_ENCODER = msgspec.json.Encoder()


def _for_people(*, colours: bool) -> Callable[[WrappedLogger, str, EventDict], bytes]:
    console = structlog.dev.ConsoleRenderer(colors=colours, sort_keys=False, pad_event_to=12)

    def render(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
        return console(logger, method, clean(logger, method, event)).encode("utf-8", "backslashreplace")

    return render
