"""One connection to an LDAP server: opened, with TLS where it is not this machine's, asked, and closed.

A question that is cancelled leaves an answer under way; `LdapConnection` does not wait for it, so whoever leases
connections (`servers`) closes one that was left like that. No step has a time of its own: whoever asks has one.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from typing import Literal, cast

from sams.config.ldap_checks import LdapServer
from sams.core.text import visible
from sams.protocol.ldap import messages
from sams.protocol.ldap.messages import Entry, Inbox, LdapError, Message, Reference, Result, Search

MAX_ENTRIES = 2_000
"""Of one search; no question of ours has so many answers."""

MAX_ANSWER = 8 * 1024 * 1024
"""Octets that come before all is answered that was asked; with fewer of them memory and loop are not held up."""

ADDRESS_TIME = 1.0
"""Seconds for each address of a name but the last: IPv6 may lead nowhere."""

Security = Literal["starttls", "tls", "none"]


class ServerFault(Exception):
    """A server cannot be asked, or answered what nobody can work with; another may be better.

    detail: for administrators: which server, at what, and what to look at; never a secret.
    is_lost: the connection broke; on a fresh one the same question may be answered.
    """

    def __init__(self, detail: str, *, is_lost: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.is_lost = is_lost


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave."""

    entries: tuple[Entry, ...]
    result: Result


@dataclass(slots=True)
class _Question:
    """A question that is under way."""

    answered: asyncio.Future[Result]
    entries: list[Entry] = field(default_factory=list)


class LdapConnection(asyncio.Protocol):
    """A connection that `connect` opened. Several questions may be under way."""

    def __init__(self, server: LdapServer) -> None:
        self.server = server
        self._inbox = Inbox()
        self._transport: asyncio.Transport | None = None
        self._questions: dict[int, _Question] = {}
        self._number = 0
        self._heard = 0
        self._broken = ""
        self.closed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether a question can be asked."""
        return self._transport is not None and not self._transport.is_closing() and not self._broken

    @property
    def is_quiet(self) -> bool:
        """Whether no answer is under way."""
        return not self._questions

    async def bind(self, name: str, password: str, controls: tuple[str, ...] = ()) -> Result:
        """Ask whether a password is right. The connection then acts as `name`, or, if it is not right, as nobody.

        Raises:
            ServerFault: there is no answer.
            ValueError: an empty password with a name.
        """
        question, number = self._next()
        self._send(messages.bind(number, name, password, controls))
        return await question.answered

    async def search(self, query: Search) -> Found:
        """Ask for entries.

        Raises:
            ServerFault: there is no answer.
        """
        question, number = self._next()
        self._send(messages.search(number, query))
        result = await question.answered
        return Found(tuple(question.entries), result)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Begin TLS (RFC 4511 section 4.14). Nothing that came before it in clear counts after it.

        Raises:
            ServerFault: the server does not, or its certificate is not trusted.
            OSError: the handshake failed.
        """
        question, number = self._next()
        self._send(messages.start_tls(number))
        result = await question.answered
        if result.code:
            raise ServerFault(
                f"{self.server.text}: it does not begin TLS (StartTLS): {_words(result)}; use ldaps:// if it has that"
            )
        if not self._inbox.is_empty:
            raise ServerFault(
                f"{self.server.text}: something came behind the answer that TLS begins: is it forged?"
            )
        await self.encrypt(context)

    async def encrypt(self, context: ssl.SSLContext) -> None:
        """All that follows is in TLS, with the server that was named.

        Raises:
            OSError: the handshake failed, or the certificate is not trusted.
            ServerFault: the connection broke.
        """
        upgraded = await asyncio.get_running_loop().start_tls(
            self._usable(), self, context, server_hostname=self.server.host
        )
        if upgraded is None:
            raise ConnectionResetError("the server closed the connection in the handshake")
        self._transport = upgraded

    def close(self) -> None:
        """Say goodbye and close."""
        if self._transport is not None and self.is_open:
            self._number += 1
            self._transport.write(messages.unbind(self._number))
            self._transport.close()

    def abort(self) -> None:
        """Close at once: nobody waits for what is under way."""
        self._break("the connection was given up")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._heard += len(data)
        if self._heard > MAX_ANSWER:
            self._break(f"it sent more than {MAX_ANSWER} octets for an answer")
            return
        try:
            for message in self._inbox.receive(data):
                self._take(message)
        except LdapError as error:
            self._break(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self.closed.set()
        self._break(f"the connection broke: {visible(str(exc), 200)}" if exc else "it closed the connection")

    def _usable(self) -> asyncio.Transport:
        if self._transport is None or not self.is_open:
            told = f"{self.server.text}: {self._broken or 'it closed the connection'}"
            raise ServerFault(told, is_lost=True)
        return self._transport

    def _next(self) -> tuple[_Question, int]:
        self._usable()
        if self.is_quiet:
            self._heard = 0
        self._number += 1
        question = _Question(asyncio.get_running_loop().create_future())
        self._questions[self._number] = question
        return question, self._number

    def _send(self, octets: bytes) -> None:
        self._usable().write(octets)

    def _take(self, message: Message) -> None:
        if message.number == 0 and isinstance(message.answer, Result):
            self._break(f"it ends the connection: {_words(message.answer)}")
            return
        question = self._questions.get(message.number)
        if question is None:
            raise LdapError("it answered what nobody asked")
        if isinstance(message.answer, Result):
            del self._questions[message.number]
            if not question.answered.done():
                question.answered.set_result(message.answer)
        elif not isinstance(message.answer, Reference):
            question.entries.append(message.answer)
            if len(question.entries) > MAX_ENTRIES:
                raise LdapError(f"it found more than {MAX_ENTRIES} entries")

    def _break(self, why: str) -> None:
        """The end, whoever began it; the first reason stands."""
        self._broken = self._broken or why
        if self._transport is not None:
            self._transport.abort()
        questions, self._questions = tuple(self._questions.values()), {}
        for question in questions:
            if not question.answered.done():
                fault = ServerFault(f"{self.server.text}: {self._broken}", is_lost=True)
                question.answered.set_exception(fault)


async def connect(server: LdapServer, security: Security, context: ssl.SSLContext) -> LdapConnection:
    """A new connection, with TLS where it is demanded.

    Raises:
        ServerFault: the server cannot be reached, or its certificate is not trusted.
    """
    connection = LdapConnection(server)
    try:
        await _open(connection)
        if server.is_tls:
            await connection.encrypt(context)
        elif not (server.path or security == "none"):
            await connection.start_tls(context)
    except BaseException as error:
        connection.abort()
        if isinstance(error, OSError):
            raise ServerFault(f"{server.text}: {_why(error)}") from None
        raise
    return connection


async def _open(connection: LdapConnection) -> None:
    loop, server = asyncio.get_running_loop(), connection.server
    if server.path:
        await loop.create_unix_connection(lambda: connection, server.path)
        return
    found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(each[4][0] for each in found))
    for at, address in enumerate(addresses, 1):
        try:
            async with asyncio.timeout(None if at == len(addresses) else ADDRESS_TIME):
                await loop.create_connection(lambda: connection, str(address), server.port)
        except OSError:
            if at == len(addresses):
                raise
        else:
            return


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        told = visible(error.verify_message, 200)
        return f"its certificate is not trusted ({told}): look at its name and at ca_file"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({visible(error.reason or str(error), 200)}): does it speak TLS on this port?"
    return f"it cannot be reached ({visible(error.strerror or str(error), 200)})"


def _words(result: Result) -> str:
    return (
        f"{visible(result.diagnostic, 200)} (code {result.code})"
        if result.diagnostic
        else f"code {result.code}"
    )
