"""Whom a client certificate names. That it is genuine was settled in the handshake, by the listener's authority."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from sams.protocol.sasl.interface import decode_name

MOST_NAMES = 20
"""Logins that one certificate may stand for; what it has besides is passed over."""
_UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
"""Microsoft's user principal name."""
_SMTP_UTF8_MAILBOX = ObjectIdentifier("1.3.6.1.5.5.7.8.9")
"""An address beyond ASCII (RFC 9598)."""
_UTF8_STRING = 0x0C


def name_reader(rule: str) -> Callable[[bytes, float], tuple[str, ...]]:
    """Reads the logins out of a certificate (DER) by a rule (`client_identity` of the configuration).

    What it returns is called with the certificate and the time (UNIX seconds). It gives each name once, as it stands
    there; none where the certificate is not valid at that time (one that comes with a ticket was checked when the
    ticket was made), or has none.

    Raises:
        KeyError: there is no such rule.
    """
    find = _RULES[rule]

    def read(certificate: bytes, now: float) -> tuple[str, ...]:
        return _names(certificate, now, find)

    return read


def _names(
    certificate: bytes, now: float, find: Callable[[x509.Certificate], Iterator[bytes]]
) -> tuple[str, ...]:
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        at = datetime.fromtimestamp(now, UTC)
        if not parsed.not_valid_before_utc <= at <= parsed.not_valid_after_utc:
            return ()
        found = [decode_name(octets) for octets in find(parsed)]
    except (ValueError, OverflowError):
        return ()  # it has the form of a certificate, for OpenSSL took it, and names nobody that can be read
    usable = [name for name in found if name and name.isprintable()]
    return tuple(dict.fromkeys(usable))[:MOST_NAMES]


def _san_email(certificate: x509.Certificate) -> Iterator[bytes]:
    for name in _alternatives(certificate):
        if isinstance(name, x509.RFC822Name):
            yield name.value.encode()
        elif isinstance(name, x509.OtherName) and name.type_id == _SMTP_UTF8_MAILBOX:
            yield _utf8_string(name.value)


def _san_upn(certificate: x509.Certificate) -> Iterator[bytes]:
    for name in _alternatives(certificate):
        if isinstance(name, x509.OtherName) and name.type_id == _UPN:
            yield _utf8_string(name.value)


def _alternatives(certificate: x509.Certificate) -> Iterator[x509.GeneralName]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return
    yield from extension.value


def _utf8_string(der: bytes) -> bytes:
    """The contents of a UTF8String (X.690 section 8.1); empty: it is none."""
    if len(der) < 2 or der[0] != _UTF8_STRING:
        return b""
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    return der[start:] if len(der) - start == length else b""


def _of_subject(attribute: ObjectIdentifier) -> Callable[[x509.Certificate], Iterator[bytes]]:
    def find(certificate: x509.Certificate) -> Iterator[bytes]:
        for one in certificate.subject.get_attributes_for_oid(attribute):
            yield one.value.encode() if isinstance(one.value, str) else one.value

    return find


_RULES: Mapping[str, Callable[[x509.Certificate], Iterator[bytes]]] = {
    "san-email": _san_email,
    "san-upn": _san_upn,
    "subject-cn": _of_subject(NameOID.COMMON_NAME),
    "subject-email": _of_subject(NameOID.EMAIL_ADDRESS),
    "subject-uid": _of_subject(NameOID.USER_ID),
}
