"""A RADIUS server as a directory: it checks passwords, and can neither find anybody nor tell addresses.

Theory of operation. Each question has a socket of its own, connected to one server: its port is one that nobody can
know, what comes from elsewhere the kernel drops, and with the question go socket and late answers
(`radius_exchange.py`). The time of a question is shared between the servers. One that does not answer is asked last
for half a minute; then one question tries it again.

An Access-Challenge asks for a second factor, which a mail program cannot be asked for: that is a refusal.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from sams.config.places import HostPort
from sams.config.source_checks import required_attribute
from sams.config.sources import RadiusSource
from sams.core.errors import OperatorError
from sams.core.text import visible
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.sources.interface import Answer, Member, down
from sams.identity.sources.login_forms import NO_LOGIN, sent_login
from sams.identity.sources.radius_exchange import UnansweredError, exchange
from sams.protocol.radius import (
    AUTHENTICATOR_OCTETS,
    MAX_PASSWORD_OCTETS,
    MAX_VALUE,
    MIN_SECRET_OCTETS,
    NAS_PORT_VIRTUAL,
    Code,
    Request,
    Response,
    Type,
    access_request,
)

OUT_OF_USE = 30.0
"""Seconds for which a server that did not answer is asked last."""
LEAST_SHARE = 2.0
"""Seconds that a server has where there are many, or half of the rest: FreeRADIUS keeps a refusal back for one."""
_LEAST_USE = 0.02
"""Seconds; with less nobody is asked."""
_OWN_TIME = 0.9
"""Of the source's `timeout`, so that what is said about an outage is said here."""
_ATTRIBUTES = {"Class": Type.CLASS, "Filter-Id": Type.FILTER_ID}
_CHALLENGED = (
    "the server asks for a second factor (Access-Challenge), and no mail program can be asked for one: give members "
    'app passwords, with submission = "app-passwords-only"'
)
_NOT_ALLOWED = "this account may not send mail"


class RadiusDirectory:
    """RADIUS servers with one secret, in the order of the configuration."""

    can_find = False

    def __init__(
        self,
        section: RadiusSource,
        secret: str,
        server_name: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Servers with their secret. server_name: `[server] name`. clock: seconds, monotonic.

        Raises:
            OperatorError: the secret is too short.
        """
        self._secret = secret.encode()
        if len(self._secret) < MIN_SECRET_OCTETS:
            raise OperatorError(
                f"{section.secret_file}: a RADIUS secret of less than {MIN_SECRET_OCTETS} characters can be guessed "
                "from one packet: make one with `openssl rand -hex 16`, here and on the server"
            )
        self._section = section
        self._required = required_attribute(section.require_attribute)
        self._name = (section.nas_identifier or server_name).encode()[:MAX_VALUE]
        self._servers = tuple(_Server(address, clock) for address in section.servers)

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        """Ask one server after the other until one answers."""
        user = sent_login(login, self._section.login_form)
        if user is None or len(user.encode()) > MAX_VALUE:
            return NO_LOGIN
        octets = password.encode("utf-8", "replace")
        if len(octets) > MAX_PASSWORD_OCTETS:
            return Answer(
                Finding.REFUSED,
                detail=f"a password of more than {MAX_PASSWORD_OCTETS} octets: RADIUS has none",
            )
        response = await self._ask(user.encode(), octets, address)
        return self._judged(login, response)

    async def find(self, login: Login) -> Member | None:
        """RADIUS cannot.

        Raises:
            TemporaryFailure: always.
        """
        del login
        raise down("RADIUS cannot tell who somebody is without a password")

    async def close(self) -> None:
        """Nothing is kept open between questions."""

    def order(self) -> list[_Server]:
        """The servers as a question asks them: those that lately did not answer are last."""
        return sorted(self._servers, key=_Server.is_out)

    async def _ask(self, user: bytes, password: bytes, address: str) -> Response:
        failures = list[str]()
        loop = asyncio.get_running_loop()
        end = loop.time() + _OWN_TIME * self._section.timeout
        servers = self.order()
        for at, server in enumerate(servers):
            remaining = end - loop.time()
            share = max(remaining / (len(servers) - at), min(remaining / 2, LEAST_SHARE))
            if share < _LEAST_USE:
                break
            try:
                response = await exchange(
                    server.address, self._request(user, password, address), self._secret, share
                )
            except UnansweredError as error:
                failures.append(f"{server.address}: {error}")
                server.failed()
                continue
            server.answered()
            return response
        raise down("; ".join(failures))

    def _request(self, user: bytes, password: bytes, address: str) -> Request:
        further = [(Type.NAS_IDENTIFIER, self._name), (Type.NAS_PORT_TYPE, NAS_PORT_VIRTUAL)]
        if self._section.send_address and address:
            further.append((Type.CALLING_STATION_ID, address.encode()))
        return access_request(
            secrets.randbits(8),
            secrets.token_bytes(AUTHENTICATOR_OCTETS),
            user,
            password,
            self._secret,
            further=further,
        )

    def _judged(self, login: Login, response: Response) -> Answer:
        said = "; ".join(visible(text, 200) for text in response.values(Type.REPLY_MESSAGE)[:5])
        if response.code is Code.ACCESS_CHALLENGE:
            return Answer(Finding.REFUSED, detail=_CHALLENGED)
        if response.code is Code.ACCESS_REJECT:
            return Answer(Finding.REFUSED, detail=f"the server says: {said}" if said else "")
        if self._required is None:
            return Answer(Finding.RIGHT, Member(login.bare))
        name, value = self._required
        if value.encode() in response.values(_ATTRIBUTES[name]):
            return Answer(Finding.RIGHT, Member(login.bare))
        return Answer(
            Finding.RIGHT, Member(login.bare, suspended=_NOT_ALLOWED), f"no {name}={value} in the answer"
        )


class _Server:
    """One server, and whether it lately did not answer."""

    __slots__ = ("_clock", "_out_until", "address")

    def __init__(self, address: HostPort, clock: Callable[[], float]) -> None:
        self.address = address
        self._clock = clock
        self._out_until: float | None = None

    def is_out(self) -> bool:
        """Whether it is asked last. Whoever hears that it is tried again is the only one who tries."""
        if self._out_until is None:
            return False
        if self._clock() < self._out_until:
            return True
        self.failed()
        return False

    def failed(self) -> None:
        """It did not answer, or is being tried."""
        self._out_until = self._clock() + OUT_OF_USE

    def answered(self) -> None:
        """It is there."""
        self._out_until = None
