"""The web process's place in the service: what it is told, who starts it and whom it becomes."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from sams import __version__
from sams.activity.logs import is_for_people
from sams.config.model import Config
from sams.config.offered import incoming_servers, outgoing_servers
from sams.config.pictures import read_picture
from sams.config.web import Organisation
from sams.core.errors import OperatorError
from sams.core.memory_files import memory_file
from sams.core.rights import ServiceUser
from sams.service.helpers import Helper
from sams.service.material import Material
from sams.service.privileges import service_user
from sams.service.sockets import Activated, Endpoint, match_activated, open_listener
from sams.service.tls_contexts import HostCertificates
from sams.web.site import Brand, Certificate, CertifiedHost, Logo, NamedLink, Site, StsPolicy
from sams.web.starting import Orders, encode, spawn_pages

_STDERR = 2


def site_of(config: Config, material: Material) -> Site:
    """What the web process is told. As who may read the picture.

    Raises:
        OperatorError: the picture cannot be used.
    """
    assert config.web is not None, "a site is made where there are pages"
    domains = config.accounts.domains
    default, *others = (_certificates(host) for host in material.hosts)
    return Site(
        server_name=config.server.name,
        version=__version__,
        url=(config.web.url or f"https://{config.server.name}").rstrip("/"),
        domains=domains,
        outgoing=outgoing_servers(config),
        incoming=incoming_servers(config),
        brand=_brand(config.organisation, domains[0] if domains else config.server.name),
        data_dir=str(config.server.data_dir),
        user_name=config.web.user_name,
        languages=config.web.languages,
        certificates=default.certificates,
        hosts=tuple(others),
        does_tls=config.web.security == "tls",
        proxies=config.web.proxies,
        sts=StsPolicy(config.dns.mta_sts, config.dns.mx) if config.dns.mta_sts != "none" else None,
    )


def _brand(section: Organisation, fallback: str) -> Brand:
    name = section.name or fallback
    return Brand(
        name=name,
        short_name=section.short_name or name,
        account_name=section.account_name,
        logo=Logo(*read_picture(section.logo)) if section.logo is not None else None,
        colour=section.colour,
        help_mail=section.help_mail,
        help_phone=section.help_phone,
        help_url=section.help_url,
        links=tuple(NamedLink(link.text, link.url) for link in section.links),
    )


def _certificates(host: HostCertificates) -> CertifiedHost:
    return CertifiedHost(host.name, tuple(Certificate(pair.chain, pair.key) for pair in host.pairs))


def pages_endpoint(config: Config) -> Endpoint | None:
    """Where the pages listen; None: there are none."""
    return Endpoint(config.web.address, config.web.port) if config.web is not None else None


@dataclass(slots=True)
class Pages:
    """The web process, as who starts it sees it.

    listening: its socket, which lives as long as the service: what waits in it is served by a successor.
    user: whom the process becomes; None: it stays who starts it.
    octets: what it is told. site: the descriptor of a file in memory that holds them.
    """

    listening: socket.socket
    user: ServiceUser | None
    level: str
    people: bool
    octets: bytes = field(repr=False)
    site: int = field(init=False)
    _is_told: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.site = memory_file(self.octets)

    def spawn(self) -> int:
        """Start one; its pid.

        Raises:
            OSError: it cannot be started.
        """
        orders = Orders(os.getpid(), self.user, self.level, self.people)
        pid = spawn_pages(orders, self.listening, self.site)
        self._is_told = True
        return pid

    def changed(self, material: Material) -> bytes | None:
        """What the next process is to be told by new material; None: the same.

        Raises:
            OperatorError: the picture cannot be used.
        """
        octets = encode(site_of(material.config, material))
        return None if octets == self.octets else octets

    def renew(self, octets: bytes) -> None:
        """Tell the next process this; the one that runs is stale."""
        self.octets = octets
        self.take(memory_file(octets))

    def take(self, site: int) -> None:
        """As `renew`, where somebody else made the file. It is ours from now on, and is not looked at."""
        os.close(self.site)
        self.site, self._is_told = site, False

    def is_stale(self) -> bool:
        """Whether the process that runs was told something else."""
        return not self._is_told

    def let_go(self) -> None:
        """In a process that has nothing to do with it: close what is its own."""
        self.listening.close()
        os.close(self.site)


def open_pages(config: Config, material: Material, activated: Sequence[Activated]) -> Pages | None:
    """Open what the web process needs, before rights are given up; None: there are no pages.

    Raises:
        OperatorError: the port cannot be had, the user is none, or the picture cannot be used.
    """
    endpoint = pages_endpoint(config)
    if config.web is None or endpoint is None:
        return None
    key = "[web] user" if config.web.user else "[server] user"
    user = service_user(config.web.user or config.server.user, key)
    octets = encode(site_of(config, material))
    people = is_for_people(config.log.format, _STDERR)
    return Pages(_listening(endpoint, activated), user, config.log.level, people, octets)


def _listening(endpoint: Endpoint, activated: Sequence[Activated]) -> socket.socket:
    handed = match_activated(activated, endpoint)
    if len(handed) > 1:
        raise OperatorError(
            f"the service manager hands over {endpoint} {len(handed)} times, but the pages are one process: "
            "name it once in the socket unit"
        )
    return handed[0].listening if handed else open_listener(endpoint, 1)[0]


def pages_helpers(pages: Pages | None) -> tuple[Helper, ...]:
    """The web process, for a supervisor; none where there are no pages."""
    if pages is None:
        return ()
    return (Helper("pages", pages.spawn, pages.let_go, pages.is_stale),)
