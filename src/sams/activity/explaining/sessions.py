"""The steps of one session as stages, and what their absence says.

Most of what goes wrong before a sign-in is something that did not happen: STARTTLS that was never asked for, a
sign-in that was never tried. So the steps are folded one after another into what is known of the connection, and when
it ends without a better reason, what is missing is the reason. A conclusion is drawn once, and never while it lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, ClassVar

from sams.activity import events
from sams.activity.explaining import handshakes, sign_ins
from sams.activity.explaining.making import again, is_again, stage
from sams.activity.explaining.refusals import refusal
from sams.activity.explaining.stages import Stage, Tone
from sams.activity.explaining.words import WORDS
from sams.activity.interface import Step

_ENDS_MESSAGE = frozenset({"DATA", "BDAT", ""})
_SAYS_WHY = {
    "timeout": ("timeout-", "tls-", "left-"),
    "tls": ("tls-", "left-"),
    "bug": ("our-mistake",),
    "proxy": ("proxy-refused",),
    "revoked": ("closed-revoked",),
    "protocol": ("not-smtp", "starttls-injected"),
}
"""By how a session ended: the begin of kinds of stages that say so already."""
_CLOSINGS = frozenset(
    {"quit", "lost", "timeout", "tls", "proxy", "protocol", "limits", "bug", "shutdown", "revoked"}
)
_LEAVES = frozenset({"quit", "lost", "timeout"})
"""How a program leaves by itself, or by doing nothing."""


class SessionFold:
    """Takes the steps of one session in their order.

    only: ids of messages; stages of others are left out. Empty: all are wanted.
    accepted: by message id, the time and the number of recipients.
    """

    def __init__(self, only: Collection[str] = ()) -> None:
        self._only = only
        self.stages: list[Stage] = []
        self.accepted: dict[str, tuple[float, int]] = {}
        self.login = ""
        self.ended = False
        self._port = 0
        self._implicit = self._secure = self._own = False
        self._greeting = ""
        self._spoke = self._greeted_in_tls = self._tried = self._signed_in = False
        self._concluded = False
        self._fault = ""  # the last kind that went wrong since somebody signed in
        self._envelope: Stage | None = None
        self._in_message = False

    def take(self, steps: Iterable[Step]) -> None:
        """The next steps."""
        for step in steps:
            taker = self._takers.get(type(step.event), SessionFold._other)
            taker(self, step.at, step.event)

    # --- the connection

    def _connected(self, at: float, event: events.Connected) -> None:
        self._port, self._implicit = event.port, event.implicit
        kind = "connected-tls" if event.implicit else "connected-starttls"
        self._add(stage(at, kind, {"port": event.port}))

    def _proxied(self, at: float, event: events.Proxied) -> None:
        self._own = event.own
        self._add(
            stage(at, "balancer-itself" if event.own else "through-balancer", None, None, {"by": event.by})
        )

    def _proxy_refused(self, at: float, event: events.ProxyRefused) -> None:
        self._add(stage(at, "proxy-refused", None, None, {"why": event.why}))

    def _tls_started(self, at: float, event: events.TlsStarted) -> None:
        self._secure, self._greeting = True, ""
        self._add(handshakes.established(at, event))

    def _tls_failed(self, at: float, event: events.TlsFailed) -> None:
        self._concluded = True
        was_on = self._secure
        self._add(
            handshakes.failed(at, event, self._port, implicit=self._implicit, established_before=was_on)
        )

    def _greeted(self, at: float, event: events.Greeted) -> None:
        self._spoke = True
        self._greeted_in_tls = self._secure
        if event.verb != self._greeting:
            self._greeting = event.verb
            self._add(stage(at, "greeted", {"verb": event.verb}, {"name": event.name}))

    # --- signing in

    def _sign_in(self, at: float, event: events.SignedIn) -> None:
        self._at_page(event.mechanism)
        self._tried = self._signed_in = True
        self.login = event.login
        self._add(sign_ins.signed_in(at, event))
        self._fault = ""

    def _sign_in_refused(self, at: float, event: events.SignInRefused) -> None:
        self._at_page(event.mechanism)
        self._spoke = self._tried = True
        if not self._signed_in:
            self.login = event.login
        self._add(sign_ins.sign_in_refused(at, event))

    def _at_page(self, mechanism: str) -> None:
        """A sign-in at the pages is no conversation with a mail program: nothing is missing in it."""
        if mechanism == sign_ins.PAGE:
            self._concluded = True
            if self.stages and self.stages[0].kind.startswith("connected-"):
                first = self.stages[0]
                self.stages[0] = Stage(first.at, "connected-page", first.facts)

    # --- messages

    def _enveloped(self, at: float, event: events.Enveloped) -> None:
        self._end_message(at, "message-abandoned")
        private: dict[str, str | int | float] = {"sender": event.reverse_path or "<>", "first": event.first}
        if event.recipients > 1:
            private["many"] = event.recipients
        self._envelope = stage(at, "envelope", {"recipients": event.recipients}, private)
        self._in_message = True

    def _refused(self, at: float, event: events.Refused) -> None:
        self._spoke = self._spoke or bool(event.verb)
        self._tried = self._tried or event.verb == "AUTH"
        made = refusal(at, event, self._port, secure=self._secure)
        if made.kind.startswith("timeout-"):
            self._conclude(at, "timeout")
        self._add(made)
        if event.verb in _ENDS_MESSAGE:
            self._in_message = False

    def _accepted(self, at: float, event: events.Accepted) -> None:
        envelope, self._envelope, self._in_message = self._envelope, None, False
        self.accepted[event.message] = at, event.recipients
        if self._only and event.message not in self._only:
            return
        if envelope is not None:
            self._add(envelope)
        facts: dict[str, str | int | float] = {"size": event.size, "recipients": event.recipients}
        self._add(stage(at, "accepted", facts, {"message": event.message}))

    def _warned(self, at: float, event: events.Warned) -> None:
        if event.what == "sender":
            self._add(stage(at, "let-through", None, {"detail": event.detail or "?"}))
        else:
            self._add(stage(at, "service-event", None, None, {"what": event.what, "detail": event.detail}))

    def _omitted(self, at: float, event: events.Omitted) -> None:
        self._add(stage(at, "omitted", {"events": event.events}))

    # --- the end

    def _closed(self, at: float, event: events.Closed) -> None:
        self.ended = True
        self._spoke = self._spoke or event.commands > 0
        self._end_message(at, "message-lost" if event.how == "lost" else "message-abandoned")
        if event.how in _LEAVES:
            self._conclude(at, event.how)
        if self._has_any(_SAYS_WHY.get(event.how, ())) or self._has_any(("connected-page",)):
            return
        self._add(stage(at, self._closing(event.how), {"how": event.how}))

    def _closing(self, how: str) -> str:
        if how == "protocol" and self._fault.startswith("sign-in-"):
            return "closed-too-many-sign-ins"
        return f"closed-{how}" if how in _CLOSINGS else "closed-other"

    def _end_message(self, at: float, kind: str) -> None:
        if self._in_message:
            self._in_message = False
            self._add(stage(at, kind))
        self._flush()

    def _conclude(self, at: float, how: str) -> None:
        """Say what did not happen, where nothing else says why the connection came to nothing."""
        if self._concluded or self._own:
            return
        kind = self._missing_tls(how) if not self._secure else self._missing_later()
        if kind:
            self._concluded = True
            self._add(stage(at, kind, {"port": self._port}))

    def _missing_tls(self, how: str) -> str:
        if not self._spoke:
            return "" if how == "timeout" else "left-at-once"
        if self._implicit or self._fault:
            return ""
        return "left-without-tls-helo" if self._greeting == "HELO" else "left-without-tls"

    def _missing_later(self) -> str:
        if self._fault:
            return ""
        if not self._tried:
            return "left-without-sign-in" if self._greeted_in_tls else "left-after-tls"
        return "" if self.accepted or not self._signed_in else "nothing-sent"

    def _has_any(self, begins: tuple[str, ...]) -> bool:
        return any(one.kind.startswith(begins) for one in self.stages)

    # --- inside

    def _other(self, at: float, event: events.Event) -> None:
        """What belongs to no session, in a record that is none of ours."""
        self._add(stage(at, "service-event", None, None, {"what": events.kind_of(event)}))

    def _add(self, made: Stage) -> None:
        """Add it, or count it where the same was just told."""
        self._flush()
        if _is_fault(made.kind):
            self._fault = made.kind
        if self.stages and is_again(self.stages[-1], made):
            self.stages[-1] = again(self.stages[-1], made)
        else:
            self.stages.append(made)

    def _flush(self) -> None:
        envelope, self._envelope = self._envelope, None
        if envelope is not None:
            self.stages.append(envelope)

    _takers: ClassVar[Mapping[type, Callable[[SessionFold, float, Any], None]]] = {
        events.Connected: _connected,
        events.Proxied: _proxied,
        events.ProxyRefused: _proxy_refused,
        events.TlsStarted: _tls_started,
        events.TlsFailed: _tls_failed,
        events.Greeted: _greeted,
        events.SignedIn: _sign_in,
        events.SignInRefused: _sign_in_refused,
        events.Enveloped: _enveloped,
        events.Refused: _refused,
        events.Warned: _warned,
        events.Accepted: _accepted,
        events.Omitted: _omitted,
        events.Closed: _closed,
    }


def _is_fault(kind: str) -> bool:
    """Whether something went wrong, other than that time was up or how it ended."""
    words = WORDS.get(kind)
    is_bad = words is not None and words.tone in {Tone.BAD, Tone.WAIT}
    return is_bad and not kind.startswith(("closed-", "timeout-"))
