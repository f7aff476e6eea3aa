"""What the server engine tells the session that drives it.

Events that *ask* wait for an answer: until it is given, `ServerEngine.next_event` returns `Need.ANSWER`. All
others only inform, their reply (where one is due) is queued already.

| event        | asks | answered with                                                             |
|--------------|------|---------------------------------------------------------------------------|
| Auth         | yes  | `challenge(data)`, `accept_sign_in()`, or `answer(reply)`                 |
| AuthData     | yes  | the same                                                                  |
| Mail         | yes  | `accept_sender()`, or `answer(reply)`                                     |
| Rcpt         | yes  | `accept_recipient()`, or `answer(reply)`                                  |
| BodyStart    | yes  | `accept_body()`, or `answer(refusal)`                                     |
| BodyEnd      | yes  | `accept_message(said)`, or `answer(reply)`                                |
| StartTls     | no   | after the handshake `tls_established()`; until then `Need.HANDSHAKE`      |
| Closed       | no   | nothing: write the output and close; from then on `Need.NOTHING`          |

A transaction begins with the positive answer to Mail. It ends with the answer to BodyEnd, with a refusal in answer to
BodyStart, with BodyRefused, Reset or Closed; what the session keeps of it goes then.
"""

from __future__ import annotations

import enum

import msgspec

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


class MailParameters(msgspec.Struct, frozen=True, gc=False):
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


NO_PARAMETERS = MailParameters()
"""Of a MAIL without any, and of no transaction."""


class Hello(msgspec.Struct, frozen=True, gc=False):
    """HELO or EHLO was answered. name is what the peer calls itself: cleaned, but nothing to rely on."""

    name: str
    esmtp: bool


class StartTls(msgspec.Struct, frozen=True, gc=False):
    """The 220 is queued: write it, then shake hands. No plain byte after it may reach the engine."""


class Auth(msgspec.Struct, frozen=True, gc=False):
    """AUTH asks. initial: the decoded initial response; `b""` when it was `=`, None when there was none."""

    mechanism: str
    initial: bytes | None

    def __repr__(self) -> str:
        return f"Auth(mechanism={self.mechanism!r})"


class AuthData(msgspec.Struct, frozen=True, gc=False):
    """The decoded response to the last challenge asks."""

    data: bytes

    def __repr__(self) -> str:
        return "AuthData()"


class AuthCancelled(msgspec.Struct, frozen=True, gc=False):
    """The exchange ended before a verdict: `*`, no base64, or a line too long. The reply is queued."""

    reply: Reply


class Mail(msgspec.Struct, frozen=True, gc=False):
    """MAIL asks. reverse_path: None is `<>`."""

    reverse_path: Mailbox | None
    parameters: MailParameters


class Rcpt(msgspec.Struct, frozen=True, gc=False):
    """RCPT asks."""

    recipient: Recipient


class BodyStart(msgspec.Struct, frozen=True, gc=False):
    """DATA, or the first BDAT of a message, asks. chunking: it is BDAT."""

    chunking: bool


class BodyChunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of the message, without dot-stuffing, cut anywhere. Never empty."""

    data: bytes

    def __repr__(self) -> str:
        return f"BodyChunk({len(self.data)} octets)"


class BodyEnd(msgspec.Struct, frozen=True, gc=False):
    """The message is complete and asks for its verdict.

    rest: what comes behind the chunks that were told: all of the message, where it came in one piece; may be empty.
    size: octets of the message.
    """

    rest: bytes
    size: int

    def __repr__(self) -> str:
        return f"BodyEnd({self.size} octets)"


class BodyRefused(msgspec.Struct, frozen=True, gc=False):
    """The message was refused while it came in; the reply is queued, what was stored of it is to go.

    Ends the transaction in place of BodyEnd.
    """

    reply: Reply


class Reset(msgspec.Struct, frozen=True, gc=False):
    """The transaction was given up: RSET, HELO or EHLO within it."""


class CommandRefused(msgspec.Struct, frozen=True, gc=False):
    """The engine refused a command by itself.

    verb: upper case, `?` for what is no command.
    said: what stood in its place, or the mechanism that is not offered; empty where it might be a secret (`quoting`).
    """

    verb: str
    reply: Reply
    said: str = ""


class Quit(msgspec.Struct, frozen=True, gc=False):
    """The peer took leave. Closed follows."""


class Closed(msgspec.Struct, frozen=True, gc=False):
    """Write the output, then close. reply: the refusal that ends it, or None after QUIT."""

    reply: Reply | None


Asking = Auth | AuthData | Mail | Rcpt | BodyStart | BodyEnd
"""The events that ask."""

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
    | CommandRefused
    | Quit
    | Closed
)
