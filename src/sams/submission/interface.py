"""What a connection needs of those around it: somebody who knows what events mean, and somebody who lets it in."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sams.core.errors import SamsError
from sams.core.reply import Reply
from sams.protocol.smtp.server import ServerEngine
from sams.submission.tls import ServerTls, TlsError, TlsFacts

if TYPE_CHECKING:
    from sams.submission.connection import Connection


class EventHandler(Protocol):
    """The session behind a connection."""

    @property
    def handlers(self) -> Mapping[type, Callable[[Any, Any], None]]:
        """What is done about each kind of event, called with the session and the event.

        It answers through the engine now, or later from `Connection.wait_for`.
        """
        ...

    def tls_established(self, facts: TlsFacts) -> None:
        """TLS is on."""
        ...

    def tls_failed(self, error: TlsError, tls: ServerTls) -> None:
        """The handshake or a record failed; the connection ends."""
        ...

    def tls_unfinished(self, tls: ServerTls, *, waited: float, late: bool) -> None:
        """The connection ends within a handshake, `waited` seconds after it could begin.

        late: as its time is up; else, `closed` follows, as the peer hung up or as we had ended it.
        """
        ...

    def bug(self, error: Exception) -> Reply:
        """An exception that nobody expected ends the session; the reply carries its reference."""
        ...

    def failed(self, error: SamsError) -> None:
        """What the session waited for failed as can be expected: answer the event that waits."""
        ...

    def given_up(self) -> None:
        """What the session waited for was given up; the connection is cut."""
        ...

    def late(self, answer: Reply) -> Reply:
        """The session is over its time; the reply with its reference."""
        ...

    def closed(self) -> None:
        """The connection is gone. Called once, whatever ended it."""
        ...


class Door(Protocol):
    """Decides who comes in at a listener, and makes what serves them."""

    @property
    def context(self) -> ssl.SSLContext:
        """The listener's TLS."""
        ...

    @property
    def implicit(self) -> bool:
        """TLS from the first octet."""
        ...

    def enter(self, connection: Connection, address: str) -> tuple[ServerEngine, EventHandler] | Reply:
        """Engine and session for a new connection, or the reply that turns it away."""
        ...
