"""The keys of Apple's profiles: type, whether it is needed, and values.

From Apple's device management schema, `mdm/profiles/TopLevel.yaml` and `mdm/profiles/com.apple.mail.managed.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_AUTHENTICATION = "EmailAuth(None|Password|CRAMMD5|NTLM|HTTPMD5)"
_UUID = r"[0-9A-Za-z]{8}(-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}"
Key = tuple[type, bool, str]
_HEAD: Mapping[str, Key] = {
    "PayloadIdentifier": (str, True, r"[A-Za-z0-9.-]+"),
    "PayloadUUID": (str, True, _UUID),
    "PayloadVersion": (int, True, "1"),
    "PayloadDisplayName": (str, False, ".+"),
    "PayloadDescription": (str, False, ".+"),
    "PayloadOrganization": (str, False, ".+"),
}
TOP: Mapping[str, Key] = {
    **_HEAD,
    "PayloadType": (str, True, "Configuration"),
    "PayloadContent": (list, True, ""),
    "PayloadRemovalDisallowed": (bool, False, "False"),
}
MAIL: Mapping[str, Key] = {
    **_HEAD,
    "PayloadType": (str, True, r"com\.apple\.mail\.managed"),
    "EmailAccountDescription": (str, False, ".+"),
    "EmailAccountName": (str, False, ".+"),
    "EmailAccountType": (str, True, "EmailType(IMAP|POP)"),
    "EmailAddress": (str, False, ".+@.+"),
    "IncomingMailServerAuthentication": (str, True, _AUTHENTICATION),
    "IncomingMailServerHostName": (str, True, r"[a-z0-9.-]+"),
    "IncomingMailServerPortNumber": (int, False, r"\d+"),
    "IncomingMailServerUseSSL": (bool, False, "True"),
    "IncomingMailServerUsername": (str, False, ".+"),
    "OutgoingMailServerAuthentication": (str, True, _AUTHENTICATION),
    "OutgoingMailServerHostName": (str, True, r"[a-z0-9.-]+"),
    "OutgoingMailServerPortNumber": (int, False, r"\d+"),
    "OutgoingMailServerUseSSL": (bool, False, "True"),
    "OutgoingMailServerUsername": (str, False, ".+"),
    "OutgoingPasswordSameAsIncomingPassword": (bool, False, "True|False"),
}
"""Without `IncomingPassword` and `OutgoingPassword`, which may stand in encrypted profiles only."""


def check_keys(payload: Mapping[str, object], keys: Mapping[str, Key]) -> None:
    """Fails at a key that is unknown, of another type, missing, or has another value."""
    assert payload.keys() <= keys.keys()
    for name, (kind, needed, pattern) in keys.items():
        if name not in payload:
            assert not needed, f"{name} is missing"
            continue
        value = payload[name]
        assert type(value) is kind, f"{name} is {value!r}"
        assert kind is list or re.fullmatch(pattern, str(value)), f"{name} is {value!r}"
