"""What the engine says by itself: each text tells what was wrong and what to do."""

from __future__ import annotations

from sams.core.reply import Reply, reply

# Greetings and courtesy.
STARTTLS_GO_AHEAD = reply(220, "2.0.0", "Ready to start TLS")
RESET = reply(250, "2.0.0", "Ok")
NOOP = reply(250, "2.0.0", "Ok")
SIGNED_IN = reply(235, "2.7.0", "Signed in")
SENDER_ACCEPTED = reply(250, "2.1.0", "Sender accepted")
RECIPIENT_ACCEPTED = reply(250, "2.1.5", "Recipient accepted")
START_MAIL_INPUT = reply(354, None, "End data with <CR><LF>.<CR><LF>")
VRFY = reply(252, "2.0.0", "Cannot verify the user, but will take a message and try to deliver it")
HELP = reply(
    214,
    "2.0.0",
    "This is a message submission server: EHLO, STARTTLS, EHLO, AUTH, then MAIL, RCPT and DATA or BDAT.",
    "Also: HELO HELP NOOP QUIT RSET VRFY",
)

# Sequence.
NEED_TLS = reply(530, "5.7.0", "Must issue a STARTTLS command first: switch your mail program to STARTTLS")
NEED_TLS_TO_SIGN_IN = reply(
    538, "5.7.11", "Encryption required to sign in: switch your mail program to STARTTLS"
)
NEED_AUTH = reply(530, "5.7.0", "Authentication required: switch on user name and password for outgoing mail")
NEED_HELLO = reply(503, "5.5.1", "Say EHLO first")
NEED_MAIL = reply(503, "5.5.1", "MAIL comes first")
NEED_RECIPIENT = reply(554, "5.5.1", "No valid recipients")
MAIL_TWICE = reply(503, "5.5.1", "A transaction is open: end it with DATA, BDAT or RSET first")
TRANSACTION_FAILED = reply(503, "5.5.1", "The transaction was refused: begin again with MAIL")
CHUNKS_STARTED = reply(503, "5.5.1", "BDAT has begun: go on with BDAT, or RSET")
BINARY_NEEDS_BDAT = reply(503, "5.5.1", "BODY=BINARYMIME needs BDAT in place of DATA")
TLS_TWICE = reply(503, "5.5.1", "TLS is active already")
AUTH_TWICE = reply(503, "5.5.1", "You are signed in already")
AUTH_IN_TRANSACTION = reply(503, "5.5.1", "No AUTH within a transaction")

# Syntax.
NOT_CRLF = reply(500, "5.5.2", "lines must end in CRLF")
LINE_TOO_LONG = reply(500, "5.5.2", "Line too long")
EMPTY_LINE = reply(500, "5.5.2", "Empty line: send a command")
UNKNOWN_COMMAND = reply(500, "5.5.1", "Command not recognised: HELP lists the commands")
NOT_IMPLEMENTED = reply(502, "5.5.1", "Command not implemented")
STARTTLS_UNAVAILABLE = reply(502, "5.5.1", "STARTTLS is not offered here")
NO_PARAMETERS = reply(501, "5.5.4", "This command takes no parameters")
HELLO_SYNTAX = reply(501, None, "Syntax: EHLO or HELO, and the name of your machine (at most 255 octets)")
BDAT_SYNTAX = reply(
    501, "5.5.4", "Syntax: BDAT octets [LAST]; closing, for what follows cannot be told apart"
)
VRFY_SYNTAX = reply(501, "5.5.4", "Syntax: VRFY address")

# Signing in (RFC 4954).
AUTH_SYNTAX = reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
AUTH_BASE64 = reply(501, "5.5.2", "The response is not base64")
AUTH_CANCELLED = reply(501, "5.7.0", "Authentication cancelled")
AUTH_TOO_LONG = reply(500, "5.5.6", "Authentication exchange line is too long")

# Bodies.
BARE_NEWLINE = reply(
    550, "5.6.11", "The message has a NUL, or a CR or LF that stands alone: lines must end in CRLF"
)

# Ends.
INJECTED = reply(554, "5.5.1", "Nothing may follow STARTTLS before the handshake; closing")
NOT_SMTP = reply(554, "5.5.1", "This is a mail submission server and speaks SMTP only; closing")
TLS_TOO_EARLY = reply(
    554,
    "5.5.1",
    "This port begins without TLS: set STARTTLS, or use the port for TLS from the start; closing",
)


def greeting(name: str, text: str) -> Reply:
    """220, the first words of a session."""
    return Reply(220, (f"{name} {text}",))


def farewell(name: str) -> Reply:
    """221, the answer to QUIT."""
    return Reply(221, (f"{name} closing connection",), RESET.status)


def too_much(name: str, what: str) -> Reply:
    """421 for a session that used up one of its limits."""
    return reply(421, "4.7.0", f"{name} {what}; closing")


def message_too_large(limit: int) -> Reply:
    """552 for a declared or counted size above the limit."""
    return reply(552, "5.3.4", f"The message is larger than the {limit} octets allowed here")


def line_too_long(limit: int) -> Reply:
    """554 for a line within a message."""
    return reply(554, "5.6.0", f"The message has a line of more than {limit} octets")


def too_many_recipients(limit: int) -> Reply:
    """452 for one recipient too many (RFC 5321 section 4.5.3.1.10)."""
    return reply(
        452, "4.5.3", f"Too many recipients: {limit} are allowed in one message; send the rest in another"
    )


def unknown_mechanism(offered: tuple[str, ...]) -> Reply:
    """504 for AUTH with a mechanism that is not offered."""
    return reply(504, "5.5.4", f"Mechanism not offered; there is {' '.join(offered) or 'none'}")


def chunk_received(octets: int) -> Reply:
    """250 for a BDAT that was not the last."""
    return reply(250, "2.0.0", f"{octets} octets received")
