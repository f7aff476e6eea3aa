"""Plays the next hop for the client engine, without I/O: what is written, then what is answered, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

from sams.core.address import parse_mailbox
from sams.core.envelope import Envelope, Notify, OriginalRecipient, Recipient
from sams.delivery.fitting import BytesBody
from sams.protocol.smtp.client import SmtpClient
from sams.protocol.smtp.client_message import OutgoingMessage
from sams.protocol.smtp.client_opening import Opening
from sams.protocol.smtp.client_result import OutgoingTransaction
from sams.protocol.smtp.client_waits import (
    ConversationEnded,
    Dialogue,
    ForPiece,
    ForReply,
    ForTls,
    Stage,
    Wait,
    lost,
)

_T = TypeVar("_T")

LOST = "the connection goes away"
VERIFIED = "the handshake succeeds, with the name verified"
UNVERIFIED = "the handshake succeeds, whatever the name"

Step = tuple[bytes | None, bytes | str | ConversationEnded]


def play(client: SmtpClient, dialogue: Dialogue[_T], *steps: Step) -> _T:
    """Drive a dialogue. Each step: what the client must have written (None: never mind), and what comes then."""
    todo = list(steps)
    try:
        wait: Wait = next(dialogue)
        while True:
            if isinstance(wait, ForReply | ForTls):
                assert todo, f"the client waits for {wait.stage}; unsent: {client.take_outgoing()!r}"
                written, answer = todo.pop(0)
                _check(written, client)
                wait = _go_on(client, dialogue, answer, wait.stage)
            else:
                assert not isinstance(wait, ForPiece), "pieces are tested with a loop"
                wait = next(dialogue)
    except StopIteration as stop:
        assert not todo, f"never asked for: {todo!r}"
        return cast("_T", stop.value)


def _check(written: bytes | None, client: SmtpClient) -> None:
    sent = b"".join(client.take_outgoing())
    if written is not None:
        assert sent == written


def _go_on(
    client: SmtpClient, dialogue: Dialogue[_T], answer: bytes | str | ConversationEnded, stage: Stage
) -> Wait:
    if isinstance(answer, ConversationEnded):
        return dialogue.throw(answer)
    if answer == LOST:
        return dialogue.throw(lost(stage, "reset"))
    if isinstance(answer, str):
        client.secured(verified=answer == VERIFIED)
        return next(dialogue)
    for octet in answer:
        client.receive(bytes((octet,)))
    return next(dialogue)


def opened(*extensions: str, how: Opening | None = None) -> SmtpClient:
    """A client whose conversation stands, with a hop that offers these."""
    client = SmtpClient(how or Opening("me.example.org"))
    lines = ["hop.example.net", *extensions]
    ehlo = [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]
    answer = "".join(f"{line}\r\n" for line in ehlo).encode()
    play(client, client.opening(), (b"", b"220 hi\r\n"), (b"EHLO me.example.org\r\n", answer))
    return client


def recipient(
    address: str, notify: Notify | None = None, original: OriginalRecipient | None = None
) -> Recipient:
    """A recipient by its address."""
    return Recipient(parse_mailbox(address), notify, original)


def transaction(
    *addresses: str | Recipient,
    sender: str | None = "ann@example.org",
    text: bytes = b"Hi\r\n",
    facts: Mapping[str, bool] | None = None,
) -> OutgoingTransaction:
    """A small message to these recipients."""
    recipients = tuple(each if isinstance(each, Recipient) else recipient(each) for each in addresses)
    path = parse_mailbox(sender) if sender is not None else None
    message = OutgoingMessage(b"Subject: x\r\n\r\n", BytesBody(text), **(facts or {}))
    return OutgoingTransaction(Envelope(path, recipients), message)
