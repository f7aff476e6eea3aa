"""The directory of each kind of source, made of its section: the one place that knows them all.

Each is imported when it is made: many need a library that is installed where it is used alone.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sams.config.sources import (
    DirectorySection,
    DovecotSource,
    HttpSource,
    KerberosSource,
    LdapSource,
    OauthSource,
    PamSource,
    RadiusSource,
    SqlSource,
)
from sams.core.clock import Clock
from sams.identity.logins import LoginForms
from sams.identity.passwords.hashes import Hashes
from sams.identity.passwords.pool import HashPool
from sams.identity.sources.interface import Directory


@dataclass(frozen=True, slots=True)
class Tools:
    """What directories are made with, besides their sections.

    name: the service's, as members know it. secrets: by the file that holds each. pam: where the PAM helper is asked;
    None: there is none.
    """

    name: str
    secrets: Mapping[str, str]
    forms: LoginForms
    clock: Clock
    hashes: Hashes
    pool: HashPool
    pam: socket.socket | None = None

    def secret(self, file: Path | None) -> str | None:
        """What a key's file holds; None: the key is not set."""
        return None if file is None else self.secrets[str(file)]


def make_directory(section: DirectorySection, tools: Tools) -> Directory:
    """The directory of a section.

    Raises:
        OperatorError: something that it needs is not installed, or cannot be used; says what to do.
    """
    return _MAKERS[type(section)](section, tools)


def _ldap(section: LdapSource, tools: Tools) -> Directory:
    from sams.identity.sources.ldap.directory import LdapDirectory

    return LdapDirectory(section, tools.secret(section.bind_password_file) or "", tools.clock)


def _sql(section: SqlSource, tools: Tools) -> Directory:
    from sams.identity.sources.sql.directory import SqlDirectory

    return SqlDirectory(section, tools.secret(section.password_file), hashes=tools.hashes, pool=tools.pool)


def _http(section: HttpSource, tools: Tools) -> Directory:
    from sams.identity.sources.web_service import HttpDirectory

    return HttpDirectory(section, tools.secret(section.token_file))


def _dovecot(section: DovecotSource, _: Tools) -> Directory:
    from sams.identity.sources.dovecot import DovecotDirectory

    return DovecotDirectory(section)


def _radius(section: RadiusSource, tools: Tools) -> Directory:
    from sams.identity.sources.radius import RadiusDirectory

    return RadiusDirectory(section, tools.secrets[str(section.secret_file)], tools.name)


def _pam(section: PamSource, tools: Tools) -> Directory:
    from sams.identity.sources.pam.directory import PamDirectory

    return PamDirectory(section, tools.pam)


def _oauth(section: OauthSource, tools: Tools) -> Directory:
    from sams.identity.sources.oauth.directory import OauthDirectory

    secret = tools.secret(section.client_secret_file)
    return OauthDirectory(section, secret, forms=tools.forms, clock=tools.clock)


def _kerberos(section: KerberosSource, tools: Tools) -> Directory:
    from sams.identity.sources.kerberos.directory import KerberosDirectory

    return KerberosDirectory(section, tools.name)


_MAKERS: Mapping[type, Callable[..., Directory]] = {
    LdapSource: _ldap,
    SqlSource: _sql,
    HttpSource: _http,
    DovecotSource: _dovecot,
    RadiusSource: _radius,
    PamSource: _pam,
    OauthSource: _oauth,
    KerberosSource: _kerberos,
}
