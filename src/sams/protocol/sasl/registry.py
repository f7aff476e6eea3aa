"""Which mechanisms there are, as a value that is handed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from sams.protocol.sasl.external import External
from sams.protocol.sasl.gssapi import GssApi
from sams.protocol.sasl.interface import Channel, ServerMechanism
from sams.protocol.sasl.login import Login
from sams.protocol.sasl.oauthbearer import OAuthBearer
from sams.protocol.sasl.plain import Plain
from sams.protocol.sasl.scram import Scram
from sams.protocol.sasl.xoauth2 import XOAuth2

Factory = Callable[[Channel], ServerMechanism]
"""Makes a mechanism for one exchange on a channel."""

_NAME = re.compile(r"[A-Z0-9_-]{1,20}\Z")


class Registry:
    """Mechanisms by name (RFC 4422 section 3.1), in the order in which they are offered.

    Raises:
        ValueError: a name has a form that RFC 4422 does not know.
    """

    __slots__ = ("_factories",)

    def __init__(self, factories: Mapping[str, Factory]) -> None:
        for name in factories:
            if not _NAME.match(name):
                raise ValueError(f"not a name of a SASL mechanism: {name!r}")
        self._factories = MappingProxyType(dict(factories))

    @property
    def names(self) -> tuple[str, ...]:
        """What a server offers."""
        return tuple(self._factories)

    def create(self, name: str, channel: Channel) -> ServerMechanism:
        """A mechanism for one exchange.

        Raises:
            KeyError: there is none of this name.
        """
        return self._factories[name](channel)


def all_mechanisms() -> Registry:
    """Every mechanism that SAMS speaks; which are offered at a listener follows from its sources.

    The order is that of EHLO. Old programs take the first that they know, or look at the first few words only: so
    PLAIN and LOGIN, which all know and every source can verify, come first. Others choose, whatever the order.
    """
    return Registry(
        {
            "PLAIN": lambda _: Plain(),
            "LOGIN": lambda _: Login(),
            "SCRAM-SHA-256-PLUS": partial(Scram, "SCRAM-SHA-256-PLUS"),
            "SCRAM-SHA-256": partial(Scram, "SCRAM-SHA-256"),
            "SCRAM-SHA-1-PLUS": partial(Scram, "SCRAM-SHA-1-PLUS"),
            "SCRAM-SHA-1": partial(Scram, "SCRAM-SHA-1"),
            "OAUTHBEARER": OAuthBearer,
            "XOAUTH2": XOAuth2,
            "EXTERNAL": External,
            "GSSAPI": GssApi,
        }
    )
