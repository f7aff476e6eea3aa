"""What clients are told about a sign-in (RFC 4954 section 6, RFC 5248 for the enhanced codes)."""

from __future__ import annotations

import time

from sams.core.reply import Reply, reply
from sams.core.text import ascii_line
from sams.protocol.smtp.replies import SIGNED_IN

ACCEPTED = SIGNED_IN
WRONG = reply(535, "5.7.8", "Wrong user name or password")
UNAVAILABLE = reply(454, "4.7.0", "Signing in does not work at the moment, try again later")
DEVICES_ONLY = reply(535, "5.7.0", "This port is for devices only; people use the port in their set-up page")
PEOPLE_ONLY = reply(535, "5.7.0", "This is a device's account; people sign in here with their own")
APP_PASSWORDS_ONLY = reply(
    535, "5.7.8", "Wrong user name or password; an app password is needed here, not your usual one"
)
EXPIRED = reply(535, "5.7.8", "This app password has expired: make a new one")
WRONG_NETWORK = reply(535, "5.7.0", "Signing in with this password is allowed from other networks only")
BUSY = reply(454, "4.7.0", "Too many sign-ins at the moment, try again in a minute")


def suspended(reason: str) -> Reply:
    """For the right password of a suspended account, or one that has expired or is not let in where it is kept.

    reason: the administrator's words, or a directory's; may be empty.
    """
    text = (
        f"This account may not send mail: {ascii_line(reason, 300)}"
        if reason
        else "This account is suspended"
    )
    return reply(535, "5.7.13", text)


_LOCKED = {
    "pair": "Too many wrong passwords for this login from your address",
    "address": "Too many wrong passwords from your address",
    "network": "Too many wrong passwords from your network",
    "login": "Too many wrong passwords for this login, from many places and now from here",
}
_DAY = 86_400.0


def locked(until: float, what: str = "address", now: float | None = None) -> Reply:
    """What is locked (`guard.interface.Lock.what`), and until when.

    until: UNIX seconds; shown as the next full minute in UTC, for the client's zone is not known, with the date
    where it is more than half a day ahead. now: UNIX seconds; None: the time of day is enough.
    """
    is_far = now is not None and until - now > _DAY / 2
    shown = time.strftime("%Y-%m-%d %H:%M UTC" if is_far else "%H:%M UTC", time.gmtime(until + 59))
    return reply(454, "4.7.0", f"{_LOCKED.get(what, _LOCKED['address'])}, try again after {shown}")
