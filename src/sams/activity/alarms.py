"""Alarms: who is told when the service needs someone, by mail, command and webhook, and not too often.

Of one kind of alarm one goes out at once; what comes of that kind within the interval after it is counted, and
goes out as one summary when the interval ends. Kinds that are quiet for an interval are forgotten.

What tells is slow and may fail: commands run as processes without a shell, webhooks on a thread, few at a
time, all with a deadline. A way that fails is logged; the other ways are not held up by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from sams.activity.events import Alarmed
from sams.config.model import Alarm as AlarmSettings
from sams.core.clock import Clock
from sams.core.text import visible

DEADLINE = 30.0
MAX_KINDS = 200
MAX_UNDER_WAY = 4
OTHER = "other"
"""Kinds beyond `MAX_KINDS` share this one."""


class Notice(msgspec.Struct, frozen=True):
    """What goes out: these names are the facts that a command and a webhook get as JSON.

    repeats: how many alarms of the kind came since the last notice, of which this shows the last; 0 for the first.
    at: UNIX seconds.
    """

    service: str
    alarm: str
    text: str
    login: str
    at: float
    repeats: int

    @property
    def subject(self) -> str:
        """One line for a mail."""
        more = f" ({self.repeats} times)" if self.repeats else ""
        return visible(f"{self.service}: alarm: {self.alarm}{more}", 200)

    @property
    def body(self) -> str:
        """The text of a mail."""
        lines = [visible(self.text)]
        if self.login:
            lines.append(f"Login: {visible(self.login)}")
        if self.repeats:
            lines.append(f"This came {self.repeats} times since the last mail about it.")
        lines += ["", f"`sams activity show` and the log of {self.service} tell more."]
        return "\n".join(lines) + "\n"


class Way(Protocol):
    """One way to tell someone."""

    @property
    def name(self) -> str:
        """For the log."""
        ...

    async def send(self, notice: Notice) -> None:
        """Tell it.

        Raises:
            Exception: it did not work; what went wrong is logged.
        """
        ...


class AlarmFailed(Exception):
    """A way did not work; the message says why."""


@dataclass(slots=True)
class _Kind:
    """A kind of alarm within its interval."""

    until: float
    repeats: int = 0
    last: Alarmed | None = None


class Alarms:
    """Sends alarms out. Called on the loop.

    service: the service's name, for subjects.
    interval: seconds between two notices of one kind.
    """

    def __init__(
        self,
        *,
        service: str,
        interval: float,
        ways: tuple[Way, ...],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._service = service
        self._interval = interval
        self._ways = ways
        self._clock = clock
        self._log = log
        self._kinds: dict[str, _Kind] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_UNDER_WAY)

    def alarm(self, event: Alarmed) -> None:
        """Tell it now, or count it where its kind was told within the interval. Never raises."""
        name = event.alarm if event.alarm in self._kinds or len(self._kinds) < MAX_KINDS else OTHER
        kind = self._kinds.get(name)
        if kind is None:
            self._kinds[name] = _Kind(self._clock.monotonic() + self._interval)
            self._send(event, 0)
        else:
            kind.repeats += 1
            kind.last = event

    def tick(self) -> None:
        """To be called now and then, once a second or so: send the summaries that are due."""
        now = self._clock.monotonic()
        for name, kind in list(self._kinds.items()):
            if now < kind.until:
                continue
            if kind.last is None:
                del self._kinds[name]
            else:
                self._send(kind.last, kind.repeats)
                self._kinds[name] = _Kind(now + self._interval)

    async def finish(self, within: float = DEADLINE) -> None:
        """Send what is held back, and wait so many seconds for what is under way."""
        for kind in self._kinds.values():
            if kind.last is not None:
                self._send(kind.last, kind.repeats)
        self._kinds.clear()
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=within)
            for task in late:
                task.cancel()

    def _send(self, event: Alarmed, repeats: int) -> None:
        notice = Notice(self._service, event.alarm, event.text, event.login, self._clock.now(), repeats)
        for way in self._ways:
            task = asyncio.ensure_future(self._tell(way, notice))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _tell(self, way: Way, notice: Notice) -> None:
        try:
            async with self._slots, asyncio.timeout(DEADLINE):
                await way.send(notice)
        except Exception as error:  # noqa: BLE001 - whatever a way does wrong must not end the others
            why = (
                "it took too long" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            )
            self._log.error("alarm not sent", way=way.name, alarm=notice.alarm, why=why)


@dataclass(frozen=True, slots=True)
class ByMail:
    """Mail, through the service's own queue.

    deliver: takes address, subject and text; False or an exception: it could not.
    """

    address: str
    deliver: Callable[[str, str, str], bool]
    name: str = "mail"

    async def send(self, notice: Notice) -> None:
        """Put a message into the queue."""
        if not self.deliver(self.address, notice.subject, notice.body):
            raise AlarmFailed(f"no message to {self.address} could be queued")


@dataclass(frozen=True, slots=True)
class ByCommand:
    """A program, with the facts as JSON on its standard input, in an environment of its own."""

    command: tuple[str, ...]
    name: str = "command"

    async def send(self, notice: Notice) -> None:
        """Run it to its end."""
        process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        try:
            await process.communicate(msgspec.json.encode(notice) + b"\n")
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise AlarmFailed(f"{self.command[0]} ended with {process.returncode}")


@dataclass(frozen=True, slots=True)
class ByWebhook:
    """POST of the facts as JSON; redirects are not followed. `url` may hold a secret and is never logged."""

    url: str
    name: str = "webhook"

    async def send(self, notice: Notice) -> None:
        """Send it, on a thread."""
        await asyncio.to_thread(self._post, msgspec.json.encode(notice))

    def _post(self, facts: bytes) -> None:
        if not self.url.startswith(("https://", "http://")):
            raise AlarmFailed("the address is neither https nor http")
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            self.url, facts, {"Content-Type": "application/json", "User-Agent": "SAMS"}
        )
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(request, timeout=DEADLINE / 2):
                pass
        except urllib.error.HTTPError as error:
            error.close()
            raise AlarmFailed(f"the web server answered {error.code}") from None
        except OSError as error:
            raise AlarmFailed(f"no answer: {getattr(error, 'reason', error)}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other that is not a success."""

    def redirect_request(self, *_: object) -> None:
        """None: do not follow."""


def ways(settings: AlarmSettings, deliver: Callable[[str, str, str], bool]) -> tuple[Way, ...]:
    """The ways that the configuration names."""
    found: list[Way] = []
    if settings.mail:
        found.append(ByMail(settings.mail, deliver))
    if settings.command:
        found.append(ByCommand(settings.command))
    if settings.webhook:
        found.append(ByWebhook(settings.webhook))
    return tuple(found)
