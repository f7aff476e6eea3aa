"""The two directions of a conversation with a next hop, as the dialogues see them."""

from __future__ import annotations

import re

from sams.core.reply import Reply
from sams.protocol.smtp.client_waits import (
    ConversationEnded,
    Dialogue,
    ForReply,
    Stage,
    Waits,
)
from sams.protocol.smtp.remote_reply import ReplyError, ReplyLimits, ReplyReader

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Exchange:
    """What is to be written, what was read, and how many commands are not answered yet.

    outgoing: pieces to be written, in order; the driver takes them.
    unanswered: commands (and messages) whose reply has not been taken.
    says_auth: we signed in, and MAIL says AUTH=<>.
    lost: what ended the conversation, where it is known before all that came before it was read.
    verified_tls: None in clear, else whether the hop's name was verified in the handshake.
    """

    __slots__ = ("_reader", "lost", "outgoing", "says_auth", "unanswered", "verified_tls", "waits")

    def __init__(self, waits: Waits, limits: ReplyLimits) -> None:
        self._reader = ReplyReader(limits)
        self.waits = waits
        self.outgoing: list[bytes] = []
        self.unanswered = 0
        self.verified_tls: bool | None = None
        self.says_auth = False
        self.lost: ConversationEnded | None = None

    @property
    def has_reply(self) -> bool:
        """A dialogue that waits for a reply can go on: with the reply, or with the fault in its place."""
        return self._reader.ready > 0 or self._reader.error is not None

    @property
    def is_quiet(self) -> bool:
        """Nothing was read that was not taken, and nothing is unanswered."""
        return self._reader.is_empty and not self.unanswered

    @property
    def has_unasked(self) -> bool:
        """All that we said is answered, and the hop has said more."""
        return not (self.unanswered or self._reader.is_empty)

    def receive(self, data: bytes) -> bool:
        """Take octets of the hop; whether a dialogue that waits for a reply can go on."""
        self._reader.feed(data, self.unanswered)
        return self.has_reply

    def secured(self, *, verified: bool) -> None:
        """The TLS handshake is done: all that was said before is forgotten (RFC 3207 section 4.2)."""
        self.verified_tls = verified

    def expect(self) -> None:
        """The hop owes a reply that no command of ours asks for: the greeting, or that to a message."""
        self.unanswered += 1

    def command(self, line: bytes) -> None:
        """Queue a command.

        Raises:
            ValueError: it has a control character, which could make two commands of it. Nothing is queued.
        """
        self.outgoing.append(command_line(line))
        self.unanswered += 1

    def commands(self, lines: bytes, count: int) -> None:
        """Queue so many commands, which are known to be sound, each with its CRLF."""
        self.outgoing.append(lines)
        self.unanswered += count

    def lacks(self, count: int) -> bool:
        """Whether it makes sense to wait until so many replies are here: none of those here is other than 2yz."""
        return self._reader.lacks(count)

    @property
    def ready(self) -> int:
        """How many whole replies are here."""
        return self._reader.ready

    def positive_replies(self, count: int) -> Reply | None:
        """The last of the next `count` replies, if all are here and 2yz: they are taken, else none of them."""
        last = self._reader.take_positive(count)
        if last is not None:
            self.unanswered -= count
        return last

    def reply(self, wait: ForReply) -> Dialogue[Reply]:
        """The next reply, whatever it says.

        Raises:
            ConversationEnded: it never came, or was no reply.
        """
        while (answer := self._take(wait.stage)) is None:
            if self.lost is not None:
                raise self.lost
            yield wait
        self.unanswered -= 1
        return answer

    def early_reply(self, stage: Stage) -> Reply | None:
        """A reply that came before it was due, if one did."""
        answer = self._take(stage)
        if answer is not None:
            self.unanswered -= 1
        return answer

    def _take(self, stage: Stage) -> Reply | None:
        try:
            return self._reader.take()
        except ReplyError as error:
            raise ConversationEnded(stage, error.reply, error.detail, is_fault=True) from None


def command_line(line: bytes) -> bytes:
    """A command as it is sent.

    Raises:
        ValueError: it has a control character.
    """
    if _CONTROL.search(line):
        raise ValueError("a command to the next hop has a control character")
    return line + b"\r\n"
