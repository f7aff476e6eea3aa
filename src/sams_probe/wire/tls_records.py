"""What a server said in a TLS handshake, read from its octets before they are encrypted (RFC 5246, RFC 8446).

The library tells little of a handshake that fails, and Python before 3.13 does not hand over the chain that a server
sent. Up to TLS 1.2 both travel in the clear: alerts, and the message with the certificates.
"""

from __future__ import annotations

from typing import NamedTuple

_ALERT, _HANDSHAKE = 21, 22
_CERTIFICATE = 11
_MOST_RECORDS = 64
_MOST_CERTIFICATES = 16
_ALERTS = {
    0: "close notify",
    10: "unexpected message",
    20: "bad record MAC",
    40: "handshake failure",
    42: "bad certificate",
    47: "illegal parameter",
    50: "decode error",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    109: "missing extension",
    112: "unrecognised name",
    116: "certificate required",
    120: "no application protocol",
}


class Flight(NamedTuple):
    """alert: its name; empty: none was said in clear. certificates: DER, in the order that they were sent."""

    alert: str = ""
    certificates: tuple[bytes, ...] = ()


def read_flight(octets: bytes) -> Flight:
    """What the octets of a server tell, as far as they are in clear; whatever comes, it is no error."""
    alert, messages = "", b""
    for kind, body in _records(octets):
        if kind == _ALERT and len(body) == 2 and not alert:
            alert = _ALERTS.get(body[1], f"alert {body[1]}")
        elif kind == _HANDSHAKE:
            messages += body
        else:  # from here on it is encrypted
            break
    return Flight(alert, _certificates(messages))


def _records(octets: bytes) -> list[tuple[int, bytes]]:
    records: list[tuple[int, bytes]] = []
    at = 0
    while len(octets) - at >= 5 and len(records) < _MOST_RECORDS:
        kind, length = octets[at], int.from_bytes(octets[at + 3 : at + 5], "big")
        if octets[at + 1] != 3 or len(octets) < at + 5 + length:
            break
        records.append((kind, octets[at + 5 : at + 5 + length]))
        at += 5 + length
    return records


def _certificates(messages: bytes) -> tuple[bytes, ...]:
    """The list of the Certificate message (RFC 5246 section 7.4.2)."""
    at = 0
    while len(messages) - at >= 4:
        kind, length = messages[at], int.from_bytes(messages[at + 1 : at + 4], "big")
        body = messages[at + 4 : at + 4 + length]
        if kind == _CERTIFICATE and len(body) == length >= 3:
            return _listed(body[3:])
        at += 4 + length
    return ()


def _listed(entries: bytes) -> tuple[bytes, ...]:
    found: list[bytes] = []
    at = 0
    while len(entries) - at > 3 and len(found) < _MOST_CERTIFICATES:
        length = int.from_bytes(entries[at : at + 3], "big")
        if not length or len(entries) < at + 3 + length:
            return ()
        found.append(entries[at + 3 : at + 3 + length])
        at += 3 + length
    return tuple(found)
