"""One attempt to give a message to a smarthost: as many transactions as the hop's limits ask for.

What is retried at once, and what is not: a connection that was used before and turns out to be gone before the
hop said a word is replaced by a new one (hops close idle connections); who was one too many goes into the next
transaction; a hop that does not know what it offered (BDAT, RSET, a parameter) is spoken to without it.
Everything else is for the scheduler, which has the times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sams.core.clock import Clock
from sams.core.envelope import Envelope
from sams.core.errors import SamsError, TemporaryFailure
from sams.core.outcome import Outcome, Result
from sams.core.reply import Reply, reply
from sams.delivery.connection import HopConnection
from sams.delivery.fitting import fitted
from sams.delivery.interface import AttemptResult, Hop
from sams.delivery.pool import HopPool, RouteDown
from sams.protocol.smtp.client_message import OutgoingMessage
from sams.protocol.smtp.client_result import BreakOff, OutgoingTransaction, TransactionResult, result_of
from sams.spool.interface import Content, QueuedMessage, QueuedRecipient, Work

_SIGN_IN_FIRST = 530
_FRESH = 1
_CUT_SHORT = reply(
    451, "4.3.2", "The attempt was stopped before the next hop had answered for all recipients"
)
_STILL = reply(
    451, "4.5.0", "The next hop broke the protocol: it refuses what it offers, and what it does not offer"
)
_HUNG_UP = reply(451, "4.4.2", "The next hop ended the conversation as soon as it had begun")


class Attempt:
    """One attempt, with what it brought so far."""

    def __init__(self, pool: HopPool, clock: Clock, work: Work, content: Content) -> None:
        self._pool = pool
        self._clock = clock
        self._queued = work.message
        self._left: Sequence[QueuedRecipient] = work.recipients
        self._message = outgoing(work.message, content)
        self._outcomes: list[tuple[int, Outcome]] = []
        self._hop = Hop.WORKS
        self._trouble: Outcome | None = None
        self._remote = ""
        self._tls = ""
        self._distrusted: frozenset[str] = frozenset()
        self._stopped_by = _CUT_SHORT

    async def run(self) -> AttemptResult:
        """As many transactions, on as many connections, as it takes."""
        try:
            await self._run()
        except asyncio.CancelledError:
            if not self._outcomes:
                raise
            return self.stopped()
        return self.result()

    def stopped(self) -> AttemptResult:
        """What it brought, where it is not to go on. See `Unfinished`."""
        self._hop, self._trouble = Hop.DOWN, self._outcome(Result.DEFERRED, self._stopped_by, "")
        return self.result()

    @property
    def is_untouched(self) -> bool:
        """Nothing was heard of it before the conversation broke. See `Unfinished`."""
        return self._stopped_by is not _CUT_SHORT and not self._outcomes

    @property
    def goes_on(self) -> bool:
        """Some recipients are to be tried at once, by `run`."""
        return bool(self._left) and self._trouble is None

    def result(self) -> AttemptResult:
        """What it brought."""
        return AttemptResult(self._outcomes, self._hop, self._trouble, self._remote, self._tls)

    def hear(self, connection: HopConnection, result: TransactionResult, sent: int) -> None:
        """Take in a transaction with all who are left, the connection's `sent`th."""
        self._remote, self._tls = connection.remote, connection.told_tls
        if result.distrust:
            self._distrust(connection, result)
        elif result.broke_off is not None:
            self._broke_off(connection, result, result.broke_off, sent)
        else:
            self._take_in(connection, result)

    async def _run(self) -> None:
        while self.goes_on:
            try:
                connection = await self._pool.acquire()
            except RouteDown as down:
                self._hop = Hop.DOWN
                self._trouble = self._outcome(Result.DEFERRED, down.reply, down.remote)
                self._remote = str(down.failures[-1][0])
                break
            self._remote, self._tls = connection.remote, connection.told_tls
            try:
                await self._use(connection)
            finally:
                self._pool.release(connection)

    async def _use(self, connection: HopConnection) -> None:
        """Transactions on one connection, as long as there is something to send and it can be used."""
        if not (connection.is_usable or connection.sent):
            self._hop = Hop.SUSPECT
            self._trouble = self._outcome(Result.DEFERRED, _HUNG_UP, "")
            self._decide_left(self._trouble)
            return
        try:
            message = await fitted(self._message, connection.capabilities)
            while self.goes_on and connection.is_usable:
                result = await connection.send(
                    OutgoingTransaction(envelope(self._queued, self._left), message)
                )
                self.hear(connection, result, connection.sent)
        except SamsError as error:  # the message is to blame, or what it is read from: not the hop
            kind = Result.DEFERRED if isinstance(error, TemporaryFailure) else result_of(error.reply)
            self._decide_left(self._outcome(kind, error.reply, ""))

    def _take_in(self, connection: HopConnection, result: TransactionResult) -> None:
        """Keep the verdicts; who has none stays for the next transaction."""
        left = []
        at = self._clock.now()
        for queued, verdict in zip(self._left, result.verdicts, strict=True):
            if verdict is None:
                left.append(queued)
                continue
            remote = connection.remote if verdict.by_peer else ""
            dsn_aware = result.dsn_aware and verdict.result is Result.DELIVERED
            outcome = Outcome(verdict.result, verdict.reply, remote, at, dsn_aware)
            self._outcomes.append((queued.number, outcome))
        self._left = left

    def _broke_off(
        self, connection: HopConnection, result: TransactionResult, broken: BreakOff, sent: int
    ) -> None:
        """What a broken conversation means: for the hop, and for those who have no verdict of the hop's own."""
        if broken.untouched and sent > _FRESH:  # it was closed while nobody used it
            self._stopped_by = broken.reply
            return
        remote = connection.remote if broken.by_peer else ""
        self._trouble = self._outcome(Result.DEFERRED, broken.reply, remote)
        if broken.by_peer and broken.reply.code == _SIGN_IN_FIRST:
            self._hop = Hop.DOWN
        else:
            self._hop = Hop.SUSPECT
            self._take_in(connection, result)

    def _distrust(self, connection: HopConnection, result: TransactionResult) -> None:
        """The hop offers what it does not know: each thing of that kind is a reason to begin anew once."""
        self._pool.distrust(connection.host, result.distrust)
        self._take_in(connection, result)
        if result.distrust <= self._distrusted:
            self._hop, self._trouble = Hop.SUSPECT, self._outcome(Result.DEFERRED, _STILL, "")
            self._decide_left(self._trouble)
        self._distrusted |= result.distrust

    def _decide_left(self, outcome: Outcome) -> None:
        self._outcomes += [(queued.number, outcome) for queued in self._left]
        self._left = ()

    def _outcome(self, kind: Result, answer: Reply, remote: str) -> Outcome:
        return Outcome(kind, answer, remote, self._clock.now())


def outgoing(queued: QueuedMessage, content: Content) -> OutgoingMessage:
    """The message as the engine takes it."""
    facts = queued.facts
    return OutgoingMessage(
        content.head,
        content.body,
        facts.has_8bit_header,
        facts.has_8bit_body,
        facts.is_binary,
        facts.longest_line,
    )


def envelope(queued: QueuedMessage, recipients: Sequence[QueuedRecipient]) -> Envelope:
    """The envelope for some of its recipients."""
    return Envelope(
        queued.reverse_path,
        tuple([each.recipient for each in recipients]),
        queued.declared,
        queued.smtputf8,
        queued.ret,
        queued.envid,
    )
