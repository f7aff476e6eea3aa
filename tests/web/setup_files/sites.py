"""Sites for the tests of set-up files, and what programs ask."""

from __future__ import annotations

from typing import Any

from sams.config.offered import MailServer
from sams.web.setup_files.autodiscover import OUTLOOK
from sams.web.site import Brand, Site

SUBMISSIONS = MailServer("smtp", "smtp-auth.example.ac.uk", 465, "implicit")
SUBMISSION = MailServer("smtp", "smtp-auth.example.ac.uk", 587, "starttls")
IMAP = MailServer("imap", "imap.example.ac.uk", 993, "implicit")
POP3 = MailServer("pop3", "pop.example.ac.uk", 110, "starttls")


def site(**fields: Any) -> Site:
    """A university's site; `fields` are others than usual."""
    usual: dict[str, Any] = {
        "server_name": "smtp-auth.example.ac.uk",
        "version": "1.0",
        "url": "https://smtp-auth.example.ac.uk",
        "domains": ("example.ac.uk", "xn--mnchen-3ya.example"),
        "outgoing": (SUBMISSIONS, SUBMISSION),
        "incoming": (IMAP,),
        "brand": Brand("University of <Example> & Sons", "Example"),
        "data_dir": "/nonexistent",
    }
    return Site(**{**usual, **fields})


_REQUEST = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>{address}</EMailAddress>
    <AcceptableResponseSchema>{schema}</AcceptableResponseSchema>
  </Request>
</Autodiscover>
"""


def request(address: str = "alice@example.ac.uk", schema: str = OUTLOOK) -> bytes:
    """Of Autodiscover."""
    return _REQUEST.format(address=address, schema=schema).encode()
