"""Microsoft's Autodiscover V2: JSON that says where a protocol is. All that is here is the Autodiscover of before.

There is no specification; what is answered is what Exchange Server answers to the same requests. IMAP, POP3 and SMTP
are no protocols of it.
"""

from __future__ import annotations

import json
from typing import Final

from sams.core.text import visible
from sams.web.setup_files.asked import Refused, SetupFile, asked_address
from sams.web.site import Site

_MEDIA_TYPE: Final = "application/json; charset=utf-8"
_PROTOCOL: Final = "AutodiscoverV1"


class JsonAnswer(SetupFile, frozen=True):
    """An answer with its status of HTTP."""

    status: int = 200


def autodiscover_json(site: Site, address: str, protocol: str) -> JsonAnswer:
    """The answer to a request for an address and a protocol, each as it was given; empty: not at all."""
    for name, value in (("Protocol", protocol), ("Email", address)):
        if not value.strip():
            text = f"A valid value must be provided for the query parameter '{name}'"
            return _error(400, "MandatoryParameterMissing", text)
    if protocol.lower() != _PROTOCOL.lower():
        shown = visible(protocol, 50)
        text = f"The given protocol value '{shown}' is invalid. Supported values are '{_PROTOCOL}'"
        return _error(400, "InvalidProtocol", text)
    try:
        asked_address(site, address)
    except Refused as refused:
        return _error(refused.status, "UserNotFound", refused.text)
    return _json(200, {"Protocol": _PROTOCOL, "Url": f"{site.url}/autodiscover/autodiscover.xml"})


def _error(status: int, code: str, text: str) -> JsonAnswer:
    return _json(status, {"ErrorCode": code, "ErrorMessage": text})


def _json(status: int, value: dict[str, str]) -> JsonAnswer:
    return JsonAnswer(_MEDIA_TYPE, json.dumps(value).encode(), status)
