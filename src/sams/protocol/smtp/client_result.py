"""What a mail transaction is given, and what comes of it."""

from __future__ import annotations

import msgspec

from sams.core.envelope import Envelope
from sams.core.outcome import Result
from sams.core.reply import Reply
from sams.protocol.smtp.client_message import OutgoingMessage
from sams.protocol.smtp.client_waits import Stage


class OutgoingTransaction(msgspec.Struct, frozen=True):
    """One message to some recipients.

    The message's facts count, not what the sender declared in `Envelope.body` and `Envelope.smtputf8`.
    """

    envelope: Envelope
    message: OutgoingMessage


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What one transaction decided for one recipient.

    by_peer: the reply is the hop's own; otherwise ours.
    """

    result: Result
    reply: Reply
    by_peer: bool


class BreakOff(msgspec.Struct, frozen=True, gc=False):
    """The conversation ended inside the transaction.

    reply: the hop's own where `by_peer`, else ours.
    after_end: the end of the message was on its way: the hop may have taken it.
    untouched: the hop had said nothing about this transaction yet.
    """

    stage: Stage
    reply: Reply
    detail: str
    by_peer: bool
    after_end: bool
    untouched: bool


class TransactionResult(msgspec.Struct, frozen=True, gc=False):
    """What came of a transaction.

    verdicts: by recipient, in the envelope's order; None: goes into the next transaction, at once.
    end: the hop's reply to the whole message, where there was one.
    broke_off: why the connection cannot be used any more, where it broke off.
    dsn_aware: the hop takes over the duty to report success (RFC 3461 section 5.2.2).
    distrust: what the hop offered and does not know, for `Opening.distrusted`: this conversation is over, and who
        has no verdict can be sent to at once on a new one that does without it.
    """

    verdicts: tuple[Verdict | None, ...]
    end: Reply | None = None
    broke_off: BreakOff | None = None
    dsn_aware: bool = False
    distrust: frozenset[str] = frozenset()


def result_of(answer: Reply) -> Result:
    """How a reply that is no 3yz decides."""
    if answer.is_positive:
        return Result.DELIVERED
    return Result.DEFERRED if answer.is_temporary else Result.FAILED
