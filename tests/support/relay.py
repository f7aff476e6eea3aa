"""An HTTP proxy that knows a few names and nothing else: what programs ask of `https://NAME/` ends on loopback."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress


class _Session(socketserver.StreamRequestHandler):
    server: Relay
    timeout = 60

    def handle(self) -> None:
        words = self.rfile.readline(8_192).split()
        while self.rfile.readline(8_192).strip():
            pass
        method, target = (words[0], words[1].decode()) if len(words) > 1 else (b"", "")
        self.server.asked.append(target)
        port = self.server.ports.get(target) if method == b"CONNECT" else None
        if port is None:
            self.wfile.write(b"HTTP/1.1 502 Nothing there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port)) as other:
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_copy, args=(other, self.connection), daemon=True)
            back.start()
            _copy(self.connection, other)
            back.join(60)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while octets := source.recv(65_536):
            target.sendall(octets)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Relay(socketserver.ThreadingTCPServer):
    """ports: by `host:port` as it is asked for, where on loopback it is. asked: all that was."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, ports: Mapping[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.ports = ports
        self.asked: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Programs hang up when they like."""


@contextmanager
def relay(ports: Mapping[str, int]) -> Iterator[Relay]:
    with Relay(ports) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
