"""How the servers of an LDAP source are named, and what must hold between the keys of one."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from sams.config.findings import Findings
from sams.config.kinds import Unfit
from sams.config.places import Address, Domain
from sams.config.positions import KeyPath
from sams.config.sources import LdapSource
from sams.protocol.ldap import names
from sams.protocol.ldap.filters import Filter, FilterError

PLACES = frozenset({"user", "domain", "address", "login"})
"""What may stand in braces in `filter` and `user_dn`."""
WHO = frozenset({"user", "address", "login"})
"""Those that tell one member from another."""

_FORMS = {"ldap": 389, "ldaps": 636}
_URL = re.compile(r"(ldaps?|ldapi)://([^?#\s]*)\Z", re.IGNORECASE)
_PLACE = re.compile(r"\{([^{}]*)\}")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")
_NO_URL = "write ldaps://HOST, ldap://HOST or ldapi:///PATH, with :PORT behind the host if need be"


class LdapServer(NamedTuple):
    """A server as the configuration names it.

    host: empty for a socket of this machine. path: that socket, else empty.
    is_tls: TLS from the first octet. text: as it was written, for people.
    """

    host: str
    port: int
    path: str
    is_tls: bool
    text: str

    @property
    def is_here(self) -> bool:
        """Whether what is sent there stays on this machine."""
        return bool(self.path) or self.host == "localhost" or _is_loopback(self.host)


def ldap_server(text: str) -> LdapServer:
    """The server that a URL names.

    Raises:
        Unfit: it names none.
    """
    url = _URL.match(text)
    if url is None:
        raise Unfit(_NO_URL)
    scheme, rest = url[1].lower(), url[2]
    if scheme == "ldapi":
        return LdapServer("", 0, _socket_path(rest), is_tls=False, text=text)
    host, port = _host_and_port(rest.removesuffix("/"))
    return LdapServer(host, port or _FORMS[scheme], "", is_tls=scheme == "ldaps", text=text)


def check_ldap(source: LdapSource, path: KeyPath, findings: Findings) -> None:
    """All checks of this file."""
    _check_servers(source, path, findings)
    _check_service(source, path, findings)
    _check_names(source, path, findings)
    _check_filter(source, path, findings)
    _check_user_dn(source, path, findings)
    _check_attributes(source, path, findings)


def _socket_path(text: str) -> str:
    path = unquote(text)
    if not path.startswith("/"):
        raise Unfit("a socket is a full path: write ldapi:///run/slapd/ldapi")
    return path


def _host_and_port(text: str) -> tuple[str, int]:
    """The port is 0 where none is named."""
    here = Path("/")
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", text)
    plain = re.fullmatch(r"([^\[\]:/@]+)(?::(\d{1,5}))?", text)
    found = bracketed or plain
    if found is None or (found[2] and not 0 < int(found[2]) < 65_536):
        raise Unfit(_NO_URL)
    host = Address().read(found[1], here) if bracketed else _host(found[1], here)
    return host, int(found[2] or 0)


def _host(text: str, here: Path) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return Domain().read(text, here)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_servers(source: LdapSource, path: KeyPath, findings: Findings) -> None:
    for text in source.servers:
        try:
            server = ldap_server(text)
        except Unfit as error:
            findings.problem((*path, "servers"), f'"{text}": {error}')
            continue
        if source.security == "none" and not server.is_tls and not server.is_here:
            wrong = f'"{text}" is another machine: passwords would go there in clear; write "starttls" or ldaps://'
            findings.problem((*path, "security"), wrong)
        if source.security == "tls" and not server.is_tls and not server.path:
            findings.problem((*path, "security"), f'with "tls", "{text}" has to begin with ldaps://')


def _check_service(source: LdapSource, path: KeyPath, findings: Findings) -> None:
    if not source.base and not source.user_dn:
        text = "name where to search for members, or set user_dn: else nobody can be found"
        findings.problem((*path, "base"), text)
    if source.bind_dn and source.bind_password_file is None:
        text = "bind_dn needs a password: name the file that holds it"
        findings.problem((*path, "bind_password_file"), text)
    if source.bind_password_file and not source.bind_dn:
        findings.problem((*path, "bind_dn"), "a password needs a name")
    if source.bind_dn and not source.base:
        findings.problem((*path, "bind_dn"), "it is the name to search with: set base, too")


def _check_names(source: LdapSource, path: KeyPath, findings: Findings) -> None:
    for key in ("base", "group", "group_base"):
        name = getattr(source, key)
        if name and not names.is_name(name):
            text = f'"{name}" is no distinguished name, such as "ou=people,dc=example,dc=ac,dc=uk"'
            findings.problem((*path, key), text)
    if source.group_base and not source.group:
        findings.problem((*path, "group_base"), "it has a meaning with group only")


def _check_filter(source: LdapSource, path: KeyPath, findings: Findings) -> None:
    if not source.filter:
        return
    try:
        Filter(source.filter, PLACES)
    except FilterError as error:
        findings.problem((*path, "filter"), f"it is no filter: {error}")
        return
    if not WHO & set(_PLACE.findall(source.filter)):
        text = "it finds the same for everybody: {user}, {address} or {login} has to stand in it"
        findings.problem((*path, "filter"), text)
    if not source.base:
        findings.problem((*path, "filter"), "nothing is searched for without base")


def _check_user_dn(source: LdapSource, path: KeyPath, findings: Findings) -> None:
    places = set(_PLACE.findall(source.user_dn))
    if not source.user_dn:
        return
    if unknown := places - PLACES:
        text = f"{{{min(unknown)}}} is none of {{user}}, {{domain}}, {{address}} and {{login}}"
        findings.problem((*path, "user_dn"), text)
    elif not places & WHO:
        text = "it is the same for everybody: {user}, {address} or {login} has to stand in it"
        findings.problem((*path, "user_dn"), text)
    if not names.is_name(source.user_dn) and not source.base and (source.group or source.send_as_attributes):
        text = "by a name of this form no entry can be read, and so no group or attribute: set base, too"
        findings.problem((*path, "user_dn"), text)


def _check_attributes(source: LdapSource, path: KeyPath, findings: Findings) -> None:
    keys = {
        "login_attribute": (source.login_attribute,) if source.login_attribute else (),
        "address_attributes": source.address_attributes,
        "send_as_attributes": source.send_as_attributes,
    }
    for key, attributes in keys.items():
        for attribute in attributes:
            if not _ATTRIBUTE.match(attribute):
                findings.problem((*path, key), f'"{attribute}" is no name of an attribute, such as "mail"')
