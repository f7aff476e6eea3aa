"""The part of a report that programs read: message/delivery-status (RFC 3464, RFC 6533 section 4)."""

from __future__ import annotations

import re

from sams.core.address import Mailbox
from sams.core.envelope import OriginalRecipient
from sams.core.outcome import Outcome
from sams.core.text import ascii_line, visible, wrapped
from sams.message.report_facts import Reported, ReportFacts, ReportKind, remote_host, status_of
from sams.message.trace import date_time

_NO_ATOM = re.compile(r"[^A-Za-z0-9-]")
_WIDTH = 76
_LONGEST_TEXT = 600
"""Characters of a value: folded or not, no line comes near 998."""


def delivery_status(facts: ReportFacts) -> str:
    """The fields about the message, then those about each recipient, with an empty line between. Ends in CRLF."""
    same: dict[Outcome, str] = {}
    groups = [_lines(_of_message(facts))]
    for reported in facts.recipients:
        outcome = reported.outcome
        if outcome not in same:
            same[outcome] = _lines(_of_outcome(facts, outcome))
        groups.append(_lines(_of_recipient(reported)) + same[outcome])
    return "\r\n".join(groups)


def _of_message(facts: ReportFacts) -> list[tuple[str, str]]:
    fields = []
    if facts.envid is not None:
        fields.append(("Original-Envelope-Id", ascii_line(facts.envid)))
    fields.append(("Reporting-MTA", f"dns; {facts.reporting_mta}"))
    fields.append(("Arrival-Date", date_time(facts.arrived)))
    return fields


def _of_recipient(reported: Reported) -> list[tuple[str, str]]:
    final = ("Final-Recipient", _final(reported.recipient.mailbox))
    original = reported.recipient.original
    return [final] if original is None else [("Original-Recipient", _original(original)), final]


def _of_outcome(facts: ReportFacts, outcome: Outcome) -> list[tuple[str, str]]:
    fields = [("Action", facts.kind.value), ("Status", str(status_of(facts.kind, outcome)))]
    host = remote_host(outcome)
    if host:
        fields.append(("Remote-MTA", f"dns; {ascii_line(host, 255)}"))
    fields.append(("Diagnostic-Code", f"{'smtp' if host else 'x-sams'}; {ascii_line(str(outcome.reply))}"))
    fields.append(("Last-Attempt-Date", date_time(outcome.at)))
    if facts.kind is ReportKind.DELAYED and facts.retry_until is not None:
        fields.append(("Will-Retry-Until", date_time(facts.retry_until)))
    return fields


def _original(original: OriginalRecipient) -> str:
    kind = _NO_ATOM.sub("-", original.kind)[:40] or "unknown"
    return f"{kind}; {visible(original.address, _LONGEST_TEXT)}"


def _final(mailbox: Mailbox) -> str:
    return f"{'rfc822' if mailbox.is_ascii else 'utf-8'}; {visible(str(mailbox), _LONGEST_TEXT)}"


def _lines(fields: list[tuple[str, str]]) -> str:
    return "".join([f"{_folded(name, value)}\r\n" for name, value in fields])


def _folded(name: str, value: str) -> str:
    value = value if len(value) <= _LONGEST_TEXT else value[: _LONGEST_TEXT - 3] + "..."
    line = f"{name}: {value}"
    return line if len(line) <= _WIDTH and "  " not in line else "\r\n".join(wrapped(line, _WIDTH, rest=" "))
