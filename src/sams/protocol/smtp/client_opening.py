"""The beginning of a conversation: greeting, EHLO, STARTTLS, AUTH; written once, from top to bottom."""

from __future__ import annotations

import enum
import re
from base64 import b64encode
from dataclasses import dataclass, field

from sams.core.reply import Reply, reply
from sams.protocol.smtp import client_capabilities
from sams.protocol.smtp.client_capabilities import AUTH_PARAMETER, Capabilities, parse_ehlo
from sams.protocol.smtp.client_exchange import Exchange
from sams.protocol.smtp.client_waits import (
    ConversationEnded,
    Dialogue,
    Stage,
    broke_protocol,
    refused,
)

_MAX_INITIAL = 500
"""A longer AUTH command would pass the 512 octets that every server takes (RFC 5321 section 4.5.3.1.4)."""
_WORD = re.compile(r"[A-Za-z0-9+/]{6,}=*")
_HIDDEN = "(hidden)"
_ALIEN = 500
"""From here on a reply to EHLO sends us back to HELO (RFC 5321 section 3.2)."""


class TlsUse(enum.Enum):
    """When the connection is secured.

    IF_OFFERED and DEMANDED: by STARTTLS. FROM_FIRST_OCTET: before the greeting (RFC 8314 section 3.3).
    """

    NEVER = "never"
    IF_OFFERED = "if offered"
    DEMANDED = "demanded"
    FROM_FIRST_OCTET = "from the first octet"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to the hop. The password is never shown.

    Raises:
        ValueError: a NUL, which AUTH PLAIN cannot carry.
    """

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if "\0" in self.username + self.password:
            raise ValueError("a user name or password for a next hop cannot have a NUL")


@dataclass(frozen=True, slots=True)
class Opening:
    """How a conversation begins.

    helo_name: our name or address literal, for EHLO.
    credentials: only ever sent in TLS that verified the hop's name.
    distrusted: EHLO keywords that count as not offered, upper case.
    """

    helo_name: str
    tls: TlsUse = TlsUse.IF_OFFERED
    credentials: Credentials | None = None
    distrusted: frozenset[str] = frozenset()


def opening(exchange: Exchange, how: Opening) -> Dialogue[Capabilities]:
    """Hear the greeting, secure the connection and sign in, as far as asked for.

    Raises:
        ConversationEnded: it cannot be used; `stage` says where it ended.
    """
    if how.tls is TlsUse.FROM_FIRST_OCTET:
        yield exchange.waits.handshake
    greeting = yield from exchange.reply(exchange.waits.greeting)
    if greeting.code != 220:
        raise refused(Stage.GREETING, greeting)
    capabilities = yield from _hello(exchange, how)
    if how.tls is not TlsUse.NEVER and exchange.verified_tls is None:
        secured = yield from _secure(exchange, how, capabilities)
        capabilities = (yield from _hello(exchange, how)) if secured else capabilities
    if how.credentials is not None:
        yield from _sign_in(exchange, how.credentials, capabilities.auth)
        exchange.says_auth = AUTH_PARAMETER not in how.distrusted
    if not exchange.is_quiet:
        raise broke_protocol(Stage.HELLO, "a reply came that nothing asked for")
    return capabilities


def _hello(exchange: Exchange, how: Opening) -> Dialogue[Capabilities]:
    name = how.helo_name.encode()
    exchange.command(b"EHLO " + name)
    answer = yield from exchange.reply(exchange.waits.hello)
    if answer.code // 100 == 2:
        return parse_ehlo(answer, how.distrusted)
    if answer.code < _ALIEN:
        raise refused(Stage.HELLO, answer)
    exchange.command(b"HELO " + name)
    answer = yield from exchange.reply(exchange.waits.hello)
    if answer.code // 100 != 2:
        raise refused(Stage.HELLO, answer)
    return client_capabilities.NONE


def _secure(exchange: Exchange, how: Opening, offered: Capabilities) -> Dialogue[bool]:
    """STARTTLS (RFC 3207); whether the connection is in TLS now."""
    must = how.tls is TlsUse.DEMANDED
    if not offered.starttls:
        if must:
            raise _no_tls("TLS is demanded of the next hop, and it does not offer STARTTLS")
        return False
    exchange.command(b"STARTTLS")
    answer = yield from exchange.reply(exchange.waits.starttls)
    if not exchange.is_quiet:
        raise broke_protocol(Stage.STARTTLS, "octets behind the reply, before the handshake")
    if answer.code == 220:
        yield exchange.waits.handshake
        return True
    if must or answer.code == 421:
        raise refused(Stage.STARTTLS, answer)
    return False


def _sign_in(exchange: Exchange, credentials: Credentials, offered: frozenset[str]) -> Dialogue[None]:
    if not exchange.verified_tls:
        raise _no_tls("The password for the next hop is sent in TLS with a verified name only")
    if "PLAIN" in offered:
        answer = yield from _plain(exchange, credentials)
    elif "LOGIN" in offered:
        answer = yield from _login(exchange, credentials)
    else:
        raise ConversationEnded(
            Stage.AUTH, reply(451, "4.7.4", "The next hop offers neither AUTH PLAIN nor AUTH LOGIN")
        )
    if answer.code != 235:
        raise refused(Stage.AUTH, _without_secrets(answer, credentials))


def _plain(exchange: Exchange, credentials: Credentials) -> Dialogue[Reply]:
    """RFC 4616, with an initial response where the command stays short enough for one."""
    response = _initial(credentials)
    if len(response) <= _MAX_INITIAL:
        exchange.command(b"AUTH PLAIN " + response)
        return (yield from exchange.reply(exchange.waits.auth))
    exchange.command(b"AUTH PLAIN")
    return (yield from _answers(exchange, response))


def _login(exchange: Exchange, credentials: Credentials) -> Dialogue[Reply]:
    exchange.command(b"AUTH LOGIN")
    return (yield from _answers(exchange, _base64(credentials.username), _base64(credentials.password)))


def _answers(exchange: Exchange, *responses: bytes) -> Dialogue[Reply]:
    """Answer challenges, which mean nothing in PLAIN and LOGIN, until the server has heard enough."""
    answer = yield from exchange.reply(exchange.waits.auth)
    for response in responses:
        if answer.code != 334:
            break
        exchange.command(response)
        answer = yield from exchange.reply(exchange.waits.auth)
    return answer


def _without_secrets(answer: Reply, credentials: Credentials) -> Reply:
    """The reply without what a hop repeats of our command, whole or cut: logs and reports will show it."""
    said = _initial(credentials) + _base64(credentials.password)
    lines = [
        _WORD.sub(lambda word: _HIDDEN if word[0].rstrip("=").encode() in said else word[0], line)
        for line in answer.lines
    ]
    if credentials.password:
        lines = [line.replace(credentials.password, _HIDDEN) for line in lines]
    return Reply(answer.code, tuple(lines), answer.status)


def _initial(credentials: Credentials) -> bytes:
    return _base64(f"\0{credentials.username}\0{credentials.password}")


def _base64(text: str) -> bytes:
    return b64encode(text.encode())


def _no_tls(text: str) -> ConversationEnded:
    return ConversationEnded(Stage.STARTTLS, reply(451, "4.7.4", text))
