"""Connections to a next hop over TCP: resolve, connect, secure, sign in, and then one transaction after another."""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401 - getaddrinfo loads it, which fails for a user that may not read the library
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from sams.core.reply import reply
from sams.delivery.hop_protocol import HopProtocol
from sams.delivery.hop_settings import HopAddress, RouteSettings
from sams.delivery.hop_tls import HopTls, HopTlsFacts, make_context
from sams.delivery.lookups import SystemResolver
from sams.protocol.smtp.client import SmtpClient
from sams.protocol.smtp.client_capabilities import Capabilities
from sams.protocol.smtp.client_group import Group, Landing
from sams.protocol.smtp.client_opening import Opening, TlsUse
from sams.protocol.smtp.client_result import OutgoingTransaction, TransactionResult
from sams.protocol.smtp.client_waits import ConversationEnded, Stage, Timeouts, Waits

MAX_ADDRESSES = 8
"""Of one host, so many IP addresses are tried."""

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the IP addresses of a name (and port), best first. Raises OSError where there is none or no answer."""


class HopConnection:
    """An open conversation with one hop.

    host: which one, as configured. remote: its name and port, whose replies these are.
    tls: what secures it; None: nothing does. told_tls: the same as the journal tells of it.
    note: what went other than hoped for and was put up with, for people; mostly empty.
    opened: when, on the loop's clock.
    """

    __slots__ = (
        "_client",
        "_protocol",
        "_timeouts",
        "host",
        "note",
        "opened",
        "remote",
        "tls",
        "told_tls",
    )

    def __init__(
        self,
        host: HopAddress,
        client: SmtpClient,
        protocol: HopProtocol,
        *,
        tls: HopTlsFacts | None,
        note: str,
        opened: float,
        timeouts: Timeouts,
    ) -> None:
        self._client = client
        self._protocol = protocol
        self._timeouts = timeouts
        self.host = host
        self.remote = str(host)
        self.tls = tls
        self.told_tls = _told(tls, note)
        self.note = note
        self.opened = opened

    @property
    def sent(self) -> int:
        """Transactions so far."""
        return self._client.transactions

    @property
    def capabilities(self) -> Capabilities:
        """What the hop offers: the message is made fit for it before it is sent."""
        return self._client.capabilities

    @property
    def is_usable(self) -> bool:
        """Another transaction may be sent."""
        return not self._protocol.is_lost and self._client.is_reusable

    async def send(self, transaction: OutgoingTransaction) -> TransactionResult:
        """Carry out one transaction. Expected failures are in the result, after which `is_usable` tells more.

        Raises:
            TemporaryFailure: the message could not be read in full.
            Exception: whatever its source of pieces raises.
            CancelledError: nothing is known of the transaction. In all three cases the connection was cut.
        """
        times = self._timeouts
        limit = times.transaction + transaction.message.size / times.slowest
        result = await self._protocol.run(self._client.transaction(transaction), limit)
        if result.broke_off is not None:
            self._protocol.abort()
        return result

    @property
    def takes_groups(self) -> bool:
        """Several messages may be sent at once."""
        return self._client.takes_groups

    def group(self, landing: Landing, most: int) -> Group:
        """At most so many messages to be sent at once: `say` each, then `send_group`."""
        return self._client.group(landing, most)

    def send_group(self, group: Group, over: Callable[[Exception | None], None]) -> None:
        """Send a group. `over`: called when `landing` has heard of all of it, or with an unexpected exception.

        As after `send`, `is_usable` tells more.
        """
        times = self._timeouts
        limit = times.transaction + group.octets / times.slowest
        self._protocol.start(self._client.send(group), limit, over)

    def drop(self) -> None:
        """Cut it, with the group that is on its way: nobody hears what came of that."""
        self._protocol.drop()

    def close(self) -> None:
        """QUIT, where the conversation is at rest, and close. Returns at once."""
        self._protocol.close()


class Connector:
    """Opens connections to the hosts of one route."""

    def __init__(
        self,
        settings: RouteSettings,
        *,
        resolve: Resolver | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Prepare the TLS context.

        resolve: None: the system's resolver.

        Raises:
            OperatorError: the route's `ca_file` cannot be used.
        """
        self._settings = settings
        self._resolve = resolve or SystemResolver()
        self._timeouts = timeouts or Timeouts()
        self._waits = Waits(self._timeouts)
        self._context = make_context(verified=settings.is_verified, ca_file=settings.ca_file)

    async def connect(self, host: HopAddress, distrusted: frozenset[str] = frozenset()) -> HopConnection:
        """Open a conversation, up to the point where a transaction can be sent.

        distrusted: EHLO keywords that count as not offered.

        Raises:
            ConversationEnded: it did not come to that; `reply` and `stage` say why.
        """
        use = self._settings.tls_use
        try:
            return await self._open(host, use, distrusted, "")
        except ConversationEnded as ended:
            if use is not TlsUse.IF_OFFERED or ended.stage is not Stage.HANDSHAKE:
                raise
            note = f"in clear text, because TLS failed: {ended.detail or ended.reply}"
        return await self._open(host, TlsUse.NEVER, distrusted, note)

    async def _open(
        self, host: HopAddress, use: TlsUse, distrusted: frozenset[str], note: str
    ) -> HopConnection:
        settings, loop = self._settings, asyncio.get_running_loop()
        opening = Opening(settings.helo_name, use, settings.credentials, distrusted)
        client = SmtpClient(opening, self._waits)
        make_tls = partial(HopTls, self._context, host.name)
        protocol = HopProtocol(
            loop, client, make_tls, verified=self._verifies, tls_first=use is TlsUse.FROM_FIRST_OCTET
        )
        await self._dial(host, protocol)
        await protocol.run(client.opening(), self._timeouts.transaction)
        tls = protocol.tls.facts(verified=self._verifies) if protocol.tls is not None else None
        return HopConnection(
            host, client, protocol, tls=tls, note=note, opened=loop.time(), timeouts=self._timeouts
        )

    @property
    def _verifies(self) -> bool:
        return self._context.verify_mode is ssl.CERT_REQUIRED and self._context.check_hostname

    async def _dial(self, host: HopAddress, protocol: HopProtocol) -> None:
        """Connect to the first of the host's addresses that answers."""
        loop, source = asyncio.get_running_loop(), self._settings.source_address
        local = (source, 0) if source is not None else None
        causes = []
        for address in await self._addresses(host):
            try:
                async with asyncio.timeout(self._timeouts.connect):
                    await loop.create_connection(lambda: protocol, address, host.port, local_addr=local)
            except TimeoutError:
                causes.append(f"{address}: no answer within {self._timeouts.connect:g} s")
            except OSError as error:
                causes.append(f"{address}: {error.strerror or error}")
            else:
                return
        text = f"No connection to {host}"
        raise ConversationEnded(Stage.CONNECT, reply(451, "4.4.1", text), "; ".join(causes))

    async def _addresses(self, host: HopAddress) -> Sequence[str]:
        """The IP addresses to try, of the family of our source address where there is one."""
        try:
            addresses = [str(ipaddress.ip_address(host.name))]
        except ValueError:
            addresses = await self._resolved(host)
        source = self._settings.source_address
        if source is not None:
            version = ipaddress.ip_address(source).version
            addresses = [each for each in addresses if ipaddress.ip_address(each).version == version]
        if not addresses:
            text = f"{host.name} has no address that can be reached from here"
            raise ConversationEnded(Stage.CONNECT, reply(451, "4.4.3", text))
        return addresses[:MAX_ADDRESSES]

    async def _resolved(self, host: HopAddress) -> list[str]:
        try:
            async with asyncio.timeout(self._timeouts.connect):
                return list(await self._resolve(host.name, host.port))
        except (OSError, UnicodeError) as error:  # a TimeoutError is an OSError; no DNS name can be so long
            text = f"The address of {host.name} cannot be found"
            detail = getattr(error, "strerror", None) or str(error) or "no answer in time"
            raise ConversationEnded(Stage.CONNECT, reply(451, "4.4.3", text), detail) from None


def _told(tls: HopTlsFacts | None, note: str) -> str:
    """TLS as the journal tells of it; where it was hoped for and failed, that."""
    if tls is None:
        return note
    return f"{tls.version} {tls.cipher}" + (", name verified" if tls.verified else "")
