"""A certificate (RFC 5280 section 4.1), for people: who it is for, who signed it, from when until when."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator
from typing import NamedTuple

from sams_probe.certificates.der import (
    BOOLEAN,
    OCTETS,
    OID,
    SEQUENCE,
    BadDer,
    Part,
    moment,
    oid,
    only,
    parts,
    text,
)
from sams_probe.options import is_address

MOST_NAMES = 4_096
_EXTENSIONS = 0xA3
_VERSION = 0xA0
_DNS, _IP, _URI = 0x82, 0x87, 0x86
_ALTERNATIVE_NAMES, _AUTHORITY_ACCESS = "2.5.29.17", "1.3.6.1.5.5.7.1.1"
_ISSUERS_AT = "1.3.6.1.5.5.7.48.2"
_ATTRIBUTES = {"2.5.4.3": "CN", "2.5.4.10": "O", "2.5.4.11": "OU", "1.2.840.113549.1.9.1": "E"}


class Certificate(NamedTuple):
    """subject, issuer: the parts CN, O, OU and E with their values, in the order they stand there.

    names: DNS names, lower case, and IP addresses that it is for. begins, ends: UNIX seconds. fingerprint: SHA-256 in
    hexadecimal. self_issued: it names itself as its issuer. public: it says where its issuer's certificate can be
    fetched, as those of public authorities do.
    """

    subject: tuple[tuple[str, str], ...]
    issuer: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    begins: float
    ends: float
    fingerprint: str
    self_issued: bool
    public: bool

    @property
    def signer(self) -> str:
        """Who signed it, in short: organisation and common name."""
        return brief(self.issuer)


def brief(name: tuple[tuple[str, str], ...]) -> str:
    """`Example Trust, Example CA 1`; `somebody without a name` for what has neither O, CN nor OU."""
    told = [value for wanted in ("O", "CN") for key, value in name if key == wanted]
    told = told or [value for _, value in name]
    return ", ".join(dict.fromkeys(told)) or "somebody without a name"


def read_certificate(octets: bytes) -> Certificate:
    """Read one. octets: DER.

    Raises:
        BadDer: it is no certificate.
    """
    fields = list(parts(only(only(octets, SEQUENCE), SEQUENCE)))
    if fields and fields[0].tag == _VERSION:
        fields = fields[1:]
    if len(fields) < 6:
        raise BadDer("a certificate has more fields")
    _serial, _algorithm, issuer, validity, subject, _key, *rest = fields
    begins, ends = _validity(validity)
    extensions = dict(_extensions(rest))
    return Certificate(
        tuple(_name(subject)),
        tuple(_name(issuer)),
        tuple(_alternative_names(extensions.get(_ALTERNATIVE_NAMES, b"")))[:MOST_NAMES],
        begins,
        ends,
        hashlib.sha256(octets).hexdigest(),
        issuer.body == subject.body,
        _has_issuers_address(extensions.get(_AUTHORITY_ACCESS, b"")),
    )


def _validity(part: Part) -> tuple[float, float]:
    times = [moment(one) for one in parts(part.body)]
    if len(times) != 2:
        raise BadDer("a validity has two times")
    return times[0], times[1]


def _name(part: Part) -> Iterator[tuple[str, str]]:
    for group in parts(part.body):
        for pair in parts(group.body):
            kind, value = _pair(pair)
            attribute = _ATTRIBUTES.get(oid(kind.body))
            if attribute:
                yield attribute, text(value)


def _pair(part: Part) -> tuple[Part, Part]:
    kind, value, *_ = [*parts(part.body), Part(0, b""), Part(0, b"")]
    if kind.tag != OID:
        raise BadDer("no object identifier where one should be")
    return kind, value


def _extensions(fields: list[Part]) -> Iterator[tuple[str, bytes]]:
    for field in fields:
        if field.tag == _EXTENSIONS:
            for extension in parts(only(field.body, SEQUENCE)):
                kind, *rest = [*parts(extension.body)] or [Part(0, b"")]
                value = next((one for one in rest if one.tag != BOOLEAN), None)
                if value is not None and value.tag == OCTETS:
                    yield oid(kind.body), value.body


def _alternative_names(octets: bytes) -> Iterator[str]:
    for part in parts(only(octets, SEQUENCE)) if octets else ():
        if part.tag == _DNS:
            yield text(part).lower()
        elif part.tag == _IP and len(part.body) in {4, 16}:
            yield str(ipaddress.ip_address(part.body))


def _has_issuers_address(octets: bytes) -> bool:
    for access in parts(only(octets, SEQUENCE)) if octets else ():
        kind, place = _pair(access)
        if oid(kind.body) == _ISSUERS_AT and place.tag == _URI:
            return True
    return False


def is_for(host: str, names: tuple[str, ...]) -> bool:
    """Whether one of the names is the host's (RFC 9525 section 6.3): exactly, or `*` in place of its first part."""
    if host in names:
        return True
    _, _, rest = host.partition(".")
    return "." in rest and not is_address(host) and f"*.{rest}" in names
