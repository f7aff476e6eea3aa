"""MAIL and RCPT as a client writes them, with the parameters that the hop understands.

Octets that come from a sender (addresses, ENVID, ORCPT) end here in a command: what is no printable ASCII is
encoded as the RFCs say, and `Exchange.command` refuses what would still break a line.
"""

from __future__ import annotations

import re

import msgspec

from sams.core.address import AddressError, Mailbox, domain_key
from sams.core.envelope import Envelope, Notify, OriginalRecipient, Recipient, Ret
from sams.protocol.smtp.client_capabilities import Capabilities
from sams.protocol.smtp.client_message import OutgoingMessage

_NO_XCHAR = re.compile(rb"[^\x21-\x2a\x2c-\x3c\x3e-\x7e]")
_NO_QCHAR = re.compile(r"[^\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]")
_RET = {each: b" RET=" + each.value.encode() for each in Ret}
_NOTIFY = (
    (Notify.SUCCESS, "SUCCESS"),
    (Notify.FAILURE, "FAILURE"),
    (Notify.DELAY, "DELAY"),
)


class Form(msgspec.Struct, frozen=True, gc=False):
    """How one transaction is written: what of it the hop must be told, and can be.

    smtputf8: the transaction is one of RFC 6531; addresses stand in it as they are.
    says_auth: we signed in, and say that no sender's identity is vouched for (RFC 4954 section 5).
    """

    smtputf8: bool
    says_auth: bool
    capabilities: Capabilities


def mail(envelope: Envelope, message: OutgoingMessage, size: int, form: Form) -> bytes:
    """The MAIL command. `size`: the message's.

    Raises:
        AddressError: the reverse path needs SMTPUTF8, which this transaction has not.
    """
    offered, path = form.capabilities, envelope.reverse_path
    line = b"MAIL FROM:<%b>" % (_path(path, form) if path is not None else b"")
    if offered.has_size:
        line += b" SIZE=%d" % size
    if message.is_binary:
        line += b" BODY=BINARYMIME"
    elif message.has_8bit and offered.eight_bit_mime:
        line += b" BODY=8BITMIME"
    if form.smtputf8:
        line += b" SMTPUTF8"
    if offered.dsn:
        if envelope.ret is not None:
            line += _RET[envelope.ret]
        if envelope.envid is not None:
            line += b" ENVID=" + xtext(envelope.envid)
    if form.says_auth and offered.auth:
        line += b" AUTH=<>"
    return line


def rcpt(recipient: Recipient, form: Form) -> bytes:
    """The RCPT command.

    Raises:
        AddressError: the address needs SMTPUTF8, which this transaction has not.
    """
    line = b"RCPT TO:<%b>" % _path(recipient.mailbox, form)
    if form.capabilities.dsn:
        if recipient.notify is not None:
            line += b" NOTIFY=" + _notify(recipient.notify)
        if recipient.original is not None:
            line += b" ORCPT=" + _original(recipient.original)
    return line


def needs_smtputf8(mailbox: Mailbox) -> bool:
    """Whether an address cannot be written in ASCII: a domain can (as A-labels), a local part cannot."""
    return not mailbox.local.isascii()


def xtext(text: str) -> bytes:
    """RFC 3461 section 4: what is no printable ASCII, and `+` and `=`, as `+` and two hexadecimal digits."""
    return _NO_XCHAR.sub(lambda match: b"+%02X" % match[0][0], text.encode("utf-8", "replace"))


def utf8_addr_xtext(text: str) -> bytes:
    r"""RFC 6533 section 3: what is no printable ASCII, and `+`, `=` and `\`, as `\x{…}`."""
    return _NO_QCHAR.sub(lambda match: f"\\x{{{ord(match[0]):02X}}}", text).encode()


def _path(mailbox: Mailbox, form: Form) -> bytes:
    if form.smtputf8:
        return bytes(mailbox)
    try:
        return str(mailbox).encode("ascii")
    except UnicodeEncodeError:
        return _in_ascii(mailbox)


def _in_ascii(mailbox: Mailbox) -> bytes:
    """The domain as A-labels."""
    if needs_smtputf8(mailbox):
        raise AddressError("the address needs SMTPUTF8")
    return bytes(Mailbox(mailbox.local, domain_key(mailbox.domain)))


def _notify(notify: Notify) -> bytes:
    return ",".join(name for flag, name in _NOTIFY if flag in notify).encode() or b"NEVER"


def _original(original: OriginalRecipient) -> bytes:
    """ORCPT: an address with UTF-8 is of the type `utf-8`, whatever it was called (RFC 6533 section 3)."""
    if original.kind.lower() == "utf-8" or not original.address.isascii():
        return b"utf-8;" + utf8_addr_xtext(original.address)
    return original.kind.encode() + b";" + xtext(original.address)
