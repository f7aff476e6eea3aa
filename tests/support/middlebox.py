"""What stands between a mail program and its server: scripts that answer connections on loopback, or pass them on.

A script is a function of a `Peer`, the side that connected; it runs in a thread of its own for each connection, and a
peer that goes away ends it. `relay` and `resigning` are scripts in front of a real server.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PATIENCE = 60.0
_LONGEST = 65_536


class Gone(Exception):
    """The peer went away."""


class Peer:
    """One connection that was accepted."""

    def __init__(self, link: socket.socket) -> None:
        link.settimeout(PATIENCE)
        self.link = link
        self._buffer = b""

    def say(self, *lines: str) -> None:
        """Lines, each with its end."""
        self.send("".join(f"{line}\r\n" for line in lines).encode())

    def send(self, octets: bytes) -> None:
        try:
            self.link.sendall(octets)
        except OSError as error:
            raise Gone from error

    def receive(self) -> bytes:
        """What comes next."""
        if self._buffer:
            octets, self._buffer = self._buffer, b""
            return octets
        try:
            octets = self.link.recv(_LONGEST)
        except OSError as error:
            raise Gone from error
        if not octets:
            raise Gone
        return octets

    def line(self) -> str:
        """The next line, without its end."""
        while b"\n" not in self._buffer:
            octets = self._buffer
            self._buffer = b""
            self._buffer = octets + self.receive()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def begin_tls(self, context: ssl.SSLContext) -> None:
        try:
            self.link = context.wrap_socket(self.link, server_side=True)
        except (OSError, ValueError) as error:
            raise Gone from error

    def reset(self) -> None:
        """End it by RST."""
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.link.close()
        raise Gone

    def wait(self) -> None:
        """Say nothing more, until the peer goes."""
        while True:
            self.receive()

    def shut(self) -> None:
        with contextlib.suppress(OSError):
            self.link.shutdown(socket.SHUT_RDWR)
        self.link.close()


Script = Callable[[Peer], None]


@contextmanager
def standing(script: Script, address: str = "127.0.0.1") -> Iterator[int]:
    """A port where each connection is treated by the script."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 0), family=family)
    listener.settimeout(0.05)
    ended = threading.Event()
    thread = threading.Thread(target=_accept, args=(listener, script, ended))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        thread.join()
        listener.close()


def _accept(listener: socket.socket, script: Script, ended: threading.Event) -> None:
    peers: list[tuple[Peer, threading.Thread]] = []
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            peer = Peer(listener.accept()[0])
            thread = threading.Thread(target=_treat, args=(script, peer))
            peers.append((peer, thread))
            thread.start()
    for peer, thread in peers:
        peer.shut()
        thread.join()


def _treat(script: Script, peer: Peer) -> None:
    try:
        script(peer)
    except Gone:
        pass
    finally:
        peer.shut()


@dataclass(frozen=True)
class Smtp:
    """A submission server as a script; every word of it can be another.

    context: for TLS; implicit: whether it begins at once. clear, inside: the lines of EHLO behind the name, before
    TLS and in it. starttls: the answer to STARTTLS; behind: what is sent with it. ehlo: what EHLO is answered with in
    place of a yes. auth: the answer to a sign-in. signed: what was sent in AUTH, for the test to look at.
    """

    context: ssl.SSLContext | None = None
    implicit: bool = False
    greeting: str = "220 smtp.example.org ESMTP"
    name: str = "smtp.example.org"
    clear: tuple[str, ...] = ("PIPELINING", "STARTTLS")
    inside: tuple[str, ...] = ("PIPELINING", "AUTH PLAIN LOGIN")
    ehlo: str = ""
    starttls: str = "220 2.0.0 Ready to start TLS"
    behind: str = ""
    auth: str = "235 2.7.0 Welcome"
    signed: list[str] = field(default_factory=list)

    def __call__(self, peer: Peer) -> None:
        if self.implicit:
            assert self.context is not None
            peer.begin_tls(self.context)
        peer.say(self.greeting)
        inside = self.implicit
        while True:
            inside = self._answer(peer, peer.line(), inside=inside)

    def _answer(self, peer: Peer, line: str, *, inside: bool) -> bool:
        verb = line.upper().split(" ")[0]
        if verb == "EHLO":
            self._hello(peer, inside=inside)
        elif verb == "STARTTLS" and not inside:
            peer.send(f"{self.starttls}\r\n{self.behind}".encode())
            if self.starttls.startswith("220") and self.context is not None:
                peer.begin_tls(self.context)
                return True
        elif verb == "AUTH":
            self._sign_in(peer, line)
        elif verb == "QUIT":
            peer.say("221 2.0.0 Bye")
            raise Gone
        else:
            peer.say("500 5.5.1 unsupported command")
        return inside

    def _hello(self, peer: Peer, *, inside: bool) -> None:
        if self.ehlo:
            peer.say(self.ehlo)
            return
        lines = (self.name, *(self.inside if inside else self.clear))
        peer.say(*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}")

    def _sign_in(self, peer: Peer, line: str) -> None:
        self.signed.append(line)
        if line == "AUTH LOGIN":
            for prompt in ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"):
                peer.say(prompt)
                self.signed.append(peer.line())
        peer.say(self.auth)


def unchanged(line: bytes) -> bytes:
    """A line as it is."""
    return line


def relay(
    port: int,
    *,
    from_server: Callable[[bytes], bytes] = unchanged,
    answers: dict[str, str] | None = None,
) -> Script:
    """A firewall in front of a server on loopback that looks into the lines of SMTP until TLS begins.

    from_server: makes another line of each of the server's. answers: commands that it answers itself, by their verb.
    """

    def script(peer: Peer) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as upstream:
            server = Peer(upstream)
            _pass_reply(server, peer, from_server)
            while True:
                line = peer.line()
                verb = line.upper().split(" ")[0]
                if verb in (answers or {}):
                    peer.say((answers or {})[verb])
                    continue
                server.say(line)
                code = _pass_reply(server, peer, from_server)
                if verb == "STARTTLS" and code == "220":
                    _pump(peer, server)

    return script


def resigning(port: int, context: ssl.SSLContext, *, implicit: bool) -> Script:
    """A virus scanner in front of a server on loopback: it opens TLS, and shows a certificate of its own."""

    def script(peer: Peer) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as upstream:
            server = Peer(upstream)
            if not implicit:
                _pass_reply(server, peer, unchanged)
                line = ""
                while line != "STARTTLS":
                    line = peer.line()
                    server.say(line)
                    _pass_reply(server, peer, unchanged)
            with _trusting().wrap_socket(upstream) as secured:
                server.link = secured
                peer.begin_tls(context)
                _pump(peer, server)

    return script


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _pass_reply(server: Peer, peer: Peer, edit: Callable[[bytes], bytes]) -> str:
    while True:
        line = server.line().encode()
        peer.send(edit(line) + b"\r\n")
        if line[3:4] != b"-":
            return line[:3].decode()


def _pump(peer: Peer, server: Peer) -> None:
    """Octets both ways, until one side goes. In one thread: TLS must not be read and written at once."""
    ways = {peer.link: server, server.link: peer}
    while True:
        ready, _, _ = select.select(list(ways), [], [], PATIENCE)
        if not ready:
            raise Gone
        for link in ready:
            octets = _what_is_there(link)
            if octets is not None:
                ways[link].send(octets)


def _what_is_there(link: socket.socket) -> bytes | None:
    """Octets; None: those that came were TLS's own."""
    link.setblocking(False)
    try:
        octets = link.recv(_LONGEST)
        while isinstance(link, ssl.SSLSocket) and link.pending():
            octets += link.recv(_LONGEST)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None
    except OSError as error:
        raise Gone from error
    finally:
        link.settimeout(PATIENCE)
    if not octets:
        raise Gone
    return octets
