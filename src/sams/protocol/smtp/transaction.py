"""MAIL and RCPT as values, and the transaction that they make."""

from __future__ import annotations

from dataclasses import dataclass

from sams.core.address import Mailbox
from sams.core.envelope import Body, Recipient
from sams.core.errors import PeerFault, PermanentFailure, TemporaryFailure
from sams.core.reply import reply
from sams.protocol.smtp import replies
from sams.protocol.smtp.events import Mail, MailParameters, Rcpt
from sams.protocol.smtp.grammar import (
    MAIL_PATH,
    RCPT_PATH,
    PathForm,
    bad_address,
    parse_address,
    split_path,
)
from sams.protocol.smtp.parameters import parse_mail_parameters, parse_rcpt_parameters
from sams.protocol.smtp.settings import ServerSettings


@dataclass(slots=True)
class Transaction:
    """What the engine itself remembers of a transaction: the envelope is the session's."""

    parameters: MailParameters
    recipients: int = 0


def parse_mail(argument: bytes, settings: ServerSettings) -> Mail:
    """MAIL FROM:<reverse-path> [parameters].

    Raises:
        PeerFault: its form.
        PermanentFailure: the declared size.
    """
    path, rest = split_path(argument, MAIL_PATH)
    parameters = parse_mail_parameters(rest)
    if parameters.body is Body.BINARY_MIME and not settings.binarymime:
        raise PeerFault(reply(501, "5.5.4", "BODY takes 7BIT or 8BITMIME"))
    if parameters.size is not None and parameters.size > settings.message_size:
        raise PermanentFailure(replies.message_too_large(settings.message_size))
    sender = parse_address(path, MAIL_PATH) if path else None
    _check_ascii(sender, MAIL_PATH, smtputf8=parameters.smtputf8)
    return Mail(sender, parameters)


def parse_rcpt(argument: bytes, settings: ServerSettings, transaction: Transaction) -> Rcpt:
    """RCPT TO:<forward-path> [parameters].

    Raises:
        PeerFault: its form.
        TemporaryFailure: one recipient too many.
    """
    path, rest = split_path(argument, RCPT_PATH)
    if not path:
        raise PeerFault(bad_address(RCPT_PATH, "a recipient cannot be empty"))
    notify, original = parse_rcpt_parameters(rest)
    mailbox = settings.postmaster if path.lower() == "postmaster" else parse_address(path, RCPT_PATH)
    _check_ascii(mailbox, RCPT_PATH, smtputf8=transaction.parameters.smtputf8)
    if transaction.recipients >= settings.max_recipients:
        raise TemporaryFailure(replies.too_many_recipients(settings.max_recipients))
    return Rcpt(Recipient(mailbox, notify, original))


def _check_ascii(mailbox: Mailbox | None, form: PathForm, *, smtputf8: bool) -> None:
    """RFC 6531 section 3.4: an address beyond ASCII needs SMTPUTF8 at MAIL."""
    if mailbox is not None and not smtputf8 and not mailbox.is_ascii:
        code = 550 if form is MAIL_PATH else 553
        raise PeerFault(reply(code, "5.6.7", "An address beyond ASCII needs the SMTPUTF8 parameter of MAIL"))
