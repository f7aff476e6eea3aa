"""How Thunderbird 153 reads what it fetches, in Python.

From what its modules do: `readFromXML`, `InputSanitizer` and `hostnameUtils` for autoconfig, `ExchangeAutoDiscover`
for Autodiscover. `tests/interop/test_thunderbird.py` has the program itself read the same files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from tests.web.setup_files.grammars import parse

_HOST = re.compile(
    r"(([a-z0-9]|[a-z0-9][a-z0-9\-]{0,61}[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9\-]{0,61}[a-z0-9])\.?",
    re.IGNORECASE,
)
_SOCKET_TYPES = {"plain", "SSL", "STARTTLS"}
_METHODS = {"password-cleartext", "plain", "password-encrypted", "secure", "GSSAPI", "NTLM"}
_OUTLOOK = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"


class NotTaken(Exception):
    """Thunderbird takes no settings from it."""


@dataclass(frozen=True)
class Found:
    """A server as Thunderbird will use it."""

    kind: str
    host: str
    port: int
    socket_type: str
    user_name: str


@dataclass(frozen=True)
class Account:
    """All that it found. incoming, outgoing: the one that it uses comes first."""

    name: str
    incoming: tuple[Found, ...]
    outgoing: tuple[Found, ...]


def read_autoconfig(octets: bytes) -> Account:
    provider = parse(octets).find("emailProvider")
    if provider is None:
        raise NotTaken("no emailProvider")
    _host(provider.get("id"))
    if not [domain.text for domain in provider.findall("domain") if _host(domain.text)]:
        raise NotTaken("need proper <domain> in XML")
    incoming = _servers(provider, "incomingServer", {"pop3", "imap", "nntp", "exchange"})
    if not incoming:
        raise NotTaken("Need proper <incomingServer> in XML file")
    outgoing = _servers(provider, "outgoingServer", {"smtp"})
    if not outgoing:
        raise NotTaken("Need proper <outgoingServer> in XML file")
    return Account(provider.findtext("displayName", ""), incoming, outgoing)


def read_autodiscover(octets: bytes) -> Account:
    """It knows Encryption as on or off alone, and goes by the port for the rest."""
    protocols = parse(octets).findall(f"{_OUTLOOK}Response/{_OUTLOOK}Account/{_OUTLOOK}Protocol")
    found = [_protocol(protocol) for protocol in protocols]
    incoming = tuple(one for one in found if one.kind != "smtp")
    outgoing = tuple(one for one in found if one.kind == "smtp")
    if not incoming or not outgoing:
        raise NotTaken("Only an incomplete config found")
    return Account("", incoming, outgoing)


def _servers(provider: ET.Element, name: str, kinds: set[str]) -> tuple[Found, ...]:
    """One that it cannot read is passed over."""
    found = []
    for element in provider.findall(name):
        kind, user = element.get("type", ""), element.findtext("username")
        socket_type = next(
            (one.text for one in element.findall("socketType") if one.text in _SOCKET_TYPES), None
        )
        methods = [one.text for one in element.findall("authentication") if one.text in _METHODS]
        if kind in kinds and socket_type and methods:
            port = int(element.findtext("port", ""))
            assert 1 <= port <= 65_535
            host = _host(element.findtext("hostname"))
            found.append(Found(kind, host, port, socket_type, "undefined" if user is None else user))
    return tuple(found)


def _protocol(element: ET.Element) -> Found:
    port = int(element.findtext(f"{_OUTLOOK}Port", ""))
    off = element.findtext(f"{_OUTLOOK}SSL") == "off" or element.findtext(f"{_OUTLOOK}Encryption") == "None"
    by_port = "STARTTLS" if port in {143, 110, 25, 587} else "SSL"
    return Found(
        element.findtext(f"{_OUTLOOK}Type", "").lower(),
        _host(element.findtext(f"{_OUTLOOK}Server")),
        port,
        "plain" if off else by_port,
        element.findtext(f"{_OUTLOOK}LoginName") or "%EMAILADDRESS%",
    )


def _host(text: str | None) -> str:
    name = (text or "").strip()
    if len(name) > 255 or not _HOST.fullmatch(name):
        raise NotTaken(f"hostname-syntax-error: {name!r}")
    return name.lower()
