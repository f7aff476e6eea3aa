"""The header of the PROXY protocol: cut anywhere, the same; and as `struct` and `ipaddress` read it."""

from __future__ import annotations

import ipaddress
import re
import struct

from sams.protocol.proxy import (
    MAX_HEADER,
    MAX_LINE,
    SIGNATURE,
    Endpoint,
    HeaderReader,
    ProxyError,
    ProxyHeader,
)
from tests.fuzz.target import Target, pieces, split_head

WORDS = (
    SIGNATURE,
    b"PROXY ",
    b"PROXY UNKNOWN\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 5 587\r\n",
    b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n",
    b"::ffff:192.0.2.1",
    b" ",
    b"\r\n",
    SIGNATURE + b"\x20\0\0\0",
    SIGNATURE + b"\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\0\5\2\x4b",
    SIGNATURE + b"\x21\x21\0\x24" + bytes(36),
    b"\x21\x11\0\x0f",
    b"\x03\0\0",
)
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|(TCP[46]) ([^ \r\n]+) ([^ \r\n]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4}))\r\n"
)

Told = tuple[ProxyHeader, bytes] | str | None


def told(stream: bytes, style: int) -> Told:
    """The header and what came behind it, the refusal, or None where neither is known."""
    reader = HeaderReader()
    parts = pieces(stream, style)
    while parts:
        try:
            found = reader.receive(parts.pop(0))
        except ProxyError as error:
            return str(error)
        if found is not None:
            return found[0], found[1] + b"".join(parts)
    return None


def reference(stream: bytes) -> ProxyHeader | None:
    """The header, where the stream begins with a sound and whole one."""
    try:
        return _version_2(stream) if stream.startswith(SIGNATURE) else _version_1(stream)
    except (ValueError, struct.error):
        return None


def _version_1(stream: bytes) -> ProxyHeader | None:
    match = _LINE.match(stream[:MAX_LINE])
    if match is None or match[1] is None:
        return ProxyHeader(1, None, None, match.end()) if match else None
    kind = ipaddress.IPv4Address if match[1] == b"TCP4" else ipaddress.IPv6Address
    ends = []
    for address, port in ((match[2], match[4]), (match[3], match[5])):
        if b"%" in address or int(port) > 65_535:
            raise ValueError
        ends.append(Endpoint(_shown(kind(address.decode("ascii"))), int(port)))
    return ProxyHeader(1, ends[0], ends[1], match.end())


def _version_2(stream: bytes) -> ProxyHeader | None:
    kind, family, length = struct.unpack_from("!BBH", stream, 12)
    size, block = 16 + length, stream[16 : 16 + length]
    if kind not in {0x20, 0x21} or size > MAX_HEADER or len(block) < length:
        return None
    if kind == 0x20:
        return ProxyHeader(2, None, None, size)
    if family >> 4 > 3 or family & 15 > 2:
        return None
    form = {0x11: "!4s4sHH", 0x21: "!16s16sHH"}.get(family)
    if form is None:
        return ProxyHeader(2, None, None, size)
    source, target, source_port, target_port = struct.unpack_from(form, block)
    at = struct.calcsize(form)
    while at < length:
        at += 3 + struct.unpack_from("!BH", block, at)[1]
    if at != length:
        return None
    ends = [
        Endpoint(_shown(ipaddress.ip_address(octets)), port)
        for octets, port in ((source, source_port), (target, target_port))
    ]
    return ProxyHeader(2, ends[0], ends[1], size)


def _shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return str((isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address)


def run(data: bytes) -> None:
    """The first octet chooses the cuts."""
    (cuts,), stream = split_head(data, 1)
    outcome = told(stream, cuts)
    assert outcome == told(stream, 0), "the cut decided"
    expected = reference(stream)
    if isinstance(outcome, tuple):
        assert outcome == (expected, stream[outcome[0].size :])
        assert outcome[0].size <= MAX_HEADER
    else:
        assert expected is None, expected
    if outcome is None:
        assert len(stream) < (MAX_HEADER if stream.startswith(SIGNATURE) else MAX_LINE)
    if isinstance(outcome, str):
        assert outcome.isascii()
        assert outcome.isprintable()


TARGET = Target(run, WORDS, 300)
