"""What `sams dns check` finds."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from sams.cli.dns.questions import Answer
from sams.cli.dns.record import Importance, Record
from sams.cli.doctor.finding import Level


class Kind(enum.Enum):
    """NOTE: worth knowing, or it cannot be told."""

    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class DnsFinding:
    """One finding.

    domain: of `[accounts]`; empty: it is about the server. subject: what was looked at.
    what: what was found and what it means. advice: what to do; empty where there is nothing to do.
    records: what should stand in DNS for it to be right.
    """

    domain: str
    subject: str
    kind: Kind
    level: Level
    what: str
    advice: str = ""
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """What findings on one thing have in common. importance: of its records."""

    domain: str
    subject: str
    importance: Importance
    records: tuple[Record, ...] = ()

    def ok(self, what: str) -> DnsFinding:
        """DNS has it."""
        return DnsFinding(self.domain, self.subject, Kind.OK, Level.OK, what)

    def note(self, what: str, advice: str = "", *, level: Level = Level.OK) -> DnsFinding:
        """Worth knowing."""
        return DnsFinding(self.domain, self.subject, Kind.NOTE, level, what, advice)

    def missing(self, what: str) -> DnsFinding:
        """DNS has nothing: a failure where it is needed, and no more than a note where it is optional."""
        level = _MISSING[self.importance]
        kind = Kind.NOTE if self.importance is Importance.OPTIONAL else Kind.MISSING
        return DnsFinding(
            self.domain, self.subject, kind, level, what, _PUBLISH[bool(self.records)], self.records
        )

    def wrong(self, what: str, advice: str = "", *records: Record, level: Level | None = None) -> DnsFinding:
        """DNS says something else.

        records: what should stand there; none: those that this is about.
        """
        shown = records or self.records
        level = level or (Level.WARN if self.importance is Importance.OPTIONAL else Level.FAIL)
        text = advice or ("publish in its place:" if shown else "correct it")
        return DnsFinding(self.domain, self.subject, Kind.WRONG, level, what, text, shown)

    def unknown(self, answer: Answer) -> DnsFinding:
        """DNS gives no answer."""
        what = f"DNS gives no answer on {answer.name} ({answer.why}), so this cannot be told"
        return DnsFinding(
            self.domain, self.subject, Kind.NOTE, Level.WARN, what, "look at its name servers, or ask again"
        )


_PUBLISH = {True: "publish:", False: "publish it"}
_MISSING = {Importance.NEEDED: Level.FAIL, Importance.ADVISED: Level.WARN, Importance.OPTIONAL: Level.OK}
