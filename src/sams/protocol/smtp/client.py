"""The SMTP client engine: the conversation with one next hop, without I/O.

It follows RFC 5321, 2920, 3030, 3207, 3461, 4954, 6152, 6531 and 9422.

Theory of operation
-------------------
A dialogue (`opening`, `transaction`) is a generator that yields what it waits for (`client_waits`). A driver
owns the connection and does the rest, the same way for every dialogue:

* before it waits, it writes what `take_outgoing` gives;
* what it reads goes into `receive`, which tells whether a dialogue that waits for a reply can go on;
* when a wait has come true, it resumes the generator; when its time is over, or the connection is lost, it
  throws `too_slow` or `lost` into it;
* it reads all the time, also while it writes.

One dialogue runs at a time. When a transaction has ended, `is_reusable` tells whether another may follow.
"""

from __future__ import annotations

from sams.protocol.smtp.client_capabilities import RESET, Capabilities
from sams.protocol.smtp.client_exchange import Exchange
from sams.protocol.smtp.client_group import Group, Landing
from sams.protocol.smtp.client_opening import Opening, opening
from sams.protocol.smtp.client_result import OutgoingTransaction, TransactionResult
from sams.protocol.smtp.client_transaction import TransactionDialogue
from sams.protocol.smtp.client_waits import Dialogue, Timeouts, Waits
from sams.protocol.smtp.remote_reply import DEFAULT_LIMITS, ReplyLimits

DEFAULT_WAITS = Waits(Timeouts())


class SmtpClient:
    """One conversation.

    capabilities: what the hop offers; everything is absent before `opening` has ended well.
    transactions: how many were begun with the hop.
    """

    def __init__(
        self, how: Opening, waits: Waits = DEFAULT_WAITS, limits: ReplyLimits = DEFAULT_LIMITS
    ) -> None:
        self._how = how
        self._exchange = Exchange(waits, limits)
        self._exchange.expect()  # the greeting, which may come before anyone waits for it
        self._is_open = False
        self._needs_reset = False
        self.capabilities = Capabilities()
        self.transactions = 0

    @property
    def is_reusable(self) -> bool:
        """Another transaction may begin: nothing broke, nothing was said unasked, MAILMAX allows it."""
        most = self.capabilities.mail_max
        if self._needs_reset and RESET in self._how.distrusted:
            return False
        return self._is_open and self._exchange.is_quiet and (most is None or self.transactions < most)

    def take_outgoing(self) -> list[bytes]:
        """What is to be written, in order; it is the driver's from now on."""
        outgoing, self._exchange.outgoing = self._exchange.outgoing, []
        return outgoing

    def receive(self, data: bytes) -> bool:
        """Take octets that the hop sent; whether a dialogue that waits for a reply can go on."""
        return self._exchange.receive(data)

    def secured(self, *, verified: bool) -> None:
        """The TLS handshake is done; `verified`: the hop proved the name that it was reached by."""
        self._exchange.secured(verified=verified)

    def opening(self) -> Dialogue[Capabilities]:
        """Greeting, EHLO, STARTTLS and AUTH.

        Raises:
            ConversationEnded: the hop cannot be used; close the connection.
        """
        self.capabilities = yield from opening(self._exchange, self._how)
        self._is_open = True
        return self.capabilities

    def transaction(self, transaction: OutgoingTransaction) -> Dialogue[TransactionResult]:
        """One message. Expected failures are in the result.

        Raises:
            TemporaryFailure: the message could not be read in full; the connection must be cut.
            ValueError: a value of the envelope has a control character; the connection must be cut.
        """
        dialogue = TransactionDialogue(
            self._exchange, self.capabilities, transaction, needs_reset=self._needs_reset
        )
        was_open, self._is_open = self._is_open, False
        result = yield from dialogue.run()
        self.transactions += dialogue.was_begun
        self._needs_reset = dialogue.needs_reset
        self._is_open = was_open and result.broke_off is None and not result.distrust
        return result

    @property
    def takes_groups(self) -> bool:
        """Whether the hop takes several transactions at once."""
        offered = self.capabilities
        return offered.pipelining and offered.chunking and RESET not in self._how.distrusted

    def group(self, landing: Landing, most: int) -> Group:
        """At most so many messages at once: `say` each, then drive `send`. For a hop that takes groups."""
        mail_max = self.capabilities.mail_max
        if mail_max is not None:
            most = min(most, mail_max - self.transactions)
        return Group(self._exchange, self.capabilities, landing, most, needs_reset=self._needs_reset)

    def send(self, group: Group) -> Dialogue[None]:
        """Send what the group said, and let its `landing` hear what came of it."""
        self._is_open = False
        self.transactions += group.count
        yield from group.hear()
        self._needs_reset = group.needs_reset
        self._is_open = not (group.is_broken or group.is_last)

    def quit(self) -> None:
        """Queue QUIT, where the conversation is at rest. Its reply is not worth a wait."""
        if self._is_open and self._exchange.is_quiet:
            self._exchange.command(b"QUIT")
            self._is_open = False
