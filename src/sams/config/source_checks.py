"""What must hold between the keys of a source of accounts, and how the values of some of them are read."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from sams.config.findings import Findings
from sams.config.kinds import Unfit
from sams.config.ldap_checks import check_ldap
from sams.config.places import HostPort, NextHop
from sams.config.positions import KeyPath
from sams.config.realm_checks import check_kerberos
from sams.config.source_addresses import check_http, check_oauth, check_sql
from sams.config.sources import (
    AccountSource,
    DovecotSource,
    HttpSource,
    KerberosSource,
    LdapSource,
    OauthSource,
    RadiusSource,
    SqlSource,
)

REQUIRABLE = ("Class", "Filter-Id")
"""The attributes that `require_attribute` may name."""

_NO_SOCKET = "it is neither a path, such as /run/dovecot/auth-sams, nor an address such as 127.0.0.1:12345"
_NOT_HERE = "passwords go there in clear: it has to be an address of this machine, such as 127.0.0.1:12345"


def check_sources(sources: tuple[AccountSource, ...], findings: Findings) -> None:
    """All checks of this file."""
    for at, source in enumerate(sources):
        path: KeyPath = ("accounts", "source", at)
        if isinstance(source, DovecotSource):
            _check_dovecot(source, path, findings)
        if isinstance(source, RadiusSource):
            _check_radius(source, path, findings)
        if isinstance(source, LdapSource):
            check_ldap(source, path, findings)
        if isinstance(source, SqlSource):
            check_sql(source, path, findings)
        if isinstance(source, HttpSource):
            check_http(source, path, findings)
        if isinstance(source, OauthSource):
            check_oauth(source, path, findings)
        if isinstance(source, KerberosSource):
            check_kerberos(source, path, findings)


def dovecot_socket(text: str) -> str | HostPort:
    """The socket that a key names: a path, or an address of this machine.

    Raises:
        Unfit: it is neither.
    """
    if text.startswith("/"):
        return text
    try:
        address = NextHop().read(text, Path("/"))
    except Unfit:
        raise Unfit(_NO_SOCKET) from None
    if address.host != "localhost" and not _is_loopback(address.host):
        raise Unfit(_NOT_HERE)
    return address


def required_attribute(text: str) -> tuple[str, str] | None:
    """Name and value of `require_attribute`; None: it is unset.

    Raises:
        Unfit: it has another form.
    """
    name, sign, value = text.partition("=")
    if not text:
        return None
    if name not in REQUIRABLE or not sign or not value:
        raise Unfit(f"write {' or '.join(f'{one}=TEXT' for one in REQUIRABLE)}")
    return name, value


def _check_dovecot(source: DovecotSource, path: KeyPath, findings: Findings) -> None:
    for name, text in (("socket", source.socket), ("user_socket", source.user_socket)):
        try:
            _ = dovecot_socket(text) if text else None
        except Unfit as error:
            findings.problem((*path, name), f'"{text}": {error}')


def _check_radius(source: RadiusSource, path: KeyPath, findings: Findings) -> None:
    try:
        required_attribute(source.require_attribute)
    except Unfit as error:
        findings.problem((*path, "require_attribute"), f'"{source.require_attribute}": {error}')


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
