"""From a complete content to the message that is stored: whose it is, what is added, what is taken out."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from sams.config.model import Trace as TraceSettings
from sams.core.address import Mailbox
from sams.core.errors import PermanentFailure
from sams.identity.interface import Identity
from sams.message.addresses import AddressListError, HeaderAddress, parse_address_list
from sams.message.fixup import Additions, fix_up
from sams.message.header import Header
from sams.message.trace import Client, Trace, received
from sams.policy.senders import HeaderSenders, SenderPolicy, Unreadable
from sams.spool.interface import MessageFacts, NewMessage, StoredBody
from sams.submission.transaction import Transaction

MOST_AUTHORS = 100
"""Addresses of one From or Resent-From field that are looked at; more are refused."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where and how a message came in.

    server_name: ours. session: the session's id. helo_name: what the peer calls itself. address: the peer's.
    extended: EHLO was said. tls: version and cipher. at: UNIX seconds.
    """

    server_name: str
    session: str
    helo_name: str
    address: str
    extended: bool
    tls: tuple[str, str] | None
    at: float


@dataclass(frozen=True, slots=True)
class Composed:
    """The message to store, and what was let through that a stricter setting would refuse."""

    message: NewMessage
    warnings: tuple[str, ...]


def compose(
    arrival: Arrival,
    identity: Identity,
    *,
    transaction: Transaction,
    body: StoredBody,
    senders: SenderPolicy,
    settings: TraceSettings,
) -> Composed:
    """Check whose message it is and make its header.

    Raises:
        PermanentFailure: the member may not send as the author that the header names.
    """
    assert transaction.header is not None
    verdict = senders.check_header(identity, header_senders(transaction.header))
    if verdict.reply is not None:
        raise PermanentFailure(verdict.reply)
    head = _head(
        arrival,
        identity,
        transaction=transaction,
        header=transaction.header,
        sender=verdict.add_sender,
        settings=settings,
    )
    return Composed(_message(arrival, identity, transaction, body, head), verdict.warnings)


def header_senders(header: Header) -> HeaderSenders:
    """What the header says about who sends."""
    return HeaderSenders(
        from_fields=header.count(b"from"),
        authors=_addresses(header, b"from"),
        resent_fields=header.count(b"resent-from"),
        resent=_addresses(header, b"resent-from"),
        sender=_addresses(header, b"sender"),
        sender_fields=header.count(b"sender"),
    )


def _addresses(header: Header, name: bytes) -> tuple[HeaderAddress, ...] | Unreadable:
    value = header.first(name)
    if value is None:
        return ()
    try:
        return parse_address_list(value, MOST_AUTHORS)
    except AddressListError as error:
        return Unreadable(str(error))


def _head(
    arrival: Arrival,
    identity: Identity,
    *,
    transaction: Transaction,
    header: Header,
    sender: Mailbox | None,
    settings: TraceSettings,
) -> bytes:
    recipients = transaction.recipients
    trace = Trace(
        by=arrival.server_name,
        identifier=transaction.id,
        at=arrival.at,
        extended=arrival.extended,
        smtputf8=transaction.mail.parameters.smtputf8,
        tls=arrival.tls,
        only_recipient=recipients[0].recipient.mailbox if len(recipients) == 1 else None,
        client=_client(arrival, identity, settings),
    )
    message_id = f"{transaction.id}@{arrival.server_name}"
    return fix_up(header, Additions(received(trace), arrival.at, message_id, sender))


def _client(arrival: Arrival, identity: Identity, settings: TraceSettings) -> Client | None:
    """A home address does not leak, unless the administrator says that it shall."""
    if not settings.client_address:
        return None
    login = identity.login if settings.login else None
    return Client(arrival.helo_name, ipaddress.ip_address(arrival.address), login)


def _message(
    arrival: Arrival, identity: Identity, transaction: Transaction, body: StoredBody, head: bytes
) -> NewMessage:
    assert transaction.header is not None
    assert transaction.structure is not None
    parameters = transaction.mail.parameters
    found = transaction.structure
    return NewMessage(
        id=transaction.id,
        login=identity.login,
        session=arrival.session,
        reverse_path=transaction.mail.reverse_path,
        recipients=tuple(transaction.recipients),
        head=head,
        body=body,
        arrived=arrival.at,
        facts=MessageFacts(
            has_8bit_body=found.has_8bit_body,
            has_8bit_header=transaction.header.has_8bit,
            is_binary=found.is_binary,
            longest_line=found.longest_line,
        ),
        declared=parameters.body,
        smtputf8=parameters.smtputf8,
        ret=parameters.ret,
        envid=parameters.envid,
    )
