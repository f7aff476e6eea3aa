"""Making a message fit for a hop that takes less than the message needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from sams.message.encoding import Carries, Plan, Planner, Rewriter, needs_encoding
from sams.protocol.smtp.client_capabilities import Capabilities
from sams.protocol.smtp.client_message import PIECE, OutgoingBody, OutgoingMessage


@dataclass(frozen=True, slots=True)
class BytesBody:
    """A body that is held in memory."""

    content: bytes

    @property
    def size(self) -> int:
        """Octets."""
        return len(self.content)

    def in_memory(self) -> bytes:
        """All of it."""
        return self.content

    async def chunks(self, size: int = PIECE) -> AsyncIterator[bytes]:
        """It in pieces."""
        for start in range(0, len(self.content), size):
            yield self.content[start : start + size]


def needs_fitting(message: OutgoingMessage, carries: Carries) -> bool:
    """Whether the hop cannot take the message as it is."""
    return needs_encoding(
        has_8bit_body=message.has_8bit,
        is_binary=message.is_binary,
        longest_line=message.longest_line,
        carries=carries,
    )


async def fitted(message: OutgoingMessage, offered: Capabilities) -> OutgoingMessage:
    """The message as the hop takes it: itself, or re-encoded.

    A message in memory stays there; a larger one is never held in whole: it is read to plan the encoding, once
    more to know its new size, and again while it is sent.

    Raises:
        PermanentFailure: 5.6.3 or 5.6.7, it cannot be changed.
    """
    carries = Carries(offered.eight_bit_mime, offered.takes_binary)
    if not needs_fitting(message, carries):
        return message
    plan = await _planned(message, carries)
    body = _Rewritten(message.body, plan)
    if message.body.in_memory() is not None:
        fit: OutgoingBody = BytesBody(b"".join([piece async for piece in body.chunks()]))
    else:
        fit = replace(body, size=sum([len(piece) async for piece in body.chunks()]))
    return OutgoingMessage(plan.head, fit, message.needs_smtputf8, plan.has_8bit, plan.is_binary)


async def _planned(message: OutgoingMessage, carries: Carries) -> Plan:
    planner = Planner(message.head, carries)
    async for chunk in message.body.chunks():
        planner.feed(chunk)
    return planner.finish()


@dataclass(frozen=True, slots=True)
class _Rewritten:
    """A body that is re-encoded while it is read."""

    body: OutgoingBody
    plan: Plan
    size: int = 0

    def in_memory(self) -> bytes | None:
        """It is made while it is read."""
        return None

    async def chunks(self, size: int = PIECE) -> AsyncIterator[bytes]:
        """Read it from the start. A piece may be larger than `size` by what the encoding adds."""
        rewriter = Rewriter(self.plan)
        async for chunk in self.body.chunks(size):
            if piece := rewriter.feed(chunk):
                yield piece
        if rest := rewriter.finish():
            yield rest
