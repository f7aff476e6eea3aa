"""Answers of RADIUS: believed if and only if an own reader finds both authenticators right."""

from __future__ import annotations

import hashlib
import hmac
import struct

from sams.protocol.radius import MAX_PACKET, RadiusError, Request, Response, access_request, read_response
from tests.fuzz.target import Target, split_head

SECRET = b"a-secret-of-ours"
REQUEST: Request = access_request(7, bytes(range(16)), b"alice", b"sesame", SECRET)
_SIGNED = b"\x50\x12" + bytes(16)
WORDS = (
    _SIGNED,
    b"\x50\x12",
    b"\x50\x02",
    b"\x19\x07staff",
    b"\x0b\x06mail",
    b"\x12\x02",
    b"\x12\x01",
    b"\x12\x00",
    b"\x12\xff",
    bytes((2, 7, 0, 38)) + bytes(16) + _SIGNED,
    bytes((3, 7, 0, 20)) + bytes(16),
)


def packet(choice: int, stream: bytes) -> bytes:
    """The stream as it is, or made the attributes of an answer; with each authenticator made right, or not."""
    if choice & 1:
        code = (2, 3, 11, 1)[choice >> 5 & 3]
        stream = struct.pack("!BBH16x", code, 7, 20 + len(stream)) + stream
    at = stream.find(b"\x50\x12", 20)
    if choice & 2 and at >= 0 and len(stream) >= at + 18:
        signed = stream[:4] + REQUEST.authenticator + stream[20 : at + 2] + bytes(16) + stream[at + 18 :]
        stream = stream[: at + 2] + hmac.digest(SECRET, signed, "md5") + stream[at + 18 :]
    if choice & 4 and len(stream) >= 20:
        stream = stream[:4] + _digest(stream) + stream[20:]
    return stream + b"padding" if choice & 8 else stream


def reference(octets: bytes) -> tuple[int, list[tuple[int, bytes]]] | None:
    """Code and attributes of an answer that may be believed."""
    if len(octets) < 20:
        return None
    code, identifier, length = struct.unpack_from("!BBH", octets)
    if code not in {2, 3, 11} or identifier != 7 or not 20 <= length <= min(len(octets), MAX_PACKET):
        return None
    octets, rest = octets[:length], octets[20:length]
    attributes, cleared = list[tuple[int, bytes]](), b""
    while rest:
        if len(rest) < 2 or not 2 <= rest[1] <= len(rest):
            return None
        kind, value = rest[0], rest[2 : rest[1]]
        attributes.append((kind, value))
        cleared += rest[:2] + (bytes(len(value)) if kind == 80 else value)
        rest = rest[rest[1] :]
    signatures = [value for kind, value in attributes if kind == 80]
    right = hmac.digest(SECRET, octets[:4] + REQUEST.authenticator + cleared, "md5")
    is_right = signatures == [right] and octets[4:20] == _digest(octets)
    return (code, attributes) if is_right else None


def run(data: bytes) -> None:
    """The first octet chooses what is made right, three more nothing."""
    (choice, *_), stream = split_head(data, 4)
    octets = packet(choice, stream)
    expected = reference(octets)
    try:
        response: Response | None = read_response(octets, REQUEST, SECRET)
    except RadiusError:
        response = None
    assert (response and (response.code, list(response.attributes))) == expected


def _digest(octets: bytes) -> bytes:
    signed = octets[:4] + REQUEST.authenticator + octets[20:] + SECRET
    return hashlib.md5(signed, usedforsecurity=False).digest()


TARGET = Target(run, WORDS, 300)
