"""The states of a server session, and what each makes of each command."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Where a session stands."""

    CLEAR = "clear"
    """No TLS yet."""
    HANDSHAKE = "handshake"
    """STARTTLS was answered with 220."""
    SECURED = "secured"
    """TLS, and nothing said in it."""
    GREETED = "greeted"
    """HELO or EHLO was said in TLS."""
    SIGNING_IN = "signing in"
    """An AUTH exchange is under way."""
    READY = "ready"
    """Signed in, no transaction."""
    MAIL = "mail"
    """The reverse path was accepted, no recipient yet."""
    RCPT = "rcpt"
    """One recipient or more was accepted."""
    DATA = "data"
    """The message comes in with DATA."""
    BDAT = "bdat"
    """The message comes in with BDAT, within a chunk or between two."""
    FAILED = "failed"
    """MAIL or a chunk was refused; what was pipelined behind it is refused too, and counts as no mistake."""
    CLOSED = "closed"
    """Nothing is read any more."""
