"""Reports: messages of our own that tell a sender what became of a message (RFC 3461, 3464)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sams.delivery.verdict import Judgement
from sams.spool.interface import Content, NewMessage, QueuedMessage, Spool


@dataclass(frozen=True, slots=True)
class Report:
    """A report, ready to be accepted. `what`: failed, delayed or delivered."""

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
        """One report for each kind of news in the judgement."""
        ...
