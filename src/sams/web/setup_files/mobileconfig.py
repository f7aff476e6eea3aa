"""Apple's configuration profile with a mail account (`com.apple.mail.managed`), for Mail on macOS, iOS and visionOS.

Keys and their types: Apple's device management schema (`mdm/profiles/`: `com.apple.mail.managed`, `TopLevel`). An
account without incoming server is none there. The password is never in it: the system asks for it.
"""

from __future__ import annotations

import plistlib
import uuid
from typing import Final

from sams.config.offered import MailServer
from sams.core.address import Mailbox
from sams.web.setup_files.asked import Refused, SetupFile, shares_sign_in, user_name
from sams.web.setup_files.signing import signed
from sams.web.setup_files.words import PROFILE_DESCRIPTION, PROFILE_NAME, said
from sams.web.site import Site

_MEDIA_TYPE: Final = "application/x-apple-aspen-config"
_ACCOUNT_TYPES: Final = {"imap": "EmailTypeIMAP", "pop3": "EmailTypePOP"}
_SCHEME: Final = "urn:sams:mobileconfig"


def mobileconfig(site: Site, mailbox: Mailbox | None, name: str = "", language: str = "") -> SetupFile:
    """The profile for an address, signed where a certificate can sign.

    mailbox: None: the system asks for the address, and for the user name. name: the person's, empty: not said.
    language: of the texts; empty: the site's first.

    Raises:
        Refused: the organisation names no incoming server.
    """
    if not site.incoming:
        text = (
            "Apple Mail takes a profile only with an incoming mail server, and this service knows of none. "
            f"Set up the outgoing server by hand: {site.url}/"
        )
        raise Refused(404, text)
    profile = _profile(site, mailbox, name, language or site.languages[0])
    return SetupFile(_MEDIA_TYPE, signed(plistlib.dumps(profile), site.certificates))


def file_name(site: Site) -> str:
    """How the browser is to call the file; safe in a header field, for a domain is ASCII without quotes."""
    return f"{site.domains[0]}.mobileconfig"


def _profile(site: Site, mailbox: Mailbox | None, name: str, language: str) -> dict[str, object]:
    incoming, outgoing = site.incoming[0], site.outgoing[0]
    texts = {"name": site.brand.name, "incoming": incoming.host, "outgoing": outgoing.host}
    return {
        **_head(site, mailbox, "Configuration"),
        "PayloadDisplayName": said(PROFILE_NAME, language).format_map(texts),
        "PayloadDescription": said(PROFILE_DESCRIPTION, language).format_map(texts),
        "PayloadOrganization": site.brand.name,
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [
            {
                **_head(site, mailbox, "com.apple.mail.managed"),
                "PayloadDisplayName": said(PROFILE_NAME, language).format_map(texts),
                "EmailAccountDescription": site.brand.short_name,
                "EmailAccountType": _ACCOUNT_TYPES[incoming.kind],
                **({"EmailAccountName": name} if name else {}),
                **({"EmailAddress": str(mailbox)} if mailbox else {}),
                **_server("Incoming", incoming, mailbox),
                **_server("Outgoing", outgoing, mailbox),
                "OutgoingPasswordSameAsIncomingPassword": shares_sign_in(site),
            }
        ],
    }


def _head(site: Site, mailbox: Mailbox | None, payload_type: str) -> dict[str, object]:
    """Named by server and address alone, so that a second profile takes the place of the first."""
    owner = mailbox.key if mailbox else ""
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{_SCHEME}:{payload_type}:{site.server_name}:{owner}")
    backwards = ".".join(reversed(site.server_name.split(".")))
    return {
        "PayloadType": payload_type,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{backwards}.mail.{identity}",
        "PayloadUUID": str(identity).upper(),
    }


def _server(way: str, server: MailServer, mailbox: Mailbox | None) -> dict[str, object]:
    """UseSSL is TLS from the start or STARTTLS: Mail goes by what the port offers, and demands one of them."""
    name = user_name(server, mailbox)
    return {
        f"{way}MailServerAuthentication": "EmailAuthPassword",
        f"{way}MailServerHostName": server.host,
        f"{way}MailServerPortNumber": server.port,
        f"{way}MailServerUseSSL": True,
        **({f"{way}MailServerUsername": name} if name else {}),
    }
