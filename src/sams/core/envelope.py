"""The envelope: who sends, who receives, and how it is to be carried (RFC 5321, 3461, 6152, 3030, 6531)."""

from __future__ import annotations

import enum

import msgspec

from sams.core.address import Mailbox


class Body(enum.Enum):
    """What the BODY parameter declared (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"
    BINARY_MIME = "BINARYMIME"


class Ret(enum.Enum):
    """What a failure report returns of the message (RFC 3461 section 4.3)."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(enum.Flag):
    """Of what the sender wants to hear, for one recipient (RFC 3461 section 4.1).

    An empty flag is NOTIFY=NEVER. A recipient without NOTIFY has None in its place: failures are reported
    and delays may be.
    """

    NEVER = 0
    SUCCESS = 1
    FAILURE = 2
    DELAY = 4


class OriginalRecipient(msgspec.Struct, frozen=True, gc=False):
    """ORCPT: the address that the sender first wrote, decoded from xtext (RFC 3461 section 4.2)."""

    kind: str
    address: str


class Recipient(msgspec.Struct, frozen=True, gc=False):
    """One RCPT TO."""

    mailbox: Mailbox
    notify: Notify | None = None
    original: OriginalRecipient | None = None


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """One transaction's envelope, complete.

    reverse_path: where reports go; None is the null reverse path `<>`.
    recipients: at least one when the message is accepted.
    envid: ENVID decoded from xtext, as reports repeat it.
    auth: the mailbox of MAIL's AUTH parameter; None when absent or `<>` (RFC 4954 section 5).
    """

    reverse_path: Mailbox | None
    recipients: tuple[Recipient, ...]
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    auth: Mailbox | None = None
