"""Whom a device may write to: a printer scans to the people of its office, and its stolen password to nobody else."""

from __future__ import annotations

from sams.core.address import Mailbox
from sams.core.reply import Reply, reply
from sams.core.text import ascii_line
from sams.identity.interface import Identity
from sams.identity.patterns import covers

MOST_SHOWN = 5
"""How many of the allowed patterns a refusal lists."""
_LINE = 400
"""Characters of a reply's text: with code and reference it stays below RFC 5321's 512 octets."""


def check_recipient(identity: Identity, recipient: Mailbox) -> Reply | None:
    """The refusal of a recipient whom this identity may not write to; None: it may."""
    if not identity.recipients or covers(identity.recipients, recipient):
        return None
    shown = ", ".join(identity.recipients[:MOST_SHOWN])
    more = ", ..." if len(identity.recipients) > MOST_SHOWN else ""
    text = f"You may write to {shown}{more} only, not to {recipient}; ask your administrator"
    return reply(550, "5.7.1", ascii_line(text, _LINE))
