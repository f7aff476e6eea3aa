"""What all sessions of a listener hear alike: octets that are made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sams.core.reply import Reply
from sams.protocol.smtp import replies
from sams.protocol.smtp.extensions import ehlo_reply
from sams.protocol.smtp.reply_lines import encode

if TYPE_CHECKING:
    from sams.protocol.smtp.settings import ServerSettings

STARTTLS_GO_AHEAD = encode(replies.STARTTLS_GO_AHEAD)
START_MAIL_INPUT = encode(replies.START_MAIL_INPUT)
SIGNED_IN = encode(replies.SIGNED_IN)
SENDER_ACCEPTED = encode(replies.SENDER_ACCEPTED)
RECIPIENT_ACCEPTED = encode(replies.RECIPIENT_ACCEPTED)


class Phrases(msgspec.Struct, frozen=True, gc=False):
    """The phrases that depend on the settings alone.

    ehlo_in_clear, ehlo_in_tls: the answer to EHLO, which offers STARTTLS or AUTH.
    """

    greeting: bytes
    helo: bytes
    ehlo_in_clear: bytes
    ehlo_in_tls: bytes
    farewell: bytes


def phrases_of(settings: ServerSettings) -> Phrases:
    """The phrases of a listener with these settings."""
    return Phrases(
        greeting=encode(replies.greeting(settings.name, settings.greeting_text)),
        helo=encode(Reply(250, (settings.name,))),
        ehlo_in_clear=ehlo_reply(settings, tls=False),
        ehlo_in_tls=ehlo_reply(settings, tls=True),
        farewell=encode(replies.farewell(settings.name)),
    )
