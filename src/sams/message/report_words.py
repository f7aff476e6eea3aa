"""The part of a report that people read: what happened, what the other server said, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from sams.core.outcome import Outcome
from sams.core.reply import Reply
from sams.core.text import visible, wrapped
from sams.message.advice import advice
from sams.message.header import Header
from sams.message.report_facts import Reported, ReportFacts, ReportKind, remote_host, status_of
from sams.message.words import decode_words

_WIDTH = 72
_SHOWN_REPLY = 500
_SHOWN_SUBJECT = 120
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
"""Not by locale: the words around them are English."""

SUBJECTS = {
    ReportKind.FAILED: "Your message could not be delivered",
    ReportKind.DELAYED: "Your message is delayed, we keep trying",
    ReportKind.DELIVERED: "Your message was delivered",
    ReportKind.RELAYED: "Your message was passed on",
}
_NEWS = {
    ReportKind.FAILED: "could not be delivered to:",
    ReportKind.DELAYED: "has not been delivered yet to:",
    ReportKind.DELIVERED: "was delivered to the mailbox of:",
    ReportKind.RELAYED: "was passed on, for the addresses below, to a mail server that tells no more about it:",
}
_NEXT = {
    ReportKind.FAILED: "Nobody will try again by itself. The addresses that are not named here are not concerned.",
    ReportKind.DELIVERED: "You asked to be told, and need do nothing.",
    ReportKind.RELAYED: "You asked to be told, and need do nothing. It has most likely arrived.",
}


def explanation(facts: ReportFacts, header: Header) -> str:
    """The words, in lines of at most 72 characters ended by CRLF; a long word may stand over."""
    return "".join([f"{line}\r\n" for line in _lines(facts, header)])


def _lines(facts: ReportFacts, header: Header) -> Iterator[str]:
    yield "Hello,"
    yield ""
    yield from _wrapped(f"your message{_subject(header)} of {_day(facts.arrived)} {_NEWS[facts.kind]}")
    for said, recipients in _by_outcome(facts):
        yield ""
        for reported in recipients:
            yield from _recipient(reported)
        yield from said
    yield ""
    yield from _wrapped(_what_next(facts))
    yield ""
    yield from _wrapped(
        f"This report comes from the mail service {facts.reporting_mta}. {visible(facts.contact)}"
    )


def _by_outcome(facts: ReportFacts) -> list[tuple[Sequence[str], list[Reported]]]:
    """What is said of whom: those of whom the same is stand together."""
    groups: dict[tuple[str, Reply], list[Reported]] = {}
    for reported in facts.recipients:
        outcome = reported.outcome
        groups.setdefault((remote_host(outcome), outcome.reply), []).append(reported)
    return [(_said(facts.kind, reported[0].outcome), reported) for reported in groups.values()]


def _recipient(reported: Reported) -> Iterator[str]:
    yield f"  {visible(str(reported.recipient.mailbox))}"
    original = _first_written(reported)
    if original:
        yield from _wrapped(f"(you wrote to {original})", "    ")


def _said(kind: ReportKind, outcome: Outcome) -> list[str]:
    if kind not in {ReportKind.FAILED, ReportKind.DELAYED}:
        return []
    host = remote_host(outcome)
    who = f"The server {visible(host, 255)} said: " if host else "Our server says: "
    said = _wrapped(who + visible(str(outcome.reply), _SHOWN_REPLY), "    ")
    return [*_wrapped(advice(status_of(kind, outcome)), "    "), *said] if kind is ReportKind.FAILED else said


def _first_written(reported: Reported) -> str:
    original = reported.recipient.original
    if original is None or original.kind.lower() not in {"rfc822", "utf-8"}:
        return ""
    shown = visible(original.address, 320)
    return "" if shown.casefold() == str(reported.recipient.mailbox).casefold() else shown


def _what_next(facts: ReportFacts) -> str:
    if facts.kind is not ReportKind.DELAYED:
        return _NEXT[facts.kind]
    until = f" until {_day(facts.retry_until)}" if facts.retry_until is not None else ""
    return f"You need do nothing, and please do not send it again: we keep trying{until}, and tell you if it fails."


def _subject(header: Header) -> str:
    value = (header.first(b"subject") or b"")[:4_000].replace(b"\r\n", b"").strip()
    shown = visible(decode_words(value.decode("utf-8", "replace")), _SHOWN_SUBJECT)
    return f' "{shown}"' if shown else ""


def _day(at: float | None) -> str:
    """`2 January 2025, 10:00 UTC`."""
    when = datetime.fromtimestamp(at or 0, UTC)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when.hour:02}:{when.minute:02} UTC"


def _wrapped(text: str, indent: str = "") -> list[str]:
    return wrapped(text, _WIDTH, indent, indent)
