"""What may happen, as small frozen values; each kind has a tag, by which the journal keeps and finds it.

Values are plain (text, numbers, truth), so that they go to JSON as they are. Text from outside is put in raw:
it is cleaned at the place where it leaves. No event has a field for a secret, and none may carry one.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

_STORED = {"reference": "reason"}
"""The names that fields have in the journal and in JSON, where they are others."""


class Event(msgspec.Struct, frozen=True, tag_field="kind", omit_defaults=True, gc=False):
    """What all events have in common: they are values of no more than a few hundred octets."""


class Connected(Event, frozen=True, tag="connected", gc=False):
    """A client connected. The session's log tells this itself."""

    client: str
    port: int
    implicit: bool = False


class Proxied(Event, frozen=True, tag="proxied", gc=False):
    """A load balancer said by the PROXY protocol who connected.

    by: its own address. version: of the protocol. own: the connection is the balancer's own, such as a health check.
    """

    by: str
    version: int
    own: bool = False


class ProxyRefused(Event, frozen=True, tag="proxy_refused", gc=False):
    """A connection to a listener for load balancers was closed, as it did not begin with a header of one."""

    why: str


class TlsStarted(Event, frozen=True, tag="tls", gc=False):
    """A handshake is done. `sni` is the name asked for, empty without one."""

    version: str
    cipher: str
    sni: str = ""
    resumed: bool = False


class TlsFailed(Event, frozen=True, tag="tls_failed", gc=False):
    """A handshake failed or was given up, a record of TLS was no good, or TLS came where none had been asked for.

    why: OpenSSL's reason, or a sentence of ours.
    cause: one word, see `metrics.TLS_FAILURES`; empty in what an older version wrote.
    offered: the versions that the program offered, the newest first (`TLSv1.1 TLSv1.0`); where it names only its
        newest, that one. Empty: it said none.
    suites: the suites that it offered, by their IANA names, in its order; of many the first, and `+7` for the rest.
        Empty where our certificate was sent, as one was agreed on by then.
    server_name: what it asked for by SNI.
    alert: the alert that it sent, by its name in RFC 8446 (`unknown_ca`).
    word: where it spoke plain text, the command or the method, if it is a known one (`EHLO`, `GET`).
    saw_certificate: the handshake had got so far that our certificate was sent.
    """

    why: str
    cause: str = ""
    offered: str = ""
    suites: str = ""
    server_name: str = ""
    alert: str = ""
    word: str = ""
    saw_certificate: bool = False


class Greeted(Event, frozen=True, tag="greeted", gc=False):
    """HELO or EHLO with the client's name."""

    verb: str
    name: str


class SignedIn(Event, frozen=True, tag="signed_in", gc=False):
    """`login` is the prepared one. `remembered`: no password was hashed for it.

    source: who knows the login; empty: the built-in accounts. how: what is worth knowing of the sign-in, such as the
        app password that was used; empty where it was an ordinary one.
    """

    login: str
    mechanism: str
    remembered: bool = False
    source: str = ""
    how: str = ""


class SignInRefused(Event, frozen=True, tag="sign_in_refused", rename=_STORED, gc=False):
    """A sign-in failed.

    why: one word for the counters, see `metrics.SIGN_IN_REFUSALS`.
    reply: what the client was told.
    reference: the reference in that reply.
    explanation: what the reply must not tell.
    """

    login: str
    mechanism: str
    why: str
    reply: str
    reference: str
    explanation: str = ""


class Enveloped(Event, frozen=True, tag="envelope", gc=False):
    """A transaction's envelope is complete: the data begins. An empty reverse path is `<>`."""

    reverse_path: str
    recipients: int
    first: str


class Refused(Event, frozen=True, tag="refused", rename=_STORED, gc=False):
    """A command or a message was refused; `detail` is for us only.

    verb: in upper case; `?` for what is no command, empty where the time was up.
    said: what stood in place of the verb, in upper case, where it was none and TLS was not on yet (`XXXXXXXX`); of
        AUTH with a mechanism that is not offered, that mechanism. Empty where it might be a secret.
    """

    verb: str
    reply: str
    reference: str = ""
    detail: str = ""
    said: str = ""


class Warned(Event, frozen=True, tag="warned", gc=False):
    """Something was let through that a stricter setting would refuse."""

    what: str
    detail: str = ""


class Accepted(Event, frozen=True, tag="accepted", gc=False):
    """250 was said for this message."""

    message: str
    size: int
    recipients: int


class Omitted(Event, frozen=True, tag="omitted", gc=False):
    """So many events are left out here, because the session told more than a story may hold."""

    events: int


class Closed(Event, frozen=True, tag="closed", gc=False):
    """The session is over. The session's log tells this itself.

    how: `quit`, `lost`, `timeout`, `protocol`, `shutdown` or another word of the session's (`metrics.CLOSINGS`).
    """

    how: str
    commands: int
    seconds: float


class RecipientResult(msgspec.Struct, frozen=True, gc=False):
    """What an attempt brought for one recipient; `result` is a value of `core.outcome.Result`."""

    recipient: str
    result: str
    reply: str


class Attempted(Event, frozen=True, tag="attempt", gc=False):
    """One attempt to deliver a message to recipients of one route.

    login, session: of whom and from which session the message is; empty for reports of the service.
    remote: `host:port` that answered; empty when none was reached.
    tls: version and cipher towards it; empty without TLS.
    """

    message: str
    route: str
    remote: str
    tls: str
    recipients: tuple[RecipientResult, ...]
    seconds: float
    login: str = ""
    session: str = ""


class Reported(Event, frozen=True, tag="report", gc=False):
    """A report about `message` was put into the queue as `report`. `what`: failed, delayed or delivered."""

    message: str
    report: str
    what: str
    login: str = ""


class AccountChanged(Event, frozen=True, tag="account", gc=False):
    """`what`: added, password, suspended, resumed, removed …; `by`: the system user who did it."""

    login: str
    what: str
    by: str
    detail: str = ""


class QueueChanged(Event, frozen=True, tag="queue", gc=False):
    """`what`: hold, release, retry, delete; `message` where it was one."""

    what: str
    messages: int
    by: str
    message: str = ""
    login: str = ""


class ServiceChanged(Event, frozen=True, tag="service", gc=False):
    """`what`: started, ready, reloaded, reload refused, stopping, stopped, worker died and others."""

    what: str
    detail: str = ""


class GuardLocked(Event, frozen=True, tag="guard_locked", gc=False):
    """The guard against guessing locked something.

    level: `pair`, `address`, `network` or `login`. login: empty for an address or a network.
    address: an address, an IPv6 /64, a network, or empty where it is of a login wherever it is.
    seconds: how long it lasts. guesses: how many wrong passwords led to it.
    """

    level: str
    login: str
    address: str
    seconds: float
    guesses: int


class GuardReleased(Event, frozen=True, tag="guard_released", gc=False):
    """A person ended locks of the guard. what: a login, an address, a network, or `everything`."""

    what: str
    locks: int
    by: str


class Alarmed(Event, frozen=True, tag="alarm", gc=False):
    """Someone has to look. `alarm` is the kind by which alarms are held back, such as `disk`."""

    alarm: str
    text: str
    login: str = ""


class JournalLost(Event, frozen=True, tag="lost", gc=False):
    """The journal could not take so many entries."""

    entries: int
    why: str


SessionEvent: TypeAlias = (
    Connected
    | Proxied
    | ProxyRefused
    | TlsStarted
    | TlsFailed
    | Greeted
    | SignedIn
    | SignInRefused
    | Enveloped
    | Refused
    | Warned
    | Accepted
    | Omitted
    | Closed
)
ServiceEvent: TypeAlias = (
    Attempted
    | Reported
    | AccountChanged
    | QueueChanged
    | ServiceChanged
    | GuardLocked
    | GuardReleased
    | Alarmed
    | JournalLost
)
AnyEvent: TypeAlias = SessionEvent | ServiceEvent


def kind_of(event: Event) -> str:
    """The event's tag."""
    tag = event.__struct_config__.tag
    assert isinstance(tag, str)
    return tag
