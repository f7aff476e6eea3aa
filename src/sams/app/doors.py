"""What a listener offers its connections, of the configuration, its TLS and the sources of accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from sams.app import settings
from sams.config.model import Config, Listener
from sams.identity.certificates import name_reader
from sams.identity.interface import EVERYBODY, Audience, PrincipalSource, Source, TokenSource
from sams.identity.offers import CERTIFICATE_MECHANISMS, never_offered, offered, verifiable
from sams.protocol.sasl.interface import Channel, SecurityContext
from sams.protocol.sasl.registry import Registry
from sams.service.tls_contexts import ListenerTls
from sams.submission.entrance import FORMER_FOR, Entrance, Former
from sams.submission.tls import HAS_EXPORTER


class Entrances:
    """Makes the entrances of a worker's listeners.

    mechanisms: all that there are.
    accept_context: makes the acceptor of a Kerberos ticket; None: the first realm of each listener does.
    now: gives UNIX seconds.
    """

    def __init__(
        self,
        mechanisms: Registry,
        accept_context: Callable[[], SecurityContext] | None,
        now: Callable[[], float],
    ) -> None:
        self._mechanisms = mechanisms
        self._accept_context = accept_context
        self._now = now

    def make(
        self,
        config: Config,
        listener: Listener,
        tls: ListenerTls,
        *,
        sources: Sequence[Source],
        before: Entrance | None = None,
        audience: Audience = EVERYBODY,
    ) -> Entrance:
        """The entrance of a listener.

        sources: those that know its members. before: the entrance that this one takes the place of.
        """
        possible = self._possible(listener, tls, sources)
        names = offered(possible, listener.mechanisms, self._mechanisms.names, exports=HAS_EXPORTER)
        usual = tuple(name for name in names if name not in CERTIFICATE_MECHANISMS)
        plain = settings.server_settings(config, listener, usual)
        return Entrance(
            settings=plain,
            certified=replace(plain, mechanisms=names) if names != usual else None,
            channel=self._channel(usual, tls, sources),
            former=self._former(tls, before),
            names=name_reader(listener.client_identity),
            audience=audience,
        )

    def _channel(self, names: tuple[str, ...], tls: ListenerTls, sources: Sequence[Source]) -> Channel:
        accepts = [source.accept_context for source in sources if isinstance(source, PrincipalSource)]
        refusals = [source.refusal for source in sources if isinstance(source, TokenSource)]
        channel = Channel(
            offered=names,
            end_points=tls.end_points,
            accept_context=self._accept_context or next(iter(accepts), None),
        )
        return msgspec.structs.replace(channel, token_refusal=refusals[0]) if refusals else channel

    def _former(self, tls: ListenerTls, before: Entrance | None) -> Former:
        if before is not None and before.former.end_points == tls.former_end_points:
            return before.former
        return Former(tls.former_end_points, self._now() + FORMER_FOR)

    def never_offered(
        self, listener: Listener, tls: ListenerTls, sources: Sequence[Source]
    ) -> tuple[str, ...]:
        """Mechanisms that the listener names, and nobody could sign in by."""
        return never_offered(self._possible(listener, tls, sources), listener.mechanisms)

    @staticmethod
    def _possible(listener: Listener, tls: ListenerTls, sources: Sequence[Source]) -> frozenset[str]:
        return verifiable(
            sources,
            certificates=listener.client_ca is not None,
            binds=bool(tls.end_points) or HAS_EXPORTER,
        )
