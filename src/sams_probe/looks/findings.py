"""What was found. Values alone: what they mean for people is settled in `verdicts`."""

from __future__ import annotations

import enum
from typing import NamedTuple

from sams_probe.certificates.reading import Certificate
from sams_probe.names.found import Address
from sams_probe.options import Port
from sams_probe.smtp.dialogue import Hello
from sams_probe.smtp.replies import Reply
from sams_probe.wire.first_octets import Speech
from sams_probe.wire.line import Ending
from sams_probe.wire.reaching import Reach


class Stage(enum.IntEnum):
    """How far a connection came."""

    CONNECTING = 0
    GREETING = 1
    EHLO = 2
    STARTTLS = 3
    HANDSHAKE = 4
    INSIDE = 5
    DONE = 6


class Starttls(enum.Enum):
    """What became of STARTTLS."""

    NOT_ASKED = "not-asked"
    OFFERED = "offered"
    HIDDEN = "hidden"
    """EHLO does not name it, and yet the command works."""
    MANGLED = "mangled"
    """Its keyword is written over, as `XXXXXXXA`."""
    MISSING = "missing"
    REFUSED = "refused"
    """EHLO names it, and the command is refused."""


class Handshake(NamedTuple):
    """good: whether TLS came about. leaf, chain: certificates, DER. alert: what the server said of it in clear.

    problem: the library's words where it failed; ending: where the server went away; verify_code: where the
    certificate was the reason, else 0. spoken: what the server's octets were, TLS or not;
    text: their beginning where they were not.
    """

    good: bool
    version: str = ""
    cipher: str = ""
    leaf: bytes = b""
    chain: tuple[bytes, ...] = ()
    alert: str = ""
    problem: str = ""
    ending: Ending | None = None
    verify_code: int = 0
    spoken: Speech = Speech.NOTHING
    text: bytes = b""


class Look(NamedTuple):
    """One connection.

    stage: the last one that was begun; DONE: all went well as far as was asked. detail: the system's words, where it
    ended early; ending: how the other side went away. speech, first: what spoke in clear, and its first octets.
    strange: what came in place of a reply. greeted_at: when the greeting came, UNIX seconds; late: only after we had
    spoken. clear, inside: the answers to EHLO before TLS and in it. behind: octets that came behind the 220 of
    STARTTLS. inside_speech: what spoke in TLS.
    """

    reach: Reach
    stage: Stage = Stage.CONNECTING
    detail: str = ""
    ending: Ending | None = None
    speech: Speech = Speech.NOTHING
    first: bytes = b""
    strange: bytes = b""
    greeting: Reply | None = None
    greeted_at: float = 0.0
    late: bool = False
    clear: Hello | None = None
    starttls: Starttls = Starttls.NOT_ASKED
    starttls_reply: Reply | None = None
    behind: bytes = b""
    handshake: Handshake | None = None
    inside: Hello | None = None
    inside_speech: Speech = Speech.NOTHING

    @property
    def secure(self) -> bool:
        """Whether TLS came about."""
        return self.handshake is not None and self.handshake.good


class Trust(enum.Enum):
    """What the chain of a certificate is worth, dates and names aside."""

    TRUSTED = "trusted"
    SELF_SIGNED = "self-signed"
    UNKNOWN_AUTHORITY = "unknown-authority"
    INCOMPLETE = "incomplete"
    """The certificates between the server's and the authority's are not sent."""
    OTHER = "other"
    NO_AUTHORITIES = "no-authorities"
    """This Python knows none, so it cannot tell."""
    NOT_JUDGED = "not-judged"
    """Another thing was wrong, or the second connection failed."""


class Shown(NamedTuple):
    """The certificate that was shown. length: how many were sent; 0: not known. problem: the library's words."""

    certificate: Certificate
    trust: Trust
    length: int = 0
    problem: str = ""


class PortFindings(NamedTuple):
    """All about one port at one address of one host.

    strict: the connection as a mail program makes it. loose: one that takes any certificate, where the first failed
    in TLS. at_once: one that begins TLS at once on a port that should not, where that came about. shown: None: no
    certificate was seen, or it cannot be read. versions: which versions of TLS the server speaks; None: this Python
    cannot tell.
    """

    host: str
    port: Port
    address: Address
    strict: Look
    loose: Look | None = None
    at_once: Look | None = None
    shown: Shown | None = None
    versions: tuple[tuple[str, bool | None], ...] = ()

    @property
    def best(self) -> Look:
        """The connection that came furthest."""
        return self.loose if self.loose is not None and self.loose.stage > self.strict.stage else self.strict

    @property
    def usable(self) -> bool:
        """Whether a mail program can sign in here."""
        inside = self.strict.inside
        return self.strict.secure and inside is not None and inside.good and bool(inside.mechanisms)
