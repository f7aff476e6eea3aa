"""SMTP replies and enhanced status codes (RFC 5321 section 4.2, RFC 3463)."""

from __future__ import annotations

import re

import msgspec

SHORT = 1_000
"""Characters of a peer's reply that are kept with a recipient: as many as are ever shown."""
_STATUS = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})\Z")


class EnhancedStatus(msgspec.Struct, frozen=True, gc=False):
    """`class.subject.detail` of RFC 3463; the class is 2 (success), 4 (try again) or 5 (permanent)."""

    kind: int
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.kind}.{self.subject}.{self.detail}"

    @classmethod
    def parse(cls, text: str) -> EnhancedStatus:
        """Parse `5.7.8`.

        Raises:
            ValueError: it is not of RFC 3463's form.
        """
        match = _STATUS.match(text)
        if match is None:
            raise ValueError(f"not an enhanced status code: {text!r}")
        kind, subject, detail = match.groups()
        return cls(int(kind), int(subject), int(detail))


class Reply(msgspec.Struct, frozen=True, gc=False):
    """One reply, of ours or of a next hop.

    code: 200 to 599.
    lines: the text, line by line, without code, status or line ends; at least one.
    status: the enhanced status, None where none may stand (3yz, greeting, HELO, EHLO) or the peer sent none.
    reference: the short reference that the journal resolves to the whole story, shown as `(ref K7Q2-4F)`.
    """

    code: int
    lines: tuple[str, ...]
    status: EnhancedStatus | None = None
    reference: str | None = None

    @property
    def is_positive(self) -> bool:
        """2yz or 3yz: what was asked for goes on."""
        return self.code < 400

    @property
    def is_temporary(self) -> bool:
        """4yz: the same may work later."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5yz: the same will not work later."""
        return self.code >= 500

    def with_reference(self, reference: str) -> Reply:
        """The same reply with the reference by which the journal can tell more."""
        return Reply(self.code, self.lines, self.status, reference)

    def shortened(self, most: int = SHORT) -> Reply:
        """The same reply with so many characters of its text at most, for what is kept of many of them."""
        if sum([len(line) for line in self.lines]) <= most:
            return self
        kept: list[str] = []
        for line in self.lines:
            if most <= 0:
                break
            kept.append(line if len(line) <= most else line[: most - 1] + "…")
            most -= len(line)
        return Reply(self.code, tuple(kept), self.status, self.reference)

    def __str__(self) -> str:
        status, text = self.status, " ".join(self.lines)
        said = f"{self.code} {status}" if status else str(self.code)
        if text:
            said = f"{said} {text}"
        return f"{said} (ref {self.reference})" if self.reference else said


def reply(code: int, status: str | None, *lines: str) -> Reply:
    """Make a reply in one line: `reply(550, "5.7.1", "not yours")`."""
    return Reply(code, lines, EnhancedStatus.parse(status) if status else None)
