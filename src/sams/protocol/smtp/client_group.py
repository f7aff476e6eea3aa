"""Several transactions with a next hop in one group of commands, each with its message.

Theory of operation
-------------------
RFC 2920 section 3.1 lets the commands of the next transaction stand in one group with the end of the message
before it, and BDAT (RFC 3030) tells where each message ends without a word of the hop. So small messages follow
each other without a wait: one write, one round trip and one read for all of a group. From the second on each
begins with RSET: a transaction that a refusal left open must not take in the recipients of the next. (Where
something is left before the group, its first goes by itself, and hears the reply to its RSET first.) A hop that
refuses a RSET all the same has the rest of the group already: its replies count, for what it took must not be sent
again; the connection is given up, and `distrust` keeps groups from it.

A message goes this way where nothing about it is out of the ordinary (`Group.say`); all others go one by one
(`client_transaction`). As there, no more than `WINDOW` commands are ever unanswered. The replies to each
transaction are awaited as a whole. Where all of them are 2yz it was taken; for everything else the dialogue of a
lone transaction reads them, as if it had just written its commands.

Where the conversation breaks, the transaction at which it did is told apart from those behind it, of which the
hop had not said a word: it may have taken any of them, as it may whenever it goes away behind the end of a message.
"""

from __future__ import annotations

import re
from typing import Protocol

from sams.core.address import AddressError
from sams.core.outcome import Result
from sams.core.reply import Reply
from sams.protocol.smtp import client_commands as commands
from sams.protocol.smtp.client_capabilities import Capabilities
from sams.protocol.smtp.client_exchange import Exchange
from sams.protocol.smtp.client_message import OutgoingMessage
from sams.protocol.smtp.client_result import BreakOff, OutgoingTransaction, TransactionResult, Verdict
from sams.protocol.smtp.client_transaction import EAGER, WINDOW, TransactionDialogue
from sams.protocol.smtp.client_waits import ConversationEnded, Dialogue, ForReply

MOST_RECIPIENTS = 100
"""A transaction with more goes by itself: its commands would be a group already."""
_SOUND = re.compile(rb"(?:[\x20-\x7e]+\r\n)+")
_RSET = b"RSET\r\n"


class Landing(Protocol):
    """Hears what came of each transaction of a group, in their order."""

    def taken(self, end: Reply) -> None:
        """The hop took the next one for all its recipients; `end` is its reply to the message."""
        ...

    def ended(self, result: TransactionResult) -> None:
        """Something else came of the next one."""
        ...


class Group:
    """Transactions that are said together. First `say` each, then run `hear` once.

    needs_reset: something of a transaction may be left in the hop. is_broken: the conversation broke off.
    is_last: it is whole, but must not go on.
    octets: what the messages that were said take.
    """

    __slots__ = (
        "_exchange",
        "_form",
        "_landing",
        "_most",
        "_most_recipients",
        "_offered",
        "_replies",
        "_said",
        "is_broken",
        "is_last",
        "needs_reset",
        "octets",
    )

    def __init__(
        self,
        exchange: Exchange,
        offered: Capabilities,
        landing: Landing,
        most: int,
        *,
        needs_reset: bool,
    ) -> None:
        """Begin a group of at most so many."""
        self._exchange = exchange
        self._offered = offered
        self._landing = landing
        self._most = most
        self._most_recipients = (
            min(offered.rcpt_max or MOST_RECIPIENTS, MOST_RECIPIENTS)
            if offered.rcpt_domain_max is None
            else 1
        )
        self.needs_reset = needs_reset
        self.is_broken = self.is_last = False
        self._form = commands.Form(smtputf8=False, says_auth=exchange.says_auth, capabilities=offered)
        self._said: list[tuple[OutgoingTransaction, int, bool]] = []
        self._replies = 0
        self.octets = 0

    @property
    def count(self) -> int:
        """How many were said."""
        return len(self._said)

    def say(self, transaction: OutgoingTransaction) -> bool:
        """Queue all of a transaction; False: it must go by itself, and nothing of it was queued."""
        message, recipients = transaction.message, len(transaction.envelope.recipients)
        body, reset = message.body.in_memory(), self.needs_reset
        replies = recipients + 2 + reset
        if (
            body is None
            or (reset and not self._said)
            or len(self._said) >= self._most
            or self._replies + replies > WINDOW
            or not 0 < recipients <= self._most_recipients
            or not self._is_plain(message)
        ):
            return False
        size = len(message.head) + len(body)
        lines = self._lines(transaction, size, recipients + 2)
        if lines is None:
            return False
        self.needs_reset = True  # whatever comes of it, so that the next need not know
        self._replies += replies
        self._said.append((transaction, replies, reset))
        self.octets += size
        self._exchange.commands(b"".join((_RSET if reset else b"", lines, message.head, body)), replies)
        return True

    def _is_plain(self, message: OutgoingMessage) -> bool:
        """Nothing about it needs a word of the hop before it can be sent."""
        return not (message.is_binary or message.needs_smtputf8 or message.longest_line) and (
            self._offered.eight_bit_mime or not message.has_8bit
        )

    def _lines(self, transaction: OutgoingTransaction, size: int, count: int) -> bytes | None:
        """MAIL, RCPTs and BDAT, so many; None: the message is too large, or an address is not written in ASCII."""
        form, most = self._form, self._offered.size
        if size > EAGER or (most is not None and size > most):
            return None
        try:
            mail = commands.mail(transaction.envelope, transaction.message, size, form)
            rcpts = [commands.rcpt(recipient, form) for recipient in transaction.envelope.recipients]
        except AddressError:
            return None
        lines = b"\r\n".join((mail, *rcpts, b"BDAT %d LAST\r\n" % size))
        return lines if _SOUND.fullmatch(lines) and lines.count(b"\n") == count else None

    def hear(self) -> Dialogue[None]:
        """Hear the replies, and tell `landing` of each transaction what came of it."""
        broken: BreakOff | None = None
        for transaction, replies, reset in self._said:
            if broken is not None:
                self._landing.ended(_unheard(transaction, broken))
                continue
            exchange = self._exchange
            end = exchange.positive_replies(replies)
            while end is None and exchange.lost is None and exchange.lacks(replies):
                try:
                    yield self._wait(replies, reset=reset)
                except ConversationEnded as ended:
                    exchange.lost = ended  # what was said before it still counts
                end = exchange.positive_replies(replies)
            if end is not None:
                self.needs_reset = False
                self._landing.taken(end)
                continue
            dialogue = TransactionDialogue(exchange, self._offered, transaction, needs_reset=reset)
            result = yield from dialogue.hear_said()
            self.needs_reset, broken = dialogue.needs_reset, result.broke_off
            self.is_broken = broken is not None
            self.is_last = self.is_last or bool(result.distrust)
            self._landing.ended(result)

    def _wait(self, replies: int, *, reset: bool) -> ForReply:
        """The wait for the next of a transaction's replies, of which some are here."""
        waits, ready = self._exchange.waits, self._exchange.ready
        if ready == replies - 1:
            return waits.end
        return waits.rcpt if ready > reset else waits.mail if ready == reset else waits.reset


def _unheard(transaction: OutgoingTransaction, broken: BreakOff) -> TransactionResult:
    """One that was said behind the break."""
    verdict = Verdict(Result.DEFERRED, broken.reply, by_peer=broken.by_peer)
    unheard = BreakOff(
        broken.stage, broken.reply, broken.detail, broken.by_peer, after_end=True, untouched=True
    )
    return TransactionResult((verdict,) * len(transaction.envelope.recipients), broke_off=unheard)
