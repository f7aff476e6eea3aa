"""What the server engine tells the session that drives it.

Events that *ask* wait for an answer: until it is given, `ServerEngine.next_event` returns `Need.ANSWER`. All
others only inform, their reply (where one is due) is queued already.

| event        | asks | answered with                                                             |
|--------------|------|---------------------------------------------------------------------------|
| Auth         | yes  | `challenge(data)`, or `answer(reply)` with 235, 454 or 535                |
| AuthData     | yes  | the same                                                                  |
| Mail, Rcpt   | yes  | `answer(reply)`                                                           |
| BodyStart    | yes  | `accept_body()`, or `answer(refusal)`                                     |
| BodyEnd      | yes  | `answer(reply)`                                                           |
| StartTls     | no   | after the handshake `tls_established()`; until then `Need.HANDSHAKE`      |
| Closed       | no   | nothing: write the output and close; from then on `Need.NOTHING`          |

A transaction begins with the positive answer to Mail. It ends with the answer to BodyEnd, with a refusal in answer to
BodyStart, with BodyRefused, Reset or Closed; what the session keeps of it goes then.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from sams.core.address import Mailbox
from sams.core.envelope import Body, Recipient, Ret
from sams.core.reply import Reply


class Need(enum.Enum):
    """Why there is no event now."""

    DATA = "data"
    """The peer has to say more: hand it to `receive`."""
    ANSWER = "answer"
    """The last event asked something."""
    HANDSHAKE = "handshake"
    """StartTls was told: call `tls_established` after the handshake."""
    NOTHING = "nothing"
    """Closed was told. Nothing will follow."""


@dataclass(frozen=True, slots=True)
class MailParameters:
    """The parameters of MAIL, checked.

    size: SIZE as declared, octets (RFC 1870).
    body: BODY (RFC 6152, RFC 3030).
    smtputf8: whether SMTPUTF8 was given (RFC 6531).
    ret: RET (RFC 3461).
    envid: ENVID decoded from xtext (RFC 3461).
    auth: AUTH decoded from xtext; None when absent or `<>` (RFC 4954 section 5).
    """

    size: int | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    auth: Mailbox | None = None


@dataclass(frozen=True, slots=True)
class Hello:
    """HELO or EHLO was answered. name is what the peer calls itself: cleaned, but nothing to rely on."""

    name: str
    esmtp: bool


@dataclass(frozen=True, slots=True)
class StartTls:
    """The 220 is queued: write it, then shake hands. No plain byte after it may reach the engine."""


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH asks. initial: the decoded initial response; `b""` when it was `=`, None when there was none."""

    mechanism: str
    initial: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthData:
    """The decoded response to the last challenge asks."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthCancelled:
    """The exchange ended before a verdict: `*`, no base64, or a line too long. The reply is queued."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL asks. reverse_path: None is `<>`."""

    reverse_path: Mailbox | None
    parameters: MailParameters


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT asks."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class BodyStart:
    """DATA, or the first BDAT of a message, asks. chunking: it is BDAT."""

    chunking: bool


@dataclass(frozen=True, slots=True)
class BodyChunk:
    """A piece of the message, without dot-stuffing, cut anywhere. Never empty."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The message is complete and asks for its verdict. size: octets of all its chunks."""

    size: int


@dataclass(frozen=True, slots=True)
class BodyRefused:
    """The message was refused while it came in; the reply is queued, what was stored of it is to go.

    Ends the transaction in place of BodyEnd.
    """

    reply: Reply


@dataclass(frozen=True, slots=True)
class Reset:
    """The transaction was given up: RSET, HELO or EHLO within it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The engine refused a command by itself. verb: upper case, `?` for what is no command."""

    verb: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Quit:
    """The peer took leave. Closed follows."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Write the output, then close. reply: the refusal that ends it, or None after QUIT."""

    reply: Reply | None


Event = (
    Hello
    | StartTls
    | Auth
    | AuthData
    | AuthCancelled
    | Mail
    | Rcpt
    | BodyStart
    | BodyChunk
    | BodyEnd
    | BodyRefused
    | Reset
    | Refused
    | Quit
    | Closed
)
