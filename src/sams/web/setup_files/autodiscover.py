"""Microsoft's Autodiscover in XML (POX, MS-OXDSCLI): read by Outlook for Windows, and by Thunderbird at last.

Outlook takes settings of IMAP or POP3 and SMTP in the schema `outlook/responseschema/2006a` ("Plan to automatically
configure user accounts in Outlook 2010", section "The Autodiscover XML schema"). Errors are answers as well, with
status 200 as from Exchange: on any other status programs go on to the next place and never read what is said.
"""

from __future__ import annotations

import binascii
import datetime as dt
from typing import Final
from xml.etree import ElementTree as ET

from sams.config.offered import MailServer
from sams.core.address import Mailbox
from sams.web.setup_files import xml
from sams.web.setup_files.asked import Refused, SetupFile, asked_address, shares_sign_in, user_name
from sams.web.setup_files.autodiscover_request import NoRequest, read_request
from sams.web.site import Site

_BASE: Final = "http://schemas.microsoft.com/exchange/autodiscover"
RESPONSE: Final = f"{_BASE}/responseschema/2006"
OUTLOOK: Final = f"{_BASE}/outlook/responseschema/2006a"
_TYPES: Final = {"imap": "IMAP", "pop3": "POP3", "smtp": "SMTP"}
_ENCRYPTION: Final = {"implicit": "SSL", "starttls": "TLS"}

NO_SUCH_ADDRESS: Final = 500
INVALID_REQUEST: Final = 600
NO_SUCH_SCHEMA: Final = 601
"""Error codes of MS-OXDSCLI section 2.2.4.1.1.3.2."""


def answer_request(site: Site, octets: bytes, now: dt.datetime) -> SetupFile:
    """The answer to what was posted, be it an error. now: in UTC."""
    try:
        request = read_request(octets)
    except NoRequest as error:
        return autodiscover_error(site, INVALID_REQUEST, f"Invalid Request: {error}", now)
    if request.schema != OUTLOOK:
        return autodiscover_error(site, NO_SUCH_SCHEMA, f"The only response schema here is {OUTLOOK}", now)
    try:
        mailbox = asked_address(site, request.address)
    except Refused as refused:
        return autodiscover_error(site, NO_SUCH_ADDRESS, refused.text, now)
    if mailbox is None:
        return autodiscover_error(
            site, NO_SUCH_ADDRESS, "Ask by EMailAddress; there are no LegacyDNs here.", now
        )
    return autodiscover(site, mailbox)


def autodiscover(site: Site, mailbox: Mailbox) -> SetupFile:
    """The settings for an address. Of several ways to submit, the best one: Outlook is told of no second."""
    root = ET.Element("Autodiscover", {"xmlns": RESPONSE})
    response = ET.SubElement(root, "Response", {"xmlns": OUTLOOK})
    account = ET.SubElement(response, "Account")
    xml.add(account, "AccountType", "email")
    xml.add(account, "Action", "settings")
    for server in (*site.incoming, site.outgoing[0]):
        protocol = _add_protocol(account, server, mailbox)
        if server.kind == "smtp":
            xml.add(protocol, "UsePOPAuth", "on" if shares_sign_in(site) else "off")
            xml.add(protocol, "SMTPLast", "off")
    return SetupFile(xml.MEDIA_TYPE, xml.octets(root))


def autodiscover_error(site: Site, code: int, message: str, now: dt.datetime) -> SetupFile:
    """An error in the form of the schema. message: for people."""
    root = ET.Element("Autodiscover", {"xmlns": RESPONSE})
    response = ET.SubElement(root, "Response")
    identity = str(binascii.crc32(site.server_name.encode()))
    error = ET.SubElement(response, "Error", {"Time": f"{now:%H:%M:%S.%f}", "Id": identity})
    xml.add(error, "ErrorCode", str(code))
    xml.add(error, "Message", message)
    ET.SubElement(error, "DebugData")
    return SetupFile(xml.MEDIA_TYPE, xml.octets(root))


def explain_get(site: Site, now: dt.datetime) -> SetupFile:
    """What a browser sees: Exchange's own error, by which administrators know that all is in place."""
    text = (
        "Invalid Request: Autodiscover answers mail programs, which POST here. "
        f"For people, the settings are at {site.url}/"
    )
    return autodiscover_error(site, INVALID_REQUEST, text, now)


def _add_protocol(account: ET.Element, server: MailServer, mailbox: Mailbox) -> ET.Element:
    protocol = ET.SubElement(account, "Protocol")
    xml.add(protocol, "Type", _TYPES[server.kind])
    xml.add(protocol, "Server", server.host)
    xml.add(protocol, "Port", str(server.port))
    name = user_name(server, mailbox)
    if name:
        xml.add(protocol, "LoginName", name)
    xml.add(protocol, "DomainRequired", "off")
    xml.add(protocol, "SPA", "off")
    xml.add(protocol, "SSL", "on")
    xml.add(protocol, "Encryption", _ENCRYPTION[server.security])
    xml.add(protocol, "AuthRequired", "on")
    return protocol
