"""What a dialogue waits for, how long it may take, and how it ends when it does not come.

A dialogue with a next hop is a generator. It yields a wait and goes on when that has come true; whoever
drives it does the waiting, enforces the time, and throws a `ConversationEnded` into it when the hop is late
or gone.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field
from typing import TypeVar

from sams.core.errors import TemporaryFailure
from sams.core.reply import Reply, reply


class Stage(enum.Enum):
    """Where in the conversation we are; the value is told to people."""

    CONNECT = "connecting"
    GREETING = "the greeting"
    HELLO = "EHLO"
    STARTTLS = "STARTTLS"
    HANDSHAKE = "the TLS handshake"
    AUTH = "AUTH"
    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    MESSAGE = "the message"
    END = "the end of the message"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each wait may take, seconds (RFC 5321 section 4.5.3.2 where it names one).

    connect: for one address. handshake: all of it. message: for each piece of the message to be taken.
    transaction: a whole transaction, to which comes the time that its octets take at `slowest` a second.
    """

    connect: float = 30.0
    greeting: float = 300.0
    hello: float = 300.0
    starttls: float = 120.0
    handshake: float = 60.0
    auth: float = 120.0
    reset: float = 60.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    message: float = 180.0
    end: float = 600.0
    transaction: float = 3_600.0
    slowest: float = 500.0


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait of a dialogue."""

    stage: Stage
    seconds: float


@dataclass(frozen=True, slots=True)
class ForReply(Wait):
    """Write what is to be written, and go on when a reply has come."""


@dataclass(frozen=True, slots=True)
class ForRoom(Wait):
    """Write what is to be written, and go on when the hop takes more. Replies are read meanwhile."""


@dataclass(frozen=True, slots=True)
class ForTls(Wait):
    """Do the TLS handshake, call `Exchange.secured`, and go on."""


@dataclass(frozen=True, slots=True)
class ForPiece(Wait):
    """Go on with the next piece of this source, sent into the generator; `b""` is its end."""

    source: AsyncIterator[bytes]


_T = TypeVar("_T")
Dialogue = Generator[Wait, bytes | None, _T]


@dataclass(frozen=True, slots=True)
class Waits:
    """The waits for replies, made once: a message makes none."""

    timeouts: Timeouts
    greeting: ForReply = field(init=False)
    hello: ForReply = field(init=False)
    starttls: ForReply = field(init=False)
    auth: ForReply = field(init=False)
    reset: ForReply = field(init=False)
    mail: ForReply = field(init=False)
    rcpt: ForReply = field(init=False)
    data: ForReply = field(init=False)
    end: ForReply = field(init=False)
    handshake: ForTls = field(init=False)
    room: ForRoom = field(init=False)

    def __post_init__(self) -> None:
        for stage in (Stage.GREETING, Stage.HELLO, Stage.STARTTLS, Stage.AUTH, Stage.MAIL, Stage.RCPT):
            self._set(ForReply(stage, getattr(self.timeouts, stage.name.lower())), stage.name.lower())
        self._set(ForReply(Stage.RSET, self.timeouts.reset), "reset")
        self._set(ForReply(Stage.DATA, self.timeouts.data), "data")
        self._set(ForReply(Stage.END, self.timeouts.end), "end")
        self._set(ForTls(Stage.HANDSHAKE, self.timeouts.handshake), "handshake")
        self._set(ForRoom(Stage.MESSAGE, self.timeouts.message), "room")

    def _set(self, wait: Wait, name: str) -> None:
        object.__setattr__(self, name, wait)


class ConversationEnded(TemporaryFailure):
    """The conversation with a hop cannot go on; what it did not settle is tried again later.

    reply: the hop's own words where `by_peer`, else ours about it.
    stage: where it ended.
    is_fault: what the hop said is not what the protocol has at this place: its other replies may be amiss too.
    """

    def __init__(
        self, stage: Stage, last: Reply, detail: str = "", *, by_peer: bool = False, is_fault: bool = False
    ) -> None:
        super().__init__(last, detail)
        self.stage = stage
        self.by_peer = by_peer
        self.is_fault = is_fault


def lost(stage: Stage, detail: str = "") -> ConversationEnded:
    """The connection went away."""
    text = f"The connection to the next hop was lost at {stage.value}"
    return ConversationEnded(stage, reply(451, "4.4.2", text), detail)


def too_slow(stage: Stage) -> ConversationEnded:
    """The hop did not answer, or did not take what it was sent, in time."""
    return ConversationEnded(stage, reply(451, "4.4.2", f"The next hop was too slow at {stage.value}"))


def refused(stage: Stage, answer: Reply) -> ConversationEnded:
    """The hop itself says that the conversation cannot go on; a code that is no refusal breaks the protocol."""
    if answer.is_positive:
        return broke_protocol(stage, f"{answer.code} in reply")
    return ConversationEnded(stage, answer.shortened(), by_peer=True)


def broke_protocol(stage: Stage, detail: str) -> ConversationEnded:
    """The hop said what the protocol does not allow at this place."""
    text = f"The next hop broke the protocol at {stage.value}: {detail}"
    return ConversationEnded(stage, reply(451, "4.5.0", text), detail, is_fault=True)
