"""What a report is made from."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from sams.core.address import Mailbox
from sams.core.envelope import Recipient, Ret
from sams.core.outcome import Outcome
from sams.core.reply import EnhancedStatus

DEFAULT_FULL_LIMIT = 64 * 1024
"""Octets of body up to which a failure report returns the whole message."""


class ReportKind(enum.Enum):
    """The news; the value is the Action of RFC 3464 section 2.3.3.

    DELIVERED is said by a Maildir of ours, RELAYED where the next hop takes no duty to report (RFC 3461
    section 5.2.2).
    """

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class Reported:
    """One recipient, with its ORCPT, and what became of it."""

    recipient: Recipient
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """All that a report says.

    kind: of all its recipients.
    reporting_mta: this server's name.
    sender: whom the report is from, such as `postmaster@` this organisation.
    to: the message's reverse path.
    identifier: the report's own id: its Message-ID is `identifier@reporting_mta`, and its boundary comes of it.
    at: when it is written, UNIX seconds.
    arrived: when the message arrived, UNIX seconds.
    recipients: at least one.
    head: the message's header, with or without the empty line behind it.
    body: its body in pieces, lines ended by CRLF; None where only the header can be returned. Read only for a
        failure, once to the end or up to `full_limit`.
    ret, envid: as MAIL said.
    retry_until: for a delay, how long it is tried, UNIX seconds.
    full_limit: octets of body above which only the header is returned.
    contact: a line on where a member finds help, such as an address or a page; empty for none.
    """

    kind: ReportKind
    reporting_mta: str
    sender: Mailbox
    to: Mailbox
    identifier: str
    at: float
    arrived: float
    recipients: tuple[Reported, ...]
    head: bytes
    body: Iterable[bytes] | None = None
    ret: Ret | None = None
    envid: str | None = None
    retry_until: float | None = None
    full_limit: int = DEFAULT_FULL_LIMIT
    contact: str = ""


def status_of(kind: ReportKind, outcome: Outcome) -> EnhancedStatus:
    """The status that fits the news: the reply's own where its class does, else that class's `x.0.0`."""
    fitting = {ReportKind.FAILED: (5, 4), ReportKind.DELAYED: (4,)}.get(kind, (2,))
    status = outcome.reply.status
    return status if status is not None and status.kind in fitting else EnhancedStatus(fitting[0], 0, 0)


def remote_host(outcome: Outcome) -> str:
    """The host that spoke, without its port; empty where the words are our own."""
    host, _, port = outcome.remote.rpartition(":")
    return host if port.isascii() and port.isdigit() else outcome.remote
