"""What a listener's sessions are allowed to do: the server engine's settings and limits."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from sams.core.address import Mailbox
from sams.protocol.smtp.phrases import Phrases, phrases_of

KIB = 1024
MIB = 1024 * KIB


class BareNewlines(enum.Enum):
    """What becomes of a CR or LF that stands alone in a message."""

    REJECT = "reject"
    """The message is refused after its end with `550 5.6.11`."""
    NORMALISE = "normalise"
    """It becomes CRLF. Only the CRLF.CRLF of the wire ends DATA all the same."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The settings of one listener, shared by its sessions.

    name: the server's name in greeting, EHLO reply and QUIT reply.
    postmaster: the mailbox that `RCPT TO:<postmaster>` means (RFC 5321 section 4.5.1).
    greeting_text: stands behind the name in the greeting; one line of printable ASCII.
    message_size: octets of a message with its header, as SIZE announces them (RFC 1870).
    max_recipients: accepted recipients of one message (RCPTMAX of RFC 9422).
    max_transactions: MAIL commands of one connection (MAILMAX of RFC 9422); None: no limit.
    mechanisms: SASL mechanisms in the order in which they are offered, upper case; only ever inside TLS.
    starttls: whether STARTTLS is offered while the connection has no TLS.
    binarymime: whether BODY=BINARYMIME is offered and taken (RFC 3030).
    bare_newlines: what becomes of a bare CR or LF in a message that is not BINARYMIME.
    auth_equals_line: add the pre-standard `AUTH=LOGIN PLAIN` line that old programs look for.
    command_line: octets of a command line with its CRLF.
    auth_line: octets of an AUTH command or response with its CRLF (RFC 4954 section 4 asks for 12,288).
    data_line: octets of a line of a message with its CRLF.
    errors: mistakes of syntax or sequence in one connection; the last one is followed by 421.
    commands_before_auth: commands of one connection before its peer has signed in.
    failed_signins: refused sign-ins (4yz, 5yz) of one connection; the last one is followed by 421.
    idle_commands: commands such as NOOP or RSET, in a row, that bring no message nearer.
    refusals: refused recipients and commands pipelined behind a refusal; they are no mistakes, yet end.
    discard: octets above message_size that are read and dropped, of a message that is too large or of BDAT commands
        that were refused; with more of them the connection ends.
    phrases: what all sessions of the listener hear alike, made of the others.
    """

    name: str
    postmaster: Mailbox
    greeting_text: str = "ESMTP submission service ready"
    message_size: int = 50 * MIB
    max_recipients: int = 1_000
    max_transactions: int | None = None
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    starttls: bool = True
    binarymime: bool = False
    bare_newlines: BareNewlines = BareNewlines.REJECT
    auth_equals_line: bool = False
    command_line: int = 2_048
    auth_line: int = 12_288
    data_line: int = 65_536
    errors: int = 10
    commands_before_auth: int = 20
    failed_signins: int = 3
    idle_commands: int = 200
    refusals: int = 10_000
    discard: int = 1_024 * MIB
    phrases: Phrases = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "phrases", phrases_of(self))
