"""What the web process is told at its start: all it knows of the configuration."""

from __future__ import annotations

import msgspec

from sams.config.offered import MailServer
from sams.config.web import UserName


class NamedLink(msgspec.Struct, frozen=True):
    """A link at the foot of the pages."""

    text: str
    url: str


class Logo(msgspec.Struct, frozen=True):
    """A picture. media_type: one of `image/png`, `image/svg+xml`, `image/webp`, `image/jpeg`."""

    media_type: str
    octets: bytes


class Brand(msgspec.Struct, frozen=True):
    """Whose service it is. Texts that are not known are empty.

    colour: as `#rrggbb`.
    """

    name: str
    short_name: str
    account_name: str = ""
    logo: Logo | None = None
    colour: str = "#1f5fa8"
    help_mail: str = ""
    help_phone: str = ""
    help_url: str = ""
    links: tuple[NamedLink, ...] = ()


class Certificate(msgspec.Struct, frozen=True):
    """A chain and its key, PEM: for HTTPS, and to sign profiles for Apple's systems."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Certificate(…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return []


class CertifiedHost(msgspec.Struct, frozen=True):
    """What is presented to who asks for a name other than the default's. name: exact, in lower case."""

    name: str
    certificates: tuple[Certificate, ...]


class StsPolicy(msgspec.Struct, frozen=True):
    """The policy of MTA-STS (RFC 8461). mode: `testing` or `enforce`."""

    mode: str
    mx: tuple[str, ...]


class Site(msgspec.Struct, frozen=True):
    """Everything that pages are made from.

    server_name: of the service. version: of SAMS.
    url: under which visitors find the pages, without a slash at its end.
    domains: the organisation's mail domains, the first one first.
    outgoing: ways to submit, the best first, at least one. incoming: where mail is read; may be empty.
    languages: offered, the default first.
    certificates: the default's; more than one where there are several kinds of keys. hosts: for further names.
    does_tls: the process speaks HTTPS itself.
    proxies: networks of proxies that are believed.
    data_dir: where the control sockets are.
    sts: None: there is no policy.
    """

    server_name: str
    version: str
    url: str
    domains: tuple[str, ...]
    outgoing: tuple[MailServer, ...]
    brand: Brand
    data_dir: str
    incoming: tuple[MailServer, ...] = ()
    user_name: UserName = "address"
    languages: tuple[str, ...] = ("en", "de")
    certificates: tuple[Certificate, ...] = ()
    hosts: tuple[CertifiedHost, ...] = ()
    does_tls: bool = False
    proxies: tuple[str, ...] = ()
    sts: StsPolicy | None = None

    @property
    def is_secure(self) -> bool:
        """Whether visitors come by HTTPS, so that a password may be asked for."""
        return self.url.startswith("https://")
