"""Reports: messages of our own that tell a sender what became of a message (RFC 3461, 3464).

One report tells one kind of news about all recipients of an attempt that it concerns. It goes from the null reverse
path to the message's own, by the route of that domain, and is accepted in the very commit that lets the recipients
go: a sender hears of a failure or the message still waits, never neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sams.core.address import Mailbox
from sams.core.clock import Clock
from sams.core.envelope import Body, Recipient, Ret
from sams.core.errors import SamsError
from sams.delivery.judge import Judged, Judgement
from sams.message.report import Report as Built
from sams.message.report import build_report
from sams.message.report_facts import DEFAULT_FULL_LIMIT, Reported, ReportFacts, ReportKind
from sams.spool.interface import (
    Content,
    DamagedEntry,
    MessageFacts,
    NewMessage,
    NewRecipient,
    QueuedMessage,
    Spool,
    StoredBody,
)

_FEW = 50
"""Recipients of whom a report is written at once, on the loop."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report, ready to be accepted. `what`: failed, delayed, delivered or relayed."""

    what: str
    message: NewMessage


class Reporter(Protocol):
    """Writes reports."""

    async def write(
        self,
        spool: Spool,
        message: QueuedMessage,
        content: Content | None,
        judgement: Judgement,
        *,
        is_final: bool,
    ) -> tuple[Report, ...]:
        """One report for each kind of news in the judgement, of a message with a reverse path.

        content: None where it cannot be read any more: the report does without it.
        is_final: success means a mailbox of ours, not a next hop.

        Raises:
            TemporaryFailure: the spool has no room for one; none is accepted.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What all reports have in common.

    reporting_mta: this server's name. sender: whom they are from, such as `postmaster@` this organisation.
    expire: seconds that a message is tried, as a delay notice tells.
    contact: a line on where a member finds help; empty for none.
    full_limit: octets of body up to which a failure returns the whole message.
    """

    reporting_mta: str
    sender: Mailbox
    expire: float
    contact: str = ""
    full_limit: int = DEFAULT_FULL_LIMIT


class Bounces:
    """The `Reporter` of the service.

    route_of: the route for a domain, None where there is none (`RouteTable.stored_route_of`).
    """

    def __init__(self, settings: ReportSettings, clock: Clock, route_of: Callable[[str], str | None]) -> None:
        self._settings = settings
        self._clock = clock
        self._route_of = route_of

    async def write(
        self,
        spool: Spool,
        message: QueuedMessage,
        content: Content | None,
        judgement: Judgement,
        *,
        is_final: bool,
    ) -> tuple[Report, ...]:
        """See `Reporter.write`. No route for the reverse path: nobody can be told, and none is written."""
        to = message.reverse_path
        route = self._route_of(to.domain) if to is not None else None
        if to is None or route is None:
            return ()
        head = content.head if content is not None else b""
        success = ReportKind.DELIVERED if is_final else ReportKind.RELAYED
        news = (
            (ReportKind.FAILED, judgement.failed),
            (ReportKind.DELAYED, judgement.delayed),
            (success, judgement.succeeded),
        )
        written = []
        for kind, judged in news:
            if judged:
                body = await self._returned(message, content) if kind is ReportKind.FAILED else None
                facts = self._facts(
                    spool.next_id(), kind, judged, message=message, to=to, head=head, body=body
                )
                written.append(Report(kind.value, await self._message(spool, facts, route)))
        return tuple(written)

    async def _returned(self, message: QueuedMessage, content: Content | None) -> bytes | None:
        """The body, where it is small enough to be returned and can be read: a large one is not read at all."""
        if content is None or message.ret is Ret.HEADERS or content.body.size > self._settings.full_limit:
            return None
        body = content.body.in_memory()
        try:
            return body if body is not None else b"".join([piece async for piece in content.body.chunks()])
        except (SamsError, DamagedEntry):  # the news is due all the same
            return None

    def _facts(
        self,
        identifier: str,
        kind: ReportKind,
        judged: Sequence[Judged],
        *,
        message: QueuedMessage,
        to: Mailbox,
        head: bytes,
        body: bytes | None,
    ) -> ReportFacts:
        settings = self._settings
        return ReportFacts(
            kind=kind,
            reporting_mta=settings.reporting_mta,
            sender=settings.sender,
            to=to,
            identifier=identifier,
            at=self._clock.now(),
            arrived=message.arrived,
            recipients=tuple(Reported(one.recipient.recipient, one.settled.outcome) for one in judged),
            head=head,
            body=None if body is None else (body,),
            ret=message.ret,
            envid=message.envid,
            retry_until=message.arrived + settings.expire,
            full_limit=settings.full_limit,
            contact=settings.contact,
        )

    async def _message(self, spool: Spool, facts: ReportFacts, route: str) -> NewMessage:
        report = await _built(facts)
        writer = spool.new_body(facts.identifier)
        try:
            writer.write(report.body)
            finished = writer.finish()
            body: StoredBody = await finished if isinstance(finished, Awaitable) else finished
        except BaseException:
            writer.discard()
            raise
        return NewMessage(
            id=facts.identifier,
            login="",
            session="",
            reverse_path=None,
            recipients=(NewRecipient(Recipient(facts.to), route),),
            head=report.head,
            body=body,
            arrived=facts.at,
            facts=MessageFacts(has_8bit_header=report.needs_smtputf8),
            declared=Body.SEVEN_BIT,
            smtputf8=report.needs_smtputf8,
            charge=False,
        )


async def _built(facts: ReportFacts) -> Built:
    """What takes long goes on a thread: a hop can have words of its own for each of a thousand recipients."""
    if len(facts.recipients) <= _FEW:
        return build_report(facts)
    return await asyncio.to_thread(build_report, facts)
