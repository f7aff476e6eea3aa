"""Headers of the PROXY protocol as a load balancer writes them."""

from __future__ import annotations

import ipaddress

from sams.protocol.proxy import SIGNATURE, Endpoint

LOCAL, PROXY = 0x20, 0x21
UNSPEC, TCP4, UDP4, TCP6, UDP6, UNIX = 0x00, 0x11, 0x12, 0x21, 0x22, 0x31


def line(client: Endpoint, server: Endpoint) -> bytes:
    """Version 1, for two addresses of one family."""
    family = "TCP6" if ":" in client.address else "TCP4"
    return f"PROXY {family} {client.address} {server.address} {client.port} {server.port}\r\n".encode()


def binary(client: Endpoint, server: Endpoint, fields: bytes = b"") -> bytes:
    """Version 2, for two addresses of one family."""
    ends = [ipaddress.ip_address(end.address).packed for end in (client, server)]
    ports = [end.port.to_bytes(2) for end in (client, server)]
    return frame(PROXY, TCP6 if ":" in client.address else TCP4, b"".join((*ends, *ports, fields)))


def frame(command: int, family: int, block: bytes = b"", length: int | None = None) -> bytes:
    """Version 2, octet by octet. length: what it says of the block's, where that is not so."""
    size = len(block) if length is None else length
    return SIGNATURE + bytes([command, family]) + size.to_bytes(2) + block


def field(kind: int, value: bytes) -> bytes:
    """One of the fields that extend version 2."""
    return bytes([kind]) + len(value).to_bytes(2) + value
