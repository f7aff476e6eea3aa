"""Sending the octets of a message, piece by piece, exactly as many as its size says."""

from __future__ import annotations

from sams.core.errors import TemporaryFailure
from sams.core.reply import reply
from sams.protocol.smtp.client_exchange import Exchange
from sams.protocol.smtp.client_message import FILE_PIECE, PIECE, DotStuffer, OutgoingMessage
from sams.protocol.smtp.client_waits import (
    Dialogue,
    ForPiece,
    Stage,
    broke_protocol,
    refused,
)

_CHANGED = reply(451, "4.3.0", "The message could not be read in full")


class Payload:
    """The octets of one message on their way.

    is_complete: the last of them was handed over, so that the hop may have all it needs.
    """

    __slots__ = ("_exchange", "_left", "_message", "_queued", "is_complete")

    def __init__(self, exchange: Exchange, message: OutgoingMessage) -> None:
        self._exchange = exchange
        self._message = message
        self._left = message.size
        self._queued = 0
        self.is_complete = False

    def send_bdat(self) -> Dialogue[None]:
        """By BDAT, in one chunk: octets as they are (RFC 3030 section 2).

        Raises:
            TemporaryFailure: the pieces do not add up to the size, and the connection must be cut.
            ConversationEnded: the hop refused the message before its end.
        """
        self._exchange.command(b"BDAT %d LAST" % self._message.size)
        yield from self._send_all(None)

    def send_data(self) -> Dialogue[None]:
        """After 354: with dots doubled, and the dot at the end. Raises as `send_bdat` does."""
        self._exchange.expect()
        stuffer = DotStuffer()
        yield from self._send_all(stuffer)
        self._exchange.outgoing.append(stuffer.end())
        self.is_complete = True

    def send_at_once(self, limit: int) -> bool:
        """By BDAT, without a wait, if it is in memory and has at most `limit` octets; whether it was."""
        message = self._message
        body = message.body.in_memory() if self._left <= limit else None
        if body is None or len(message.head) + len(body) != self._left:
            return False
        self._exchange.command(b"BDAT %d LAST" % self._left)
        self._exchange.outgoing += (message.head, body)
        self._left = 0
        self.is_complete = True
        return True

    def send_nothing(self) -> None:
        """After 354 for no recipient: the dot alone (RFC 2920 section 3.1)."""
        self._exchange.expect()
        self._exchange.outgoing.append(b".\r\n")

    def _send_all(self, stuffer: DotStuffer | None) -> Dialogue[None]:
        body = self._message.body
        yield from self._send(self._message.head, stuffer)
        whole = body.in_memory()
        if whole is None:
            wait = ForPiece(Stage.MESSAGE, self._exchange.waits.timeouts.message, body.chunks(FILE_PIECE))
            held = b""
            while piece := (yield wait):
                if held:
                    yield from self._send(held, stuffer)
                held = piece  # the last one waits until the source has said that all was well
            yield from self._send(held, stuffer)
        elif len(whole) <= 2 * PIECE:
            yield from self._send(whole, stuffer)
        else:
            for start in range(0, len(whole), PIECE):
                yield from self._send(whole[start : start + PIECE], stuffer)
        if self._left:
            raise TemporaryFailure(_CHANGED, f"{self._left} octets are missing at its end")

    def _send(self, piece: bytes, stuffer: DotStuffer | None) -> Dialogue[None]:
        if len(piece) > self._left:
            raise TemporaryFailure(_CHANGED, "it is longer than its size says")
        self._left -= len(piece)
        self.is_complete = stuffer is None and not self._left
        self._exchange.outgoing.append(piece if stuffer is None else stuffer.stuff(piece))
        self._queued += len(piece)
        if self._queued >= PIECE:
            self._queued = 0
            yield self._exchange.waits.room
            if self._left:
                self._heed_early_reply()

    def _heed_early_reply(self) -> None:
        """A refusal before the end spares the rest; then only cutting the connection ends the data."""
        answer = self._exchange.early_reply(Stage.MESSAGE)
        if answer is None:
            return
        if answer.is_positive:
            raise broke_protocol(Stage.MESSAGE, f"{answer.code} before the end of the message")
        raise refused(Stage.MESSAGE, answer)
