"""Commands and replies over any connection, and what an EHLO tells."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from sams_probe.smtp.replies import Reply, ReplyReader
from sams_probe.wire.deadline import Deadline
from sams_probe.wire.line import Octets

_MANGLED = re.compile(r"X{4,}[A-Z]?", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*", re.ASCII)


class Hello(NamedTuple):
    """What EHLO was answered. extensions: keywords in capitals with their parameters, in their order."""

    reply: Reply
    extensions: tuple[tuple[str, str], ...]

    @property
    def good(self) -> bool:
        """Whether it was taken."""
        return self.reply.code == 250

    @property
    def name(self) -> str:
        """The name that the server gives itself, lower case; empty: none."""
        return first_name(self.reply)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The mechanisms of AUTH (RFC 4954 section 3), in capitals; also of the old way of writing, `AUTH=LOGIN`."""
        offers = [
            f"{key[4:]} {rest}" for key, rest in self.extensions if key == "AUTH" or key.startswith("AUTH=")
        ]
        return tuple(dict.fromkeys(word for offer in offers for word in offer.lstrip("=").upper().split()))

    def offers(self, keyword: str) -> bool:
        """Whether an extension is there."""
        return any(key == keyword for key, _ in self.extensions)

    @property
    def mangled(self) -> str:
        """A keyword that was written over, such as `XXXXXXXA`; empty: none."""
        return next((key for key, _ in self.extensions if _MANGLED.fullmatch(key)), "")


def read_hello(reply: Reply) -> Hello:
    """What a reply to EHLO tells."""
    pairs = [line.strip().partition(" ") for line in reply.lines[1:]] if reply.code == 250 else []
    return Hello(reply, tuple((key.upper(), rest.strip()) for key, _, rest in pairs if key))


def first_name(reply: Reply) -> str:
    """The first word of a reply, which is the server's name in a greeting and in the answer to EHLO."""
    found = _WORD.match(reply.lines[0])
    return found[0].lower() if found else ""


class Dialogue:
    """One side of a conversation, ours. timeout: seconds for each reply."""

    def __init__(self, link: Octets, timeout: float) -> None:
        self._link = link
        self._timeout = timeout
        self._reader = ReplyReader()
        self._heard = b""

    @property
    def unread(self) -> bytes:
        """What came behind the last reply, although nothing was asked."""
        return self._reader.rest

    @property
    def heard(self) -> bytes:
        """The first octets of the other side."""
        return self._heard

    def listen(self, timeout: float | None = None) -> Reply:
        """The next reply.

        Raises:
            Broken: it does not come.
            NotAReply: something else comes.
        """
        deadline = Deadline.after(self._timeout if timeout is None else timeout)
        while True:
            reply = self._reader.take()
            if reply is not None:
                return reply
            data = self._link.receive(deadline)
            if len(self._heard) < 1_024:
                self._heard += data[:1_024]
            self._reader.feed(data)

    def say(self, line: str) -> Reply:
        """Send a command, and hear the reply. line: without its end; ASCII.

        Raises:
            Broken, NotAReply: as `listen`.
        """
        self.tell(line)
        return self.listen()

    def tell(self, line: str) -> None:
        """Send a command.

        Raises:
            Broken: it cannot be sent.
        """
        self._link.send(line.encode("ascii") + b"\r\n", Deadline.after(self._timeout))


def literal(address: str) -> str:
    """An address as EHLO takes it in place of a name (RFC 5321 section 4.1.3)."""
    bare = ipaddress.ip_address(address.partition("%")[0])
    return f"[IPv6:{bare}]" if bare.version == 6 else f"[{bare}]"
