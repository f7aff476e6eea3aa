"""What octets tell: the first ones of a peer, those of a handshake, and errors of connecting."""

from __future__ import annotations

import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams_probe.wire.first_octets import Speech, what_is
from sams_probe.wire.reaching import Reach, kind_of
from sams_probe.wire.tls_records import Flight, read_flight


@pytest.mark.parametrize(
    ("octets", "speech"),
    [
        (b"", Speech.NOTHING),
        (b"220 smtp.example.org ESMTP\r\n", Speech.SMTP),
        (b"220-smtp\r\n220 x\r\n", Speech.SMTP),
        (b"554\r\n", Speech.SMTP),
        (b"HTTP/1.1 400 Bad Request\r\n", Speech.HTTP),
        (b"\r\n <!doctype HTML><p>", Speech.HTTP),
        (b"\xef\xbb\xbf<html>", Speech.HTTP),
        (b'<?xml version="1.0"?>', Speech.HTTP),
        (b"\x15\x03\x03\x00\x02\x02\x28", Speech.TLS),
        (b"\x16\x03\x03\x00\x7a", Speech.TLS),
        (b"* OK IMAP4rev1\r\n", Speech.MAILBOX),
        (b"+OK POP3\r\n", Speech.MAILBOX),
        (b"SSH-2.0-OpenSSH\r\n", Speech.SSH),
        (b"2200 hello", Speech.TEXT),
        (b"welcome\r\n", Speech.TEXT),
        ("grüezi".encode(), Speech.TEXT),
        (b"\x00\x01\x02", Speech.BINARY),
        (b"\x15\x02\x00", Speech.BINARY),
    ],
)
def test_first_octets_tell_what_speaks(octets: bytes, speech: Speech) -> None:
    assert what_is(octets) is speech


def record(kind: int, body: bytes, version: int = 0x0303) -> bytes:
    return struct.pack("!BHH", kind, version, len(body)) + body


def certificates(*each: bytes) -> bytes:
    entries = b"".join(len(one).to_bytes(3, "big") + one for one in each)
    body = len(entries).to_bytes(3, "big") + entries
    return b"\x0b" + len(body).to_bytes(3, "big") + body


HELLO = b"\x02\x00\x00\x02\x03\x03"


@pytest.mark.parametrize(
    ("octets", "flight"),
    [
        (b"", Flight()),
        (record(21, b"\x02\x46"), Flight("protocol version")),
        (record(21, b"\x02\x28", 0x0301), Flight("handshake failure")),
        (record(21, b"\x02\xfe"), Flight("alert 254")),
        (record(21, b"\x02"), Flight()),
        (record(22, HELLO + certificates(b"one", b"two")), Flight("", (b"one", b"two"))),
        (
            record(22, HELLO + certificates(b"one")) + record(21, b"\x02\x28"),
            Flight("handshake failure", (b"one",)),
        ),
        (
            record(22, (HELLO + certificates(b"one"))[:9]) + record(22, certificates(b"one")[3:]),
            Flight("", (b"one",)),
        ),
        (record(22, HELLO) + record(20, b"\x01") + record(23, b"secret"), Flight()),
        (record(22, HELLO) + record(20, b"\x01") + record(21, b"\x02\x28"), Flight()),
        (record(22, certificates(b"one"))[:-1], Flight()),
        (record(22, b"\x0b\x00\x00\x05\x00\x00\x09abc"), Flight()),
        (b"220 smtp.example.org ESMTP\r\n", Flight()),
    ],
)
def test_a_servers_part_of_a_handshake(octets: bytes, flight: Flight) -> None:
    assert read_flight(octets) == flight


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(1, 30), max_size=10))
def test_certificates_are_found_however_they_lie_in_records(each: list[bytes], sizes: list[int]) -> None:
    messages, octets = HELLO + certificates(*each), b""
    for size in sizes:
        octets += record(22, messages[:size]) if messages[:size] else b""
        messages = messages[size:]
    octets += record(22, messages) if messages else b""
    assert read_flight(octets).certificates == tuple(each)


@given(st.binary(max_size=400))
def test_whatever_comes_is_no_error(octets: bytes) -> None:
    read_flight(octets)
    read_flight(record(22, octets))
    what_is(octets)


@pytest.mark.parametrize(
    ("error", "reach"),
    [
        (OSError(errno.ECONNREFUSED, "x"), Reach.REFUSED),
        (OSError(errno.ETIMEDOUT, "x"), Reach.SILENT),
        (socket.timeout("x"), Reach.SILENT),  # noqa: UP041 - what Python 3.9 raises
        (OSError(errno.ECONNRESET, "x"), Reach.RESET),
        (OSError(errno.EHOSTUNREACH, "x"), Reach.UNREACHABLE),
        (OSError(errno.ENETUNREACH, "x"), Reach.NO_FAMILY),
        (OSError(errno.EACCES, "x"), Reach.FORBIDDEN),
        (OSError(10061, "as Windows says"), Reach.REFUSED),
        (OSError(10013, "as Windows says"), Reach.FORBIDDEN),
        (OSError(10060, "as Windows says"), Reach.SILENT),
        (OSError(errno.EIO, "x"), Reach.OTHER),
    ],
)
def test_errors_of_connecting_have_a_meaning(error: OSError, reach: Reach) -> None:
    assert kind_of(error) is reach
