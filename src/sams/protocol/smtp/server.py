"""The server engine of a submission server: bytes in, events out; replies in, bytes out."""

from __future__ import annotations

from collections.abc import Callable

from sams.core.reply import Reply
from sams.protocol.smtp.events import Event, Need
from sams.protocol.smtp.settings import ServerSettings
from sams.protocol.smtp.states import State


class ServerEngine:
    """One session's protocol.

    settings: the listener's.
    tls: whether the connection is inside TLS already (implicit TLS).
    reason: makes the reference that each refusal carries; called once a refusal.
    """

    def __init__(self, settings: ServerSettings, *, tls: bool, reason: Callable[[], str]) -> None: ...

    def greet(self) -> None:
        """Queue the greeting. Once, before anything else."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer. Cheap: they are looked at in `next_event`."""

    def next_event(self) -> Event | Need:
        """The next thing that happened, or what has to happen before there is one."""
        raise NotImplementedError

    def answer(self, reply: Reply) -> Reply:
        """Answer the event that asks.

        A refusal (4yz, 5yz) without a reason gets one. A 421 ends the session: Closed follows.

        Returns:
            The reply as it was queued, with its reason.

        Raises:
            ProtocolMisuse: nothing was asked, or the reply does not fit what was asked.
        """
        raise NotImplementedError

    def challenge(self, data: bytes) -> None:
        """Send a SASL challenge (334) in answer to Auth or AuthData. AuthData or AuthCancelled follows."""

    def accept_body(self) -> None:
        """Answer BodyStart with yes: 354 for DATA, nothing to be said for BDAT. Chunks follow."""

    def refuse_body(self, reply: Reply) -> None:
        """Refuse the message that is coming in: no more chunks, the reply at its end, then BodyRefused.

        For a session that cannot keep what it gets; may also be called while chunks are still queued.
        """

    def tls_established(self) -> None:
        """The handshake after StartTls is done. Everything said before is forgotten, but the counters."""

    def close(self, reply: Reply) -> Reply:
        """End the session from this side (time-out, shut-down): queue the reply; only Closed follows.

        Returns:
            The reply as it was queued, with its reason.
        """
        raise NotImplementedError

    def take_output(self) -> bytes:
        """Everything queued since the last call, to be written in one write; may be empty."""
        raise NotImplementedError

    @property
    def state(self) -> State:
        """Where the session stands."""
        raise NotImplementedError

    @property
    def in_transaction(self) -> bool:
        """Whether a MAIL was accepted whose message is not settled yet."""
        raise NotImplementedError

    @property
    def in_body(self) -> bool:
        """Whether octets of a message are expected now, rather than a command."""
        raise NotImplementedError

    @property
    def is_idle_between_transactions(self) -> bool:
        """Whether the session can be ended without cutting anything short."""
        raise NotImplementedError

    @property
    def buffered(self) -> int:
        """Octets received and not looked at yet; a session stops reading above a limit of its own."""
        raise NotImplementedError

    @property
    def tls(self) -> bool:
        """Whether the engine's bytes pass TLS."""
        raise NotImplementedError

    @property
    def authenticated(self) -> bool:
        """Whether a sign-in was answered with 235."""
        raise NotImplementedError

    @property
    def esmtp(self) -> bool:
        """Whether the last greeting was EHLO."""
        raise NotImplementedError

    @property
    def helo_name(self) -> str | None:
        """What the peer calls itself, cleaned; None before HELO or EHLO."""
        raise NotImplementedError

    @property
    def with_protocol(self) -> str:
        """The `with` token of Received for the running transaction (RFC 3848, RFC 6531 section 4.3)."""
        raise NotImplementedError
