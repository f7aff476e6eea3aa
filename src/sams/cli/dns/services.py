"""Records by which programs find the servers: SRV (RFC 6186, RFC 8314 section 5.1), autoconfig and Autodiscover."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sams.cli.dns.record import Hint, Importance, Record
from sams.config.model import Config
from sams.config.offered import MailServer, incoming_servers, outgoing_servers

HTTPS = 443
_STEP = 10
"""Between the priorities of two servers, so that another fits in."""
_LABELS = {
    ("smtp", "implicit"): "_submissions._tcp",
    ("smtp", "starttls"): "_submission._tcp",
    ("imap", "implicit"): "_imaps._tcp",
    ("imap", "starttls"): "_imap._tcp",
    ("pop3", "implicit"): "_pop3s._tcp",
    ("pop3", "starttls"): "_pop3._tcp",
}
_PURPOSES = {
    "smtp": "Programs find by it where to send mail",
    "imap": "Programs find by it where to read mail (IMAP)",
    "pop3": "Programs find by it where to fetch mail (POP3)",
}
_TLS = {"implicit": "TLS from the start", "starttls": "STARTTLS"}
_ABSENT = "Tells programs that this service is not there, so that they do not try"


@dataclass(frozen=True, slots=True)
class Target:
    """A server of a service. priority: the lowest is tried first. host: an A-label name without a dot at its end."""

    priority: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a domain. label: before the domain. targets: the best first; none: the service is not there."""

    label: str
    kind: str
    security: str
    targets: tuple[Target, ...]

    def records(self, domain: str) -> list[Record]:
        """Its SRV records."""
        name = f"{self.label}.{domain}"
        if not self.targets:
            return [Record(name, "SRV", "0 0 0 .", f"{_ABSENT}.", Importance.OPTIONAL)]
        why = f"{_PURPOSES[self.kind]}, with {_TLS[self.security]}."
        return [
            Record(name, "SRV", f"{each.priority} 1 {each.port} {each.host}.", why, Importance.ADVISED)
            for each in self.targets
        ]


@dataclass(frozen=True, slots=True)
class PagesHost:
    """Where the pages are. port: of HTTPS, or of HTTP where there is no TLS."""

    host: str
    port: int
    is_secure: bool

    @property
    def has_name(self) -> bool:
        """Whether it is no IP address: records of DNS lead to names."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return True
        return False

    @property
    def can_be_found(self) -> bool:
        """Whether programs that know a name alone come to it."""
        return self.is_secure and self.port == HTTPS and self.has_name


def services(config: Config) -> tuple[Service, ...]:
    """The services of each domain, the same for all.

    Nothing is said of IMAP and POP3 where `[incoming]` is left out: SAMS does not know what is there.
    """
    servers = (*outgoing_servers(config), *incoming_servers(config))
    kinds = ["smtp"] if config.incoming is None else ["smtp", "imap", "pop3"]
    return tuple(
        Service(label, kind, security, _targets(servers, kind, security))
        for (kind, security), label in _LABELS.items()
        if kind in kinds
    )


def pages_host(config: Config) -> PagesHost | None:
    """Where `[web]` has its pages; None: there are none."""
    if config.web is None:
        return None
    parts = urlsplit(config.web.url or f"https://{config.server.name}")
    is_secure = parts.scheme == "https"
    return PagesHost(
        parts.hostname or config.server.name, parts.port or (HTTPS if is_secure else 80), is_secure
    )


def setup_records(config: Config, domain: str) -> list[Record]:
    """Names by which programs that set themselves up find the pages."""
    pages = pages_host(config)
    if pages is None or not pages.is_secure or not pages.has_name:
        return []
    found = []
    if pages.can_be_found:
        names = (
            (
                f"autoconfig.{domain}",
                "Thunderbird and others fetch their settings here; its certificate has to",
            ),
            (
                f"autodiscover.{domain}",
                "Outlook and others fetch their settings here; its certificate has to",
            ),
        )
        found = [
            Record(name, "CNAME", f"{pages.host}.", f"{why} name this host.", Importance.ADVISED)
            for name, why in names
            if name != pages.host
        ]
    why = "Outlook finds the settings by it where autodiscover. has no certificate of its own."
    data = f"0 1 {pages.port} {pages.host}."
    return [*found, Record(f"_autodiscover._tcp.{domain}", "SRV", data, why, Importance.OPTIONAL)]


def setup_hints(config: Config, domain: str) -> list[Hint]:
    """Where programs cannot find the pages by a name."""
    pages = pages_host(config)
    if pages is None or pages.can_be_found:
        return []
    text = (
        f"Programs look for their settings at https://autoconfig.{domain}/ and https://autodiscover.{domain}/, on "
        f"port {HTTPS}: have a proxy there hand them on, and name it in [web] url."
    )
    return [Hint(text)]


def _targets(servers: Sequence[MailServer], kind: str, security: str) -> tuple[Target, ...]:
    """In the order of all servers of a kind, so that programs which know both kinds of TLS begin with the best."""
    ranked = enumerate(server for server in servers if server.kind == kind)
    return tuple(
        Target(rank * _STEP, server.host, server.port)
        for rank, server in ranked
        if server.security == security
    )
