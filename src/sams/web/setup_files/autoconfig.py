"""Mozilla's autoconfig (draft-ietf-mailmaint-autoconfig): read by Thunderbird, K-9, Evolution, KMail, FairEmail.

The file is the same for every address: programs put the address in place of `%EMAILADDRESS%`. One without an
incoming server is sound by the draft and of use to programs that look at each server alone; Thunderbird and K-9 take
it for none.
"""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree as ET

from sams.config.offered import MailServer
from sams.config.web import UserName
from sams.core.address import Mailbox
from sams.web.setup_files import xml
from sams.web.setup_files.asked import SetupFile
from sams.web.setup_files.words import DOCUMENTATION, said
from sams.web.site import Site

_VERSION: Final = "1.1"
"""Nothing in the file is newer; the draft calls it compatible with its own 1.2."""
_LONGEST_NAME: Final = 60
_LONGEST_SHORT_NAME: Final = 20
"""What displayName and displayShortName may have at most."""
_SOCKET_TYPES: Final = {"implicit": "SSL", "starttls": "STARTTLS"}
_PLACEHOLDERS: Final[dict[UserName, str]] = {
    "address": "%EMAILADDRESS%",
    "local-part": "%EMAILLOCALPART%",
    "login": "%EMAILADDRESS%",
}
"""A login does not follow from the address, and there is no way to say that: Thunderbird would type `undefined` for a
missing name. The address is what it shows for the member to correct."""


def autoconfig(site: Site, mailbox: Mailbox | None = None) -> SetupFile:
    """`config-v1.1.xml`.

    mailbox: whose settings are asked for; programs fill it in themselves, so that it makes no difference.
    """
    del mailbox
    root = ET.Element("clientConfig", {"version": _VERSION})
    provider = ET.SubElement(root, "emailProvider", {"id": site.domains[0]})
    for domain in site.domains:
        xml.add(provider, "domain", domain)
    xml.add(provider, "displayName", site.brand.name[:_LONGEST_NAME])
    xml.add(provider, "displayShortName", _short_name(site))
    for server in site.incoming:
        _add_server(provider, "incomingServer", server)
    for server in site.outgoing:
        _add_server(provider, "outgoingServer", server)
    for language in site.languages:
        page = xml.add(provider, "documentation", "", url=f"{site.url}/?lang={language}")
        xml.add(page, "descr", said(DOCUMENTATION, language), lang=language)
    return SetupFile(xml.MEDIA_TYPE, xml.octets(root))


def _short_name(site: Site) -> str:
    """The organisation's short name, or its domain where that one is too long: better than a part of a word."""
    whole = (name for name in (site.brand.short_name, site.domains[0]) if len(name) <= _LONGEST_SHORT_NAME)
    return next(whole, site.brand.short_name[:_LONGEST_SHORT_NAME])


def _add_server(provider: ET.Element, name: str, server: MailServer) -> None:
    element = ET.SubElement(provider, name, {"type": server.kind})
    xml.add(element, "hostname", server.host)
    xml.add(element, "port", str(server.port))
    xml.add(element, "socketType", _SOCKET_TYPES[server.security])
    xml.add(element, "authentication", "password-cleartext")
    xml.add(element, "username", _PLACEHOLDERS[server.user_name])
