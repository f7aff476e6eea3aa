"""What clients are told about a sign-in (RFC 4954 section 6, RFC 5248 for the enhanced codes)."""

from __future__ import annotations

import time

from sams.core.reply import Reply, reply
from sams.core.text import ascii_line

ACCEPTED = reply(235, "2.7.0", "Signed in")
WRONG = reply(535, "5.7.8", "Wrong user name or password")
UNAVAILABLE = reply(454, "4.7.0", "Signing in does not work at the moment, try again later")
BUSY = reply(454, "4.7.0", "Too many sign-ins at the moment, try again in a minute")


def suspended(reason: str) -> Reply:
    """For the right password of a suspended account. reason: the administrator's words; may be empty."""
    text = f"This account is suspended: {ascii_line(reason, 300)}" if reason else "This account is suspended"
    return reply(535, "5.7.13", text)


def locked(until: float) -> Reply:
    """until: UNIX seconds; shown as the next full minute in UTC, for the client's zone is not known."""
    shown = time.strftime("%H:%M UTC", time.gmtime(until + 59))
    return reply(454, "4.7.0", f"Too many wrong passwords from your address, try again after {shown}")
