"""The first octets of TLS: a whole hello as a strict reader reads it; of what is cut no more than the whole has."""

from __future__ import annotations

import struct

from sams.protocol.tls_hello import First, Kind, read_first, why_not
from tests.fuzz.target import Target, split_head
from tests.support import tls_hellos as made

_EXTENSIONS = made.name(b"mail.example.org") + made.groups(29, 23) + made.versions(0x0304, 0x0303)
_HELLO = made.hello(0x0303, [0x1301, 0xC02F], _EXTENSIONS)
WORDS = (
    made.records(_HELLO),
    made.records(_HELLO, 50),
    made.records(made.hello(0x0301, [0x000A], None)),
    made.ssl2_hello(0x0301, [0x00000A, 0x010080]),
    b"\x16\x03\x01",
    b"\x16\x03\x01\0\x40\x01\0\0\x3c\x03\x03",
    b"\0\0\0\x09\0\x07\0\0\x04mail",
    b"\0\x2b\0\x03\2\3\4",
    b"\0\x10\0\7\0\5\4smtp",
    b"\x0a\x0a",
    b"\x15\x03\x03\0\2\2\x30",
    b"\x80\x1c\1\3\1",
    b"EHLO x\r\n",
    b"GET / HTTP/1.1\r\n",
)


def reference(octets: bytes) -> tuple[int, list[int], str] | None:
    """Version, suites and server name, where the octets begin with a whole and sound ClientHello."""
    try:
        return _body(_message(octets))
    except (struct.error, ValueError, IndexError):
        return None


def _message(octets: bytes) -> bytes:
    message = b""
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4]):
        kind, major, _, length = struct.unpack_from("!BBBH", octets)
        if (kind, major) != (22, 3):
            raise ValueError
        message += octets[5 : 5 + length]
        octets = octets[5 + length :]
    if message[0] != 1:
        raise ValueError
    return message[4 : 4 + int.from_bytes(message[1:4])]


def _body(body: bytes) -> tuple[int, list[int], str]:
    version, length = struct.unpack_from("!H32xB", body)
    at = 35 + length
    (count,) = struct.unpack_from("!H", body, at)
    listed = struct.unpack_from(f"!{count // 2}H{count % 2}x", body, at + 2)
    at += 2 + count
    at += 1 + body[at]
    name = _name(body[at:]) if at < len(body) else ""
    if at > len(body):
        raise ValueError
    suites = [one for one in listed if not _passed_over(one) and one not in {0x00FF, 0x5600}]
    return version, suites, name


def _name(octets: bytes) -> str:
    if struct.unpack_from("!H", octets)[0] != len(octets) - 2:
        raise ValueError
    name, at = "", 2
    while at < len(octets):
        kind, length = struct.unpack_from("!HH", octets, at)
        content = octets[at + 4 : at + 4 + length]
        at += 4 + length
        if len(content) < length:
            raise ValueError
        name = _in_extension(kind, content, name)
    return name


def _in_extension(kind: int, content: bytes, name: str) -> str:
    """The name after this extension; ValueError where a list in it is longer than it is."""
    if kind in {10, 13} and struct.unpack_from("!H", content)[0] > len(content) - 2:
        raise ValueError
    if kind == 43 and content[0] > len(content) - 1:
        raise ValueError
    if kind in {0, 16}:
        (size,) = struct.unpack_from("!H", content)
        if size > len(content) - 2:
            raise ValueError
        return _names(content[2 : 2 + size], name, of_hosts=not kind)
    return name


def _names(listed: bytes, name: str, *, of_hosts: bool) -> str:
    at = 0
    while at < len(listed):
        kind, length = struct.unpack_from("!BH", listed, at) if of_hosts else (1, listed[at])
        at += 3 if of_hosts else 1
        if at + length > len(listed):
            raise ValueError
        if not kind:
            return listed[at : at + min(length, 255)].decode("ascii", "backslashreplace")
        at += length
    return name


def _passed_over(number: int) -> bool:
    return number % 256 == number // 256 and number % 16 == 10


def run(data: bytes) -> None:
    """The first two octets choose where the stream is cut."""
    choices, stream = split_head(data, 2)
    first = read_first(stream)
    why_not(first)
    expected = reference(stream)
    if expected is not None:
        assert (first.kind, first.whole) == (Kind.CLIENT_HELLO, True)
        assert (first.legacy_version, list(first.suites), first.server_name) == expected
    else:
        assert not (first.kind is Kind.CLIENT_HELLO and first.whole)
    assert first.server_name.isascii()
    assert not first.word or first.word.encode() in stream.upper()
    if stream:
        _compare(first, read_first(stream[: int.from_bytes(choices) % len(stream)]))


def _compare(first: First, cut: First) -> None:
    if first.kind is cut.kind is Kind.CLIENT_HELLO:
        assert first.suites[: len(cut.suites)] == cut.suites
        assert cut.legacy_version in {0, first.legacy_version}
        assert not cut.server_name or cut.server_name == first.server_name


TARGET = Target(run, WORDS, 600)
