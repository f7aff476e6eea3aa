"""What became of a recipient at one delivery attempt."""

from __future__ import annotations

import enum

import msgspec

from sams.core.reply import Reply


class Result(enum.Enum):
    """The three ends of an attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """One recipient's outcome.

    reply: the next hop's reply, or one of our own where no hop spoke (Maildir, no connection, expiry).
    remote: the host whose reply it is, `host:port`; empty when it is our own.
    at: when it was known, UNIX seconds.
    relayed_to_dsn_aware: for DELIVERED, whether the hop took over the duty to report success (RFC 3461).
    """

    result: Result
    reply: Reply
    remote: str
    at: float
    relayed_to_dsn_aware: bool = False
