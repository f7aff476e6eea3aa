"""What MAIL and RCPT say, as values."""

from __future__ import annotations

from sams.core.address import Mailbox
from sams.core.envelope import Body, Recipient
from sams.core.errors import PeerFault, PermanentFailure
from sams.core.reply import reply
from sams.protocol.smtp import replies
from sams.protocol.smtp.events import Mail, MailParameters, Rcpt
from sams.protocol.smtp.grammar import (
    MAIL_PATH,
    RCPT_PATH,
    PathForm,
    bad_address,
    parse_address,
    plain_path,
    split_path,
)
from sams.protocol.smtp.parameters import parse_mail_parameters, parse_rcpt_parameters
from sams.protocol.smtp.settings import ServerSettings

_BINARY = Body.BINARY_MIME  # a name, for Python 3.11 takes its time to find a member


def parse_mail(argument: bytes, settings: ServerSettings) -> Mail:
    """MAIL FROM:<reverse-path> [parameters].

    Raises:
        PeerFault: its form.
        PermanentFailure: the declared size.
    """
    sender, rest = plain_path(argument, MAIL_PATH)
    path = ""
    if sender is None:
        path, rest = split_path(argument, MAIL_PATH)
    parameters = parse_mail_parameters(rest)
    if parameters.body is _BINARY and not settings.binarymime:
        raise PeerFault(reply(501, "5.5.4", "BODY takes 7BIT or 8BITMIME"))
    if parameters.size is not None and parameters.size > settings.message_size:
        raise PermanentFailure(replies.message_too_large(settings.message_size))
    if path:
        sender = parse_address(path, MAIL_PATH)
        _check_ascii(sender, MAIL_PATH, parameters)
    return Mail(sender, parameters)


def parse_rcpt(argument: bytes, settings: ServerSettings, parameters: MailParameters) -> Rcpt:
    """RCPT TO:<forward-path> [parameters]. parameters: of the transaction's MAIL.

    Raises:
        PeerFault: its form.
    """
    mailbox, rest = plain_path(argument, RCPT_PATH)
    path = ""
    if mailbox is None:
        path, rest = split_path(argument, RCPT_PATH)
        if not path:
            raise PeerFault(bad_address(RCPT_PATH, "a recipient cannot be empty"))
    notify, original = parse_rcpt_parameters(rest) if rest else (None, None)
    if mailbox is None:
        mailbox = settings.postmaster if path.lower() == "postmaster" else parse_address(path, RCPT_PATH)
        _check_ascii(mailbox, RCPT_PATH, parameters)
    return Rcpt(Recipient(mailbox, notify, original))


def _check_ascii(mailbox: Mailbox, form: PathForm, parameters: MailParameters) -> None:
    """RFC 6531 section 3.4: an address beyond ASCII needs SMTPUTF8 at MAIL."""
    if not parameters.smtputf8 and not mailbox.is_ascii:
        code = 550 if form is MAIL_PATH else 553
        raise PeerFault(reply(code, "5.6.7", "An address beyond ASCII needs the SMTPUTF8 parameter of MAIL"))
