"""RADIUS packets, as a client needs them that has passwords checked: an Access-Request, and what answers it.

Sources: RFC 2865 (RADIUS), RFC 3579 section 3.2 (Message-Authenticator), RFC 5080 (what went wrong with both), and
what was made of CVE-2024-3596 (Blast-RADIUS): MD5 as RFC 2865 uses it lets who is on the way make an Access-Accept
of an Access-Reject. So a request has a Message-Authenticator (HMAC-MD5 of the whole packet), before all other
attributes, and no answer is believed without one that is right.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from enum import IntEnum

from msgspec import Struct

MAX_PACKET = 4_096
"""Octets (RFC 2865 section 3)."""
MAX_VALUE = 253
"""Octets of one attribute's value (section 5)."""
MAX_PASSWORD_OCTETS = 128
"""Of a User-Password (section 5.2)."""
AUTHENTICATOR_OCTETS = 16
MIN_SECRET_OCTETS = 16
"""Of a shared secret (section 3)."""

_HEAD = 20
_BLOCK = 16
_NO_AUTHENTICATOR = bytes(AUTHENTICATOR_OCTETS)
_ANSWERS = frozenset({2, 3, 11})


class Code(IntEnum):
    """The kinds of packets that are used here."""

    ACCESS_REQUEST = 1
    ACCESS_ACCEPT = 2
    ACCESS_REJECT = 3
    ACCESS_CHALLENGE = 11


class Type(IntEnum):
    """The attributes that are used here."""

    USER_NAME = 1
    USER_PASSWORD = 2
    FILTER_ID = 11
    REPLY_MESSAGE = 18
    CLASS = 25
    CALLING_STATION_ID = 31
    NAS_IDENTIFIER = 32
    NAS_PORT_TYPE = 61
    MESSAGE_AUTHENTICATOR = 80


NAS_PORT_VIRTUAL = (5).to_bytes(4, "big")
"""NAS-Port-Type of who connects over a network (section 5.41)."""


class RadiusError(ValueError):
    """The octets are no answer to this request that can be believed. The message says why, in our words."""


class Request(Struct, frozen=True):
    """An Access-Request. Sent again it is the same octets, so that a server knows it (RFC 5080 section 2.2.1).

    octets: of the datagram. They hold a password.
    identifier, authenticator: which an answer refers to.
    """

    octets: bytes
    identifier: int
    authenticator: bytes

    def __repr__(self) -> str:
        return f"Request({self.identifier})"


class Response(Struct, frozen=True):
    """An answer that was made with the shared secret, for this request.

    attributes: in their order.
    """

    code: Code
    attributes: tuple[tuple[int, bytes], ...]

    def values(self, kind: Type) -> list[bytes]:
        """The values of all attributes of a type."""
        return [value for found, value in self.attributes if found == kind]


def access_request(
    identifier: int,
    authenticator: bytes,
    user: bytes,
    password: bytes,
    secret: bytes,
    *,
    further: Iterable[tuple[Type, bytes]] = (),
) -> Request:
    """Ask whether a password is right (RFC 2865 section 4.1).

    identifier: 0 to 255. authenticator: 16 random octets, never used before. further: attributes besides.

    Raises:
        ValueError: a value is too long or empty, or an authenticator or identifier of another size.
    """
    if len(authenticator) != AUTHENTICATOR_OCTETS:
        raise ValueError("an authenticator has 16 octets")
    attributes = b"".join(
        (
            attribute(Type.MESSAGE_AUTHENTICATOR, _NO_AUTHENTICATOR),
            attribute(Type.USER_NAME, user),
            attribute(Type.USER_PASSWORD, hidden_password(password, secret, authenticator)),
            *(attribute(kind, value) for kind, value in further),
        )
    )
    head = _head(Code.ACCESS_REQUEST, identifier, _HEAD + len(attributes)) + authenticator
    signature = _signature(head + attributes, secret)
    signed = signature + attributes[2 + len(signature) :]
    return Request(head + attributes[:2] + signed, identifier, authenticator)


def read_response(octets: bytes, request: Request, secret: bytes) -> Response:
    """An answer, after it was verified that who made it has the secret and saw the request.

    Octets behind the packet's own length are padding and are passed over (RFC 2865 section 3).

    Raises:
        RadiusError: it is none. Nothing may be concluded from it: the true one may still come.
    """
    length = int.from_bytes(octets[2:4], "big")
    if len(octets) < _HEAD or not _HEAD <= length <= min(len(octets), MAX_PACKET):
        raise RadiusError("no RADIUS packet")
    packet = octets[:length]
    if packet[0] not in _ANSWERS or packet[1] != request.identifier:
        raise RadiusError("an answer to another question")
    attributes = _read_attributes(packet)
    if not hmac.compare_digest(
        packet[4:_HEAD], response_authenticator(packet, request.authenticator, secret)
    ):
        raise RadiusError("an answer that was made with another shared secret, or by somebody else")
    _check_signature(packet, attributes, request.authenticator, secret)
    return Response(Code(packet[0]), tuple((kind, packet[at:end]) for kind, at, end in attributes))


def attribute(kind: Type, value: bytes) -> bytes:
    """Type, length, value (RFC 2865 section 5).

    Raises:
        ValueError: the value is empty or too long.
    """
    if not 0 < len(value) <= MAX_VALUE:
        raise ValueError(f"a value of an attribute has 1 to {MAX_VALUE} octets")
    return bytes((kind, len(value) + 2)) + value


def hidden_password(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """A User-Password (RFC 2865 section 5.2).

    Raises:
        ValueError: the password is empty or too long.
    """
    if not 0 < len(password) <= MAX_PASSWORD_OCTETS:
        raise ValueError(f"a password has 1 to {MAX_PASSWORD_OCTETS} octets here")
    padded = password + bytes(-len(password) % _BLOCK)
    hidden, last = b"", authenticator
    for at in range(0, len(padded), _BLOCK):
        last = _exclusive_or(padded[at : at + _BLOCK], _md5(secret + last))
        hidden += last
    return hidden


def response_authenticator(packet: bytes, request_authenticator: bytes, secret: bytes) -> bytes:
    """What stands in an answer's authenticator (RFC 2865 section 3)."""
    return _md5(packet[:4] + request_authenticator + packet[_HEAD:] + secret)


def _read_attributes(packet: bytes) -> list[tuple[int, int, int]]:
    """Type, begin and end of each value."""
    found = list[tuple[int, int, int]]()
    at = _HEAD
    while at < len(packet):
        end = at + packet[at + 1] if at + 1 < len(packet) else 0
        if not at + 2 <= end <= len(packet):
            raise RadiusError("attributes that do not fit into their packet")
        found.append((packet[at], at + 2, end))
        at = end
    return found


def _check_signature(
    packet: bytes, attributes: list[tuple[int, int, int]], request_authenticator: bytes, secret: bytes
) -> None:
    """The Message-Authenticator of an answer: over the packet with the request's authenticator in it, itself zero."""
    found = [(at, end) for kind, at, end in attributes if kind == Type.MESSAGE_AUTHENTICATOR]
    if not found:
        raise RadiusError(
            "an answer without a Message-Authenticator: the server has to send one (CVE-2024-3596)"
        )
    at, end = found[0]
    if len(found) > 1 or end - at != AUTHENTICATOR_OCTETS:
        raise RadiusError("an answer with a Message-Authenticator that is none")
    signed = packet[:4] + request_authenticator + packet[_HEAD:at] + _NO_AUTHENTICATOR + packet[end:]
    if not hmac.compare_digest(packet[at:end], _signature(signed, secret)):
        raise RadiusError("an answer with a Message-Authenticator that is wrong")


def _head(code: Code, identifier: int, length: int) -> bytes:
    if length > MAX_PACKET:
        raise ValueError(f"a packet has at most {MAX_PACKET} octets")
    return bytes((code, identifier)) + length.to_bytes(2, "big")


def _signature(packet: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, packet, "md5")


def _md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()  # what the RFC demands; it is not relied upon


def _exclusive_or(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
