"""The PROXY protocol, versions 1 and 2: how a load balancer says who connected to it.

Source: HAProxy's "The PROXY protocol, versions 1 & 2" (`proxy-protocol.txt`, 2020-03-05); sections here are its.

Theory of operation. The header stands before all else on a connection, and nothing of what follows may be looked
at until it is whole. `HeaderReader` gathers octets until it is, and gives back what stands behind it. Every
decision is made on the shortest beginning that allows it, and one made on a beginning is the same on all that
begins so: the result does not depend on how the octets were cut.

Version 1 is one line of at most 107 octets, version 2 a length and so many octets, here at most 4,096. Where
the proxy speaks for itself (LOCAL) or cannot say for whom (UNKNOWN, or a family that no mail program uses), the
header is valid and names no client. Fields that extend version 2 (TLVs) must fit their length, and are skipped.
"""

from __future__ import annotations

import ipaddress

from msgspec import Struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""The first octets of version 2."""
MAX_LINE = 107
"""Octets of a line of version 1 with its CRLF (section 2.1)."""
MAX_HEADER = 4_096
"""Octets of a header of version 2, with the fields that extend it."""

_WORD = b"PROXY "
_FIXED = 16
_VERSION = 2
_LOCAL, _PROXY = 0, 1
_FAMILIES, _TRANSPORTS = 3, 2
"""The last that are defined: Unix sockets, datagrams."""
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESS_OCTETS = {_TCP4: 4, _TCP6: 16}
_PORT_OCTETS = 2
_TLV_HEAD = 3
_MAX_PORT = 65_535

_NO_HEADER = "it does not begin with a PROXY header"
_BARE = "a line of version 1 with a CR or LF that stands alone"
_TOO_LONG = f"a line of version 1 of more than {MAX_LINE} octets"
_BAD_LINE = "a line of version 1 that is not one of PROXY UNKNOWN, TCP4 or TCP6 with addresses and ports"
_BAD_ADDRESS = "an address that is none of its family"
_BAD_PORT = "a port that is not a number from 0 to 65535"
_BAD_VERSION = "the octets of version 2 with another version in them"
_BAD_COMMAND = "a command that version 2 does not have"
_BAD_FAMILY = "a family or transport that version 2 does not have"
_TOO_LARGE = f"a header of version 2 of more than {MAX_HEADER} octets"
_TOO_SHORT = "a header of version 2 that is too short for its addresses"
_BAD_FIELDS = "fields of version 2 that do not fit into the header"


class ProxyError(ValueError):
    """The octets are no header. The message says why, in words of our own."""


class Endpoint(Struct, frozen=True, gc=False):
    """One end of the client's connection; an IPv4 address is one everywhere, never `::ffff:…`."""

    address: str
    port: int


class ProxyHeader(Struct, frozen=True, gc=False):
    """A valid header.

    version: 1 or 2.
    client: who connected to the proxy. None: the proxy itself, or somebody of whom it cannot tell.
    server: the address that the client connected to; None without a client.
    size: octets of the header.
    """

    version: int
    client: Endpoint | None
    server: Endpoint | None
    size: int


class HeaderReader:
    """Reads the header of one connection from octets as they come."""

    __slots__ = ("_octets",)

    def __init__(self) -> None:
        self._octets = b""

    def receive(self, octets: bytes) -> tuple[ProxyHeader, bytes] | None:
        """The header and all that came behind it; None: it is not whole yet.

        Raises:
            ProxyError: it never will be.
        """
        self._octets += octets
        header = parse(self._octets)
        return None if header is None else (header, self._octets[header.size :])


def parse(octets: bytes) -> ProxyHeader | None:
    """The header that stands at the beginning; None: more octets are needed to tell.

    Raises:
        ProxyError: no header begins so.
    """
    if octets[:1] == SIGNATURE[:1]:
        _check_begins(octets, SIGNATURE)
        return _read_binary(octets)
    _check_begins(octets, _WORD)
    return _read_line(octets[:MAX_LINE])


def _check_begins(octets: bytes, expected: bytes) -> None:
    if not expected.startswith(octets[: len(expected)]):
        raise ProxyError(_NO_HEADER)


# --- version 1 (section 2.1)


def _read_line(window: bytes) -> ProxyHeader | None:
    """window: the octets, no more than a line may have."""
    end = window.find(b"\r\n")
    line = window[:end] if end >= 0 else window
    if b"\n" in line or b"\r" in (line if end >= 0 else line[:-1]):
        raise ProxyError(_BARE)
    if end >= 0:
        return _parse_line(line)
    if len(window) == MAX_LINE:
        raise ProxyError(_TOO_LONG)
    return None


def _parse_line(line: bytes) -> ProxyHeader:
    size = len(line) + 2
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return ProxyHeader(1, None, None, size)
    try:
        _, family, source, destination, source_port, destination_port = line.decode("ascii").split(" ")
    except ValueError:  # UnicodeDecodeError among them
        raise ProxyError(_BAD_LINE) from None
    if family not in {"TCP4", "TCP6"}:
        raise ProxyError(_BAD_LINE)
    client = Endpoint(_read_address(family, source), _read_port(source_port))
    server = Endpoint(_read_address(family, destination), _read_port(destination_port))
    return ProxyHeader(1, client, server, size)


def _read_address(family: str, text: str) -> str:
    """Strictly: no leading zeros, no other forms of IPv4, no zone. What inet_ntop(3) writes is taken."""
    try:
        if family == "TCP4":
            return str(ipaddress.IPv4Address(text))
        if "%" not in text:
            return _unmapped(ipaddress.IPv6Address(text))
    except ValueError:
        pass
    raise ProxyError(_BAD_ADDRESS)


def _read_port(text: str) -> int:
    has_leading_zero = text.startswith("0") and text != "0"
    if not text.isdigit() or len(text) > len(str(_MAX_PORT)) or has_leading_zero or int(text) > _MAX_PORT:
        raise ProxyError(_BAD_PORT)
    return int(text)


def _unmapped(address: ipaddress.IPv6Address) -> str:
    return str(address.ipv4_mapped or address)


# --- version 2 (section 2.2)


def _read_binary(octets: bytes) -> ProxyHeader | None:
    """octets: with the signature, as far as it is here."""
    _check_kind(octets[len(SIGNATURE) : _FIXED - _PORT_OCTETS])
    if len(octets) < _FIXED:
        return None
    size = _FIXED + int.from_bytes(octets[_FIXED - 2 : _FIXED])
    if size > MAX_HEADER:
        raise ProxyError(_TOO_LARGE)
    if len(octets) < size:
        return None
    is_local = octets[12] & 0x0F == _LOCAL
    width = 0 if is_local else _ADDRESS_OCTETS.get(octets[13], 0)
    if not width:  # the receiver must skip the block, or may (section 2.2)
        return ProxyHeader(2, None, None, size)
    return _parse_block(octets[_FIXED:size], width, size)


def _check_kind(kind: bytes) -> None:
    """kind: the octet of version and command and that of family and transport, as far as they are here."""
    if not kind:
        return
    if kind[0] >> 4 != _VERSION:
        raise ProxyError(_BAD_VERSION)
    if kind[0] & 0x0F not in {_LOCAL, _PROXY}:
        raise ProxyError(_BAD_COMMAND)
    is_proxy = kind[0] & 0x0F == _PROXY  # LOCAL ignores the family
    if is_proxy and len(kind) > 1 and (kind[1] >> 4 > _FAMILIES or kind[1] & 0x0F > _TRANSPORTS):
        raise ProxyError(_BAD_FAMILY)


def _parse_block(block: bytes, width: int, size: int) -> ProxyHeader:
    """Two addresses, two ports, and fields that are skipped."""
    ports = 2 * width
    end = ports + 2 * _PORT_OCTETS
    if len(block) < end:
        raise ProxyError(_TOO_SHORT)
    _check_fields(block, end)
    client = Endpoint(_unpack_address(block[:width]), int.from_bytes(block[ports : ports + _PORT_OCTETS]))
    server = Endpoint(_unpack_address(block[width:ports]), int.from_bytes(block[ports + _PORT_OCTETS : end]))
    return ProxyHeader(2, client, server, size)


def _unpack_address(packed: bytes) -> str:
    address = ipaddress.ip_address(packed)
    return _unmapped(address) if isinstance(address, ipaddress.IPv6Address) else str(address)


def _check_fields(block: bytes, at: int) -> None:
    """Type, length and value, one behind the other, up to the very end of the block."""
    while at < len(block):
        head = block[at : at + _TLV_HEAD]
        if len(head) < _TLV_HEAD:
            raise ProxyError(_BAD_FIELDS)
        at += _TLV_HEAD + int.from_bytes(head[1:])
        if at > len(block):
            raise ProxyError(_BAD_FIELDS)
