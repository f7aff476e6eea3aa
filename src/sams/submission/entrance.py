"""What a listener knows of its connections: what they are offered, and what TLS tells of both ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from sams.identity.interface import EVERYBODY, Audience
from sams.protocol.sasl.interface import Channel
from sams.protocol.smtp.settings import ServerSettings
from sams.submission.tls import TlsFacts

FORMER_FOR = 7_200.0
"""Seconds for which a TLS ticket can be used (OpenSSL's default for TLS)."""

NameReader = Callable[[bytes, float], tuple[str, ...]]
"""The logins that a verified certificate (DER) stands for at a time (UNIX seconds); empty: for nobody."""


def _nobody(_certificate: bytes, _now: float) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Former:
    """The end points of certificates that were shown before the last change.

    A connection that resumes shows none: the peer binds to the one that it saw at first.
    until: UNIX seconds. A key that was changed because it was stolen is of no use for longer.
    """

    end_points: frozenset[bytes] = frozenset()
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Entrance:
    """What new sessions of a listener are made with; a reload puts another one in its place.

    settings: of a connection whose peer showed no certificate.
    certified: of one whose certificate names somebody; None: certificates are not asked for.
    channel: what all connections have in common.
    names: reads certificates.
    audience: who may sign in.
    """

    settings: ServerSettings
    certified: ServerSettings | None = None
    channel: Channel = field(default_factory=Channel)
    former: Former = field(default_factory=Former)
    names: NameReader = _nobody
    audience: Audience = EVERYBODY

    def channel_of(self, facts: TlsFacts, *, is_older: bool, now: float) -> Channel:
        """The channel of a connection after its handshake.

        is_older: the connection came when another entrance was there, and may have been shown its certificates.
        now: UNIX seconds.
        """
        channel = self.channel
        if (facts.resumed or is_older) and now < self.former.until:
            channel = msgspec.structs.replace(channel, end_points=channel.end_points | self.former.end_points)
        if facts.certificate is not None:
            names = self.names(facts.certificate, now)
            channel = msgspec.structs.replace(channel, certificate_names=names)
        return channel


class Lobby(Protocol):
    """Where a session came in."""

    @property
    def entrance(self) -> Entrance:
        """As it is now."""
        ...
