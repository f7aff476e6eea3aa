"""What the doctor finds."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """How bad it is. WARN: the service works, and may not later or not for all. FAIL: something does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    subject: what was looked at, such as `certificate` or `next hop mailhub.example.ac.uk:25`.
    what: what was found and what it means. advice: what to do; empty where all is well.
    """

    subject: str
    level: Level
    what: str
    advice: str = ""


def ok(subject: str, what: str) -> Finding:
    """All is well."""
    return Finding(subject, Level.OK, what)


def warn(subject: str, what: str, advice: str) -> Finding:
    """It works, but somebody should look."""
    return Finding(subject, Level.WARN, what, advice)


def fail(subject: str, what: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(subject, Level.FAIL, what, advice)
