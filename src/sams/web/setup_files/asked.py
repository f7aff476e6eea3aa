"""Whose settings are asked for, and how the answer looks."""

from __future__ import annotations

import msgspec

from sams.config.offered import MailServer
from sams.core.address import AddressError, Mailbox, domain_key, parse_mailbox
from sams.core.text import is_visible, visible
from sams.web.site import Site

LONGEST_NAME = 100
"""Characters of a person's name."""


class SetupFile(msgspec.Struct, frozen=True):
    """What a program is given. media_type: with its charset, where it has one."""

    media_type: str
    octets: bytes


class Refused(Exception):
    """There is no file for this request. status: of HTTP. text: says why and what to do, for people, on one line."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def asked_address(site: Site, text: str) -> Mailbox | None:
    """The address in a request; None where there is none. Whether somebody has it is not looked at.

    Raises:
        Refused: it is no address, or in no domain of the organisation.
    """
    text = text.strip()
    if not text:
        return None
    try:
        mailbox = parse_mailbox(text)
        domain = domain_key(mailbox.domain)
    except AddressError as error:
        raise Refused(400, f"This is no mail address: {error}.") from None
    if domain not in site.domains:
        known = ", ".join(site.domains[:10])
        shown = visible(mailbox.domain, 100)
        raise Refused(404, f"{shown} is no mail domain of this service. Its domains: {known}.")
    return mailbox


def asked_name(text: str) -> str:
    """A person's name in a request, as it may stand in a file.

    Raises:
        Refused: it is too long, or has control characters.
    """
    text = text.strip()
    if len(text) > LONGEST_NAME:
        raise Refused(400, f"The name is longer than {LONGEST_NAME} characters.")
    if not is_visible(text):
        raise Refused(400, "The name has a control or invisible character.")
    return text


def user_name(server: MailServer, mailbox: Mailbox | None) -> str:
    """What the owner of the address types as user name there; empty where it does not follow from the address."""
    if mailbox is None:
        return ""
    return {"address": str(mailbox), "local-part": mailbox.local, "login": ""}[server.user_name]


def shares_sign_in(site: Site) -> bool:
    """Whether incoming and outgoing mail are signed in to alike, as far as the configuration tells."""
    return bool(site.incoming) and site.incoming[0].user_name == site.outgoing[0].user_name
