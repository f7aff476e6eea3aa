"""The doors of a worker, and what each offers: made of the configuration, TLS and the sources of accounts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from sams.app import settings
from sams.app.inherited import Inherited
from sams.app.sign_ins import SignIns
from sams.config.model import Config, Listener
from sams.identity.account_sources import PrincipalSource, Source, TokenSource
from sams.identity.certificates import name_reader
from sams.identity.interface import EVERYBODY, Audience
from sams.identity.offers import CERTIFICATE_MECHANISMS, never_offered, offered, verifiable
from sams.protocol.sasl.interface import Channel, SecurityContext
from sams.protocol.sasl.registry import Registry
from sams.service.material import Material
from sams.service.tls_contexts import ListenerTls
from sams.submission.entrance import FORMER_FOR, Entrance, Former
from sams.submission.reception import ListenerDoor, Reception
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


class Doors:
    """The doors of one worker, in the order of its listeners.

    number: the worker's; the first one tells of what cannot be offered.
    """

    def __init__(
        self,
        inherited: Inherited,
        number: int,
        *,
        mechanisms: Registry,
        sign_ins: SignIns,
        reception: Reception,
    ) -> None:
        self._inherited = inherited
        self._number = number
        self._sign_ins = sign_ins
        self._reception = reception
        self._entrances = Entrances(mechanisms, None, inherited.clock.now)
        self._keyed = sign_ins.keyed
        places = range(len(inherited.material.config.listeners))
        self._doors = [self._door(inherited.material, place) for place in places]

    def with_sockets(self) -> list[tuple[ListenerDoor, socket.socket]]:
        """Each door with a socket that leads to it."""
        number, workers = self._number, self._inherited.workers
        pairs = zip(self._doors, self._inherited.listeners, strict=True)
        return [(door, one) for door, listener in pairs for one in listener.share(number, workers)]

    def renew(self, material: Material) -> None:
        """Go by other settings, and by the sources and certificates that there are now."""
        self._keyed = self._sign_ins.keyed
        for place, door in enumerate(self._doors):
            door.context = self._inherited.listeners[place].tls.context
            door.entrance = self._entrance(material.config, place, door.entrance)
            door.proxies = settings.proxies(material.config, material.config.listeners[place])

    def note_keys(self) -> None:
        """SCRAM is offered as long as every member can use it."""
        keyed = self._sign_ins.keyed
        if keyed == self._keyed:
            return
        self._keyed = keyed
        for place, door in enumerate(self._doors):
            door.entrance = self._entrance(self._inherited.material.config, place, door.entrance)

    def _door(self, material: Material, place: int) -> ListenerDoor:
        listener = material.config.listeners[place]
        context = self._inherited.listeners[place].tls.context
        proxies = settings.proxies(material.config, listener)
        entrance = self._entrance(material.config, place, None)
        return ListenerDoor(self._reception, listener.port, context, entrance, proxies)

    def _entrance(self, config: Config, place: int, before: Entrance | None) -> Entrance:
        listener, tls = config.listeners[place], self._inherited.listeners[place].tls
        audience = settings.audience(listener)
        sources = self._sign_ins.sources_for(audience)
        vain = self._entrances.never_offered(listener, tls, sources)
        if vain and self._number == 0:
            why = "no source of accounts can verify them"
            self._inherited.log.warning("mechanisms that are not offered", names=" ".join(vain), why=why)
        return self._entrances.make(config, listener, tls, sources=sources, before=before, audience=audience)
