"""One question to resolvers: over UDP, over TCP where the answer does not fit, each server in turn."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Sequence

from sams_probe.names.message import Answer, Code, Garbled, Type, question, read
from sams_probe.options import DnsServer
from sams_probe.wire.deadline import Deadline, TimeIsUp

_LONGEST = 65_535
_FINAL = (Code.FOUND, Code.NO_SUCH_NAME)


def ask(servers: Sequence[DnsServer], name: str, kind: Type, timeout: float) -> Answer | None:
    """The first answer that says yes or no; else what a server said instead; None: none answered.

    timeout: seconds for all of it.
    """
    last: Answer | None = None
    for number, server in enumerate(servers):
        share = timeout / len(servers)
        try:
            answer = _ask_one(server, name, kind, Deadline.after(share))
        except (OSError, Garbled, TimeIsUp):
            continue
        if answer.code in _FINAL or number == len(servers) - 1:
            return answer
        last = answer
    return last


def _ask_one(server: DnsServer, name: str, kind: Type, deadline: Deadline) -> Answer:
    number = secrets.randbelow(65_536)
    asked = question(number, name, kind)
    answer = _over_udp(server, asked, (number, name, kind), deadline)
    return _over_tcp(server, asked, (number, name, kind), deadline) if answer.truncated else answer


def _family(server: DnsServer) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server.address else socket.AF_INET


def _over_udp(server: DnsServer, asked: bytes, about: tuple[int, str, Type], deadline: Deadline) -> Answer:
    """Asked again after half of the time, as datagrams get lost. What does not fit the question is passed over."""
    half = Deadline.after(deadline.left() / 2)
    with socket.socket(_family(server), socket.SOCK_DGRAM) as link:
        link.connect((server.address, server.port))
        for until in (half, deadline):
            link.send(asked)
            try:
                return _heard(link, about, until)
            except TimeIsUp:
                continue
    raise TimeIsUp


def _heard(link: socket.socket, about: tuple[int, str, Type], until: Deadline) -> Answer:
    while True:
        link.settimeout(until.left())
        try:
            return read(link.recv(_LONGEST), *about)
        except socket.timeout:
            raise TimeIsUp from None
        except Garbled:
            continue


def _over_tcp(server: DnsServer, asked: bytes, about: tuple[int, str, Type], deadline: Deadline) -> Answer:
    with socket.create_connection((server.address, server.port), deadline.left()) as link:
        link.sendall(struct.pack("!H", len(asked)) + asked)
        (length,) = struct.unpack("!H", _exactly(link, 2, deadline))
        return read(_exactly(link, length, deadline), *about)


def _exactly(link: socket.socket, count: int, deadline: Deadline) -> bytes:
    octets = b""
    while len(octets) < count:
        link.settimeout(deadline.left())
        part = link.recv(count - len(octets))
        if not part:
            raise Garbled("the connection ended within the answer")
        octets += part
    return octets
