"""From a complete content to the message that is stored: whose it is, what is added, what is taken out."""

from __future__ import annotations

import ipaddress

from msgspec import Struct

from sams.config.model import Trace as TraceSettings
from sams.core.address import Mailbox
from sams.core.errors import PermanentFailure, TemporaryFailure
from sams.identity.interface import Identity
from sams.message.fixup import Additions, fix_up
from sams.message.header import Header
from sams.message.trace import Client, Stamp, Trace, date_time
from sams.policy.senders import SenderPolicy
from sams.spool.interface import MessageFacts, NewMessage, StoredBody
from sams.submission.transaction import Transaction


class Arrival(Struct, frozen=True, gc=False):
    """Where and how a message came in.

    session: the session's id. helo_name: what the peer calls itself. address: the peer's.
    extended: EHLO was said. tls: version and cipher. at: UNIX seconds.
    """

    session: str
    helo_name: str
    address: str
    extended: bool
    tls: tuple[str, str] | None
    at: float


class Composed(Struct, frozen=True, gc=False):
    """The message to store, and what was let through that a stricter setting would refuse."""

    message: NewMessage
    warnings: tuple[str, ...]


class Composer:
    """Composes the messages of a worker under one configuration. What many of them share is written once."""

    __slots__ = ("_date", "_name", "_second", "_senders", "_settings", "_stamps")

    def __init__(self, name: str, senders: SenderPolicy, settings: TraceSettings) -> None:
        """Take the rules.

        Args:
            name: this server's.
            senders: as whom members may send.
            settings: what the Received field tells of a member.
        """
        self._name = name
        self._senders = senders
        self._settings = settings
        self._second = -1
        self._date = ""
        self._stamps: dict[tuple[bool, bool, tuple[str, str] | None], Stamp] = {}

    def compose(
        self, arrival: Arrival, identity: Identity, transaction: Transaction, body: StoredBody
    ) -> Composed:
        """Check whose message it is and make its header.

        Raises:
            PermanentFailure: the member may not send as the author that the header names.
            TemporaryFailure: that cannot be told now.
        """
        header, measures = transaction.header, transaction.measures
        assert header is not None
        assert measures is not None
        verdict = self._senders.check_header(identity, header)
        if verdict.reply is not None:
            is_permanent = verdict.reply.code >= 500
            raise (PermanentFailure if is_permanent else TemporaryFailure)(verdict.reply, verdict.detail)
        mail = transaction.mail
        parameters = mail.parameters
        head = self._head(arrival, identity, transaction, header, verdict.add_sender)
        message = NewMessage(
            id=transaction.id,
            login=identity.login,
            session=arrival.session,
            reverse_path=mail.reverse_path,
            recipients=tuple(transaction.recipients),
            head=head,
            body=body,
            arrived=arrival.at,
            facts=MessageFacts(
                has_8bit_body=measures.has_8bit_body,
                has_8bit_header=not head.isascii(),  # a Bcc may have gone, a Sender come
                is_binary=measures.is_binary,
                longest_line=measures.longest_line,
            ),
            declared=parameters.body,
            smtputf8=parameters.smtputf8,
            ret=parameters.ret,
            envid=parameters.envid,
        )
        return Composed(message, verdict.warnings)

    def _head(
        self,
        arrival: Arrival,
        identity: Identity,
        transaction: Transaction,
        header: Header,
        sender: Mailbox | None,
    ) -> bytes:
        second = int(arrival.at)
        if second != self._second:
            self._second, self._date = second, date_time(second)
        smtputf8 = transaction.mail.parameters.smtputf8
        stamp = self._stamps.get((arrival.extended, smtputf8, arrival.tls))
        if stamp is None:
            stamp = self._stamp(arrival, identity, smtputf8)
        only_recipient = transaction.first_recipient if len(transaction.recipients) == 1 else ""
        received = stamp.received(transaction.id, self._date, only_recipient)
        message_id = f"{transaction.id}@{self._name}"
        return fix_up(header, Additions(received, self._date, message_id, sender))

    def _stamp(self, arrival: Arrival, identity: Identity, smtputf8: bool) -> Stamp:  # noqa: FBT001 - private, no order
        """Of this way in. Ways differ by what TLS there was, a handful, unless they tell of the client."""
        if self._settings.client_address:
            return Stamp(self._trace(arrival, smtputf8, self._client(arrival, identity)))
        stamp = Stamp(self._trace(arrival, smtputf8, None))
        self._stamps[arrival.extended, smtputf8, arrival.tls] = stamp
        return stamp

    def _trace(self, arrival: Arrival, smtputf8: bool, client: Client | None) -> Trace:  # noqa: FBT001 - as above
        return Trace(
            by=self._name, extended=arrival.extended, smtputf8=smtputf8, tls=arrival.tls, client=client
        )

    def _client(self, arrival: Arrival, identity: Identity) -> Client:
        """A home address does not leak, unless the administrator says that it shall."""
        login = identity.login if self._settings.login else None
        return Client(arrival.helo_name, ipaddress.ip_address(arrival.address), login)
