"""The next hops of one worker: one for each route, kept as long as its settings stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from sams.app.settings import hop_settings
from sams.config.model import Config
from sams.config.model import Route as RouteConfig
from sams.core.clock import Clock
from sams.delivery.connection import Connector
from sams.delivery.interface import NextHop
from sams.delivery.maildir import Maildir, MaildirTemplate
from sams.delivery.pool import HopPool
from sams.delivery.smarthost import Smarthost
from sams.service.material import Material

_MAILDIR_THREADS = 4

Prepared = Mapping[str, tuple[object, NextHop]]
"""Next hops by the route's name, each with what it was made from."""


class Hops:
    """Makes next hops, and makes a new one only where a route's settings changed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: Prepared = {}
        self._threads = ThreadPoolExecutor(_MAILDIR_THREADS, "maildir")

    def prepare(self, material: Material) -> Prepared:
        """The next hop of each route of a configuration; nothing changes yet.

        Raises:
            OperatorError: a route's settings cannot be used.
        """
        made = {}
        for route in material.config.routes:
            known = self._made.get(route.id)
            about = (route, material.passwords.get(route.id), material.config.server.name)
            made[route.id] = known if known and known[0] == about else (about, self._make(material, route))
        return made

    def use(self, prepared: Prepared) -> dict[str, NextHop]:
        """These are in use from now on; by the route's name."""
        self._made = prepared
        return {name: hop for name, (_, hop) in prepared.items()}

    def close(self) -> None:
        """Let go of the threads; the scheduler has closed the hops."""
        self._threads.shutdown(wait=True)

    def _make(self, material: Material, route: RouteConfig) -> NextHop:
        if route.type == "maildir":
            return self._maildir(material.config, route)
        settings = hop_settings(material.config, route, material.passwords.get(route.id))
        pool = HopPool(settings, Connector(settings), self._clock)
        return Smarthost(pool, self._clock)

    def _maildir(self, config: Config, route: RouteConfig) -> NextHop:
        assert route.path is not None, "the configuration's check asks for it"
        return Maildir(
            MaildirTemplate(str(route.path)),
            self._threads,
            self._clock,
            host=config.server.name,
            connections=_MAILDIR_THREADS,
        )
