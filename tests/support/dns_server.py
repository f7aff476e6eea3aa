"""A real DNS server on loopback, over UDP and TCP on one port, with the faults that real ones have.

It answers from the text of a zone file with absolute names, follows aliases within it, and knows of nothing else.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

Fault = Literal["servfail", "refused", "silent", "truncated", "garbage"]
Key = tuple[dns.name.Name, dns.rdatatype.RdataType]
_HEAD = "@ 3600 IN SOA ns.test. hostmaster.test. 1 3600 600 86400 60\n@ 3600 IN NS ns.test.\n"
_MOST_ALIASES = 8
_SMALLEST = 512


@dataclass
class DnsServer:
    """faults: what happens to questions on a name, without a dot at its end; `*` is every name.

    asked: questions as (name, type, "udp" or "tcp").
    """

    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    port: int = 0
    _sets: dict[Key, dns.rrset.RRset] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """As `--resolver` takes it."""
        return f"127.0.0.1:{self.port}"

    def add(self, text: str) -> None:
        """Serve these lines of a zone file, in the place of all records of their names and types."""
        self._sets |= _sets(text)

    def remove(self, name: str, kind: str) -> None:
        """Take the records of a type away; it is a mistake where there are none."""
        del self._sets[dns.name.from_text(name), dns.rdatatype.from_text(kind)]

    def answer(self, octets: bytes, way: str) -> bytes | None:
        """The reply to a question; None: there is none."""
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, dns.rdatatype.to_text(question.rdtype), way))
        fault = self.faults.get(name) or self.faults.get("*")
        if fault == "silent":
            return None
        if fault == "garbage":
            return b"\x00" * 7
        reply = dns.message.make_response(query)
        if fault in {"servfail", "refused"}:
            reply.set_rcode(dns.rcode.from_text(fault))
        else:
            self._fill(reply, question.name, question.rdtype)
        return self._fitting(reply, query, way, truncated=fault == "truncated")

    def _fill(self, reply: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        for _ in range(_MOST_ALIASES):
            alias = self._sets.get((name, dns.rdatatype.CNAME))
            if alias is None or (name, kind) in self._sets:
                break
            reply.answer.append(alias)
            name = alias[0].target
        if (name, kind) in self._sets:
            reply.answer.append(self._sets[name, kind])
        elif not any(
            each.is_subdomain(name) for each, _ in self._sets
        ):  # names above a name are there as well
            reply.set_rcode(dns.rcode.NXDOMAIN)

    def _fitting(
        self, reply: dns.message.Message, query: dns.message.Message, way: str, *, truncated: bool
    ) -> bytes:
        octets = reply.to_wire(max_size=65_535)
        if way == "tcp" or (len(octets) <= max(query.payload, _SMALLEST) and not truncated):
            return octets
        reply.answer.clear()
        reply.flags |= dns.flags.TC
        return reply.to_wire()


def _sets(text: str) -> dict[Key, dns.rrset.RRset]:
    zone = dns.zone.from_text(_HEAD + text + "\n", origin=".", relativize=False)
    return {
        (name, rdataset.rdtype): dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))
        for name, rdataset in zone.iterate_rdatasets()
        if name != dns.name.root
    }


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    max_packet_size = 65_535


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def serving(text: str = "") -> Iterator[DnsServer]:
    """One that runs."""
    server = DnsServer()
    server.add(text)
    udp, tcp = _bound(server)
    threads = [threading.Thread(target=each.serve_forever, args=(0.05,)) for each in (udp, tcp)]
    for thread in threads:
        thread.start()
    try:
        yield server
    finally:
        for each in (udp, tcp):
            each.shutdown()
            each.server_close()
        for thread in threads:
            thread.join()


def _bound(server: DnsServer) -> tuple[_Udp, _Tcp]:
    """Both on one port that is free for both."""
    for _ in range(50):
        udp = _Udp(("127.0.0.1", 0), _udp_handler(server))
        try:
            tcp = _Tcp(("127.0.0.1", udp.server_address[1]), _tcp_handler(server))
        except OSError:
            udp.server_close()
            continue
        server.port = udp.server_address[1]
        return udp, tcp
    raise AssertionError("no port is free for both UDP and TCP")


def _udp_handler(server: DnsServer) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            octets, back = self.request
            reply = server.answer(octets, "udp")
            if reply is not None:
                back.sendto(reply, self.client_address)

    return Handler


def _tcp_handler(server: DnsServer) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.connection.settimeout(10)
            with contextlib.suppress(OSError, struct.error):
                while True:
                    (length,) = struct.unpack("!H", self.rfile.read(2))
                    reply = server.answer(self.rfile.read(length), "tcp")
                    if reply is not None:
                        self.wfile.write(struct.pack("!H", len(reply)) + reply)

    return Handler


def closed_port() -> int:
    """A UDP port on which nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port
