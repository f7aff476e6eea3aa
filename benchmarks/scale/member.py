"""A mail program over TLS, as many as a scenario wants in one loop."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from benchmarks.scale.lab import password_of

SENDER = "member0@example.org"
RECIPIENT = "friend@example.net"
_SLICE = 262_144


class Refused(Exception):
    """The service said no."""


def content(number: int, octets: int) -> bytes:
    """A message with a number, of about so many octets, its final dot included."""
    head = (
        f"From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: {number}\r\nX-Number: {number}\r\n"
        "Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <"
        f"{number}@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
    ).encode()
    line = b"x" * 76 + b"\r\n"
    return head + line * max(1, (octets - len(head)) // len(line)) + b".\r\n"


class Sent(NamedTuple):
    """What a message waited for, seconds: its envelope's replies, up to 354, and the reply to its final dot."""

    envelope: float
    dot: float


@dataclass
class Member:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def connect(cls, port: int, context: ssl.SSLContext, source: str = "127.0.0.1") -> Member:
        """Connect with implicit TLS and greet."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost", local_addr=(source, 0)
        )
        self = cls(reader, writer)
        await self.reply(220)
        await self.command(b"EHLO client.example.net", 250)
        return self

    async def sign_in(self, number: int = 0) -> float:
        """As a member; the seconds that the answer took."""
        token = base64.b64encode(f"\0member{number}\0{password_of(number)}".encode())
        began = time.perf_counter()
        await self.command(b"AUTH PLAIN " + token, 235)
        return time.perf_counter() - began

    async def command(self, line: bytes, code: int) -> None:
        """Say one line and hear the answer."""
        self.writer.write(line + b"\r\n")
        await self.reply(code)

    async def reply(self, code: int) -> bytes:
        """The next reply's last line."""
        line = await self.reader.readline()
        while line[3:4] == b"-":
            line = await self.reader.readline()
        if not line.startswith(b"%d" % code):
            raise Refused(line.decode(errors="replace").strip() or "the connection was closed")
        return line

    async def send(self, message: bytes, recipients: Sequence[str] = (RECIPIENT,), body: bytes = b"") -> Sent:
        """Submit a message that ends with its final dot; `body` is what comes behind `message`."""
        envelope = [f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{one}>" for one in recipients), "DATA\r\n"]
        start = time.perf_counter()
        self.writer.write("\r\n".join(envelope).encode())
        for _ in range(len(recipients) + 1):
            await self.reply(250)
        await self.reply(354)
        asked = time.perf_counter()
        await self._write(message)
        await self._write(body)
        said = time.perf_counter()
        await self.reply(250)
        return Sent(asked - start, time.perf_counter() - said)

    async def send_now_and_then(
        self, messages: Iterator[bytes], pause: Callable[[], float], is_over: Callable[[], bool]
    ) -> list[Sent]:
        """Send one after another until it is over, with a pause before each: members do not act in step."""
        sent = []
        while not is_over():
            await asyncio.sleep(pause())
            sent.append(await self.send(next(messages)))
        return sent

    async def _write(self, octets: bytes) -> None:
        if len(octets) <= _SLICE:
            self.writer.write(octets)
            return
        view = memoryview(octets)
        for start in range(0, len(octets), _SLICE):
            self.writer.write(view[start : start + _SLICE])
            await self.writer.drain()

    @property
    def tls(self) -> ssl.SSLObject:
        """The session."""
        return cast("ssl.SSLObject", self.writer.get_extra_info("ssl_object"))

    async def leave(self) -> None:
        """Say goodbye."""
        self.writer.write(b"QUIT\r\n")
        await self.reply(221)
        self.cut()

    def cut(self) -> None:
        """Close without a word."""
        self.writer.transport.abort()
