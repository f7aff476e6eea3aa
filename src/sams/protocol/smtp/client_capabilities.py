"""What a next hop offers, read from its reply to EHLO (RFC 5321 section 4.1.1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sams.core.reply import Reply

AUTH_PARAMETER = "AUTH="
"""Stands among distrusted keywords for a hop that offers AUTH and does not know it as a parameter of MAIL."""
RESET = "RSET"
"""Stands there for a hop that refuses RSET: what a transaction left in it can only be left behind."""
_NUMBER = re.compile(r"[0-9]{1,19}\Z")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The extensions of one hop.

    size: the largest message that it takes, octets; None where it names no limit.
    auth: SASL mechanisms, upper case.
    rcpt_max, mail_max, rcpt_domain_max: RFC 9422: recipients of a transaction, transactions of a connection,
        domains in the recipients of a transaction; None where it names no limit.
    """

    starttls: bool = False
    pipelining: bool = False
    eight_bit_mime: bool = False
    binary_mime: bool = False
    chunking: bool = False
    dsn: bool = False
    smtputf8: bool = False
    enhanced_status: bool = False
    has_size: bool = False
    size: int | None = None
    auth: frozenset[str] = frozenset()
    rcpt_max: int | None = None
    mail_max: int | None = None
    rcpt_domain_max: int | None = None

    @property
    def takes_binary(self) -> bool:
        """A binary message can be handed over: it needs BINARYMIME, and BDAT to send it (RFC 3030)."""
        return self.binary_mime and self.chunking


NONE = Capabilities()
"""What a server offers that knows HELO only."""


def parse_ehlo(answer: Reply, distrusted: Iterable[str] = ()) -> Capabilities:
    """Read a positive reply to EHLO. What is malformed or unknown is passed over.

    distrusted: keywords that count as not offered, upper case.
    """
    offered: dict[str, list[str]] = {}
    for line in answer.lines[1:]:
        words = line.replace("=", " ", 1).split() if line[:5].upper() == "AUTH=" else line.split()
        if words:
            offered.setdefault(words[0].upper(), []).extend(words[1:])
    for keyword in distrusted:
        offered.pop(keyword, None)
    limits = _limits(offered.get("LIMITS", ()))
    return Capabilities(
        starttls="STARTTLS" in offered,
        pipelining="PIPELINING" in offered,
        eight_bit_mime="8BITMIME" in offered,
        binary_mime="BINARYMIME" in offered,
        chunking="CHUNKING" in offered,
        dsn="DSN" in offered,
        smtputf8="SMTPUTF8" in offered,
        enhanced_status="ENHANCEDSTATUSCODES" in offered,
        has_size="SIZE" in offered,
        size=_positive(next(iter(offered.get("SIZE", ())), "")),
        auth=frozenset(word.upper() for word in offered.get("AUTH", ())),
        rcpt_max=_positive(limits.get("RCPTMAX", "")),
        mail_max=_positive(limits.get("MAILMAX", "")),
        rcpt_domain_max=_positive(limits.get("RCPTDOMAINMAX", "")),
    )


def _limits(words: Iterable[str]) -> Mapping[str, str]:
    pairs = (word.partition("=") for word in words)
    return {name.upper(): value for name, _, value in pairs}


def _positive(text: str) -> int | None:
    """A number above zero; RFC 1870 section 4: SIZE 0 names no limit."""
    return (int(text) or None) if _NUMBER.match(text) else None
