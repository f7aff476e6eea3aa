"""A next hop that takes everything and remembers which messages came whole, in threads of its own."""

from __future__ import annotations

import hashlib
import re
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_MARK = re.compile(rb"^X-Mark: (\S+) ([0-9a-f]{64})\r$", re.MULTILINE)


def marked(mark: str, sender: str, body: bytes) -> bytes:
    """A message whose header says what its body must be. The body's lines end in CRLF."""
    digest = hashlib.sha256(body).hexdigest()
    header = f"From: {sender}\r\nTo: x@example.net\r\nSubject: {mark}\r\nX-Mark: {mark} {digest}\r\n\r\n"
    return header.encode() + body


class _Session(socketserver.StreamRequestHandler):
    server: Sink

    def handle(self) -> None:
        self.say("220 sink.example.net")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.say("250-sink.example.net", "250-PIPELINING", "250-8BITMIME", "250 SIZE 104857600")
            elif verb == b"RCPT" and any(address in line for address in self.server.refused):
                self.say("550 5.1.1 nobody here")
            elif verb == b"DATA":
                self.say("354 go on")
                self.take()
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def take(self) -> None:
        lines: list[bytes] = []
        for line in self.rfile:
            if line == b".\r\n":
                self.server.keep(b"".join(lines))
                self.say("250 ok")
                return
            lines.append(line[1:] if line.startswith(b".") else line)

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())


class Sink(socketserver.ThreadingTCPServer):
    """refused: addresses that get 550.

    marks: how often each marked message came; broken: marks of messages that did not come whole."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.marks: Counter[str] = Counter()
        self.broken: list[str] = []
        self.refused: set[bytes] = set()
        self.messages: list[bytes] = []
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def keep(self, message: bytes) -> None:
        header, _, body = message.partition(b"\r\n\r\n")
        found = _MARK.search(header + b"\r\n")
        with self.lock:
            self.messages.append(message if len(message) < 10_000 else header)
            if found is None:
                return
            mark = found[1].decode()
            self.marks[mark] += 1
            if hashlib.sha256(body).hexdigest().encode() != found[2]:
                self.broken.append(mark)

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed peer is what these tests are about."""


@contextmanager
def sink(port: int = 0) -> Iterator[Sink]:
    """A sink on a port, 0: any."""
    with Sink(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
