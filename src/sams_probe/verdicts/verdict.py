"""A verdict: a kind from the table with its facts filled in, cleaned for a terminal."""

from __future__ import annotations

from typing import NamedTuple

from sams_probe.options import Port, Security
from sams_probe.text import visible
from sams_probe.verdicts.kinds import KINDS, Exit

WORDS = {Security.TLS: "SSL/TLS", Security.STARTTLS: "STARTTLS", Security.RELAY: "between servers"}


class Verdict(NamedTuple):
    """kind: its name in the table. port: which it is about; 0: none of its own."""

    kind: str
    sentence: str
    advice: str
    exit_code: Exit
    port: int = 0


class Settings(NamedTuple):
    """What to set in a mail program."""

    host: str
    port: int
    security: Security

    @property
    def text(self) -> str:
        """As it is told to people."""
        return (
            f"outgoing server {self.host}, port {self.port}, security {WORDS[self.security]}, "
            "sign-in with user name and password"
        )


class Trouble(NamedTuple):
    """What is wrong with one port at one address. facts: for the sentence, besides port, over and host."""

    kind: str
    facts: tuple[tuple[str, str], ...] = ()


def tell(kind: str, facts: dict[str, str], port: int = 0) -> Verdict:
    """A verdict in words. facts: for the places in its sentences; they may come from anywhere."""
    clean = {name: visible(value) for name, value in facts.items()}
    entry = KINDS[kind]
    sentence = entry.sentence.format(**clean)
    return Verdict(
        kind, sentence[:1].upper() + sentence[1:], entry.advice.format(**clean), entry.exit_code, port
    )


def named(port: Port) -> str:
    """`port 587`."""
    return f"port {port.number}"
