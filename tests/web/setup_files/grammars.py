"""What set-up files must be, written down anew from the documents that define them.

- `AUTOCONFIG`: draft-ietf-mailmaint-autoconfig, section 3, and its RELAX NG schema; stricter than that one, which
  lets programs pass over what they do not know: nothing unknown is allowed here.
- `AUTODISCOVER`: Microsoft's "Plan to automatically configure user accounts in Outlook 2010" (The Autodiscover XML
  schema) and MS-OXDSCLI section 2.2.4, each value as it is defined there.
- `AUTODISCOVER_ERROR`: MS-ASCMD section 6.4 and MS-OXDSCLI section 2.2.4.1.1.3.

An element's rule: its attributes (name to pattern), its children in this order with how often they may stand there,
or the pattern of its text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

HOST = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
PORT = r"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
ONE, MAYBE, MANY, ANY = (1, 1), (0, 1), (1, 1000), (0, 1000)


@dataclass(frozen=True)
class Rule:
    text: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple[tuple[str, tuple[int, int], Rule], ...] = ()


def parse(octets: bytes) -> ET.Element:
    """The root of a document that we made."""
    return ET.fromstring(octets)  # noqa: S314 - it is ours


def check(element: ET.Element, name: str, rule: Rule) -> None:
    """Fails at what breaks the rule, and says where."""
    assert element.tag == name, f"{element.tag} stands where {name} belongs"
    assert element.attrib.keys() == rule.attributes.keys(), f"{name} has attributes {element.attrib}"
    for attribute, pattern in rule.attributes.items():
        assert re.fullmatch(pattern, element.attrib[attribute]), (
            f"{name} {attribute}={element.attrib[attribute]!r}"
        )
    text = element.text or ""
    assert re.fullmatch(rule.text if not rule.children else r"\s*", text), f"{name} holds {text!r}"
    rest = list(element)
    for child, (least, most), inner in rule.children:
        count = 0
        while rest and rest[0].tag == child:
            check(rest.pop(0), child, inner)
            count += 1
        assert least <= count <= most, f"{name} has {count} times {child}"
    assert not rest, f"{name} has {rest[0].tag}, which is unknown or out of order"


def _server(kinds: str) -> Rule:
    return Rule(
        attributes={"type": kinds},
        children=(
            ("hostname", ONE, Rule(HOST)),
            ("port", ONE, Rule(PORT)),
            ("socketType", ONE, Rule("SSL|STARTTLS")),
            ("authentication", MANY, Rule("password-cleartext")),
            ("username", ONE, Rule("%EMAILADDRESS%|%EMAILLOCALPART%")),
        ),
    )


AUTOCONFIG = Rule(
    attributes={"version": r"1\.1"},
    children=(
        (
            "emailProvider",
            ONE,
            Rule(
                attributes={"id": HOST},
                children=(
                    ("domain", MANY, Rule(HOST)),
                    ("displayName", ONE, Rule(r".{1,60}")),
                    ("displayShortName", ONE, Rule(r".{1,20}")),
                    ("incomingServer", ANY, _server("imap|pop3")),
                    ("outgoingServer", MANY, _server("smtp")),
                    (
                        "documentation",
                        ANY,
                        Rule(
                            attributes={"url": r"https?://\S+"},
                            children=(("descr", MANY, Rule(r".+", attributes={"lang": "[a-z]{2}"})),),
                        ),
                    ),
                ),
            ),
        ),
    ),
)

_RESPONSE = "{http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006}"
_OUTLOOK = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
_SWITCH = Rule("on|off")
_PROTOCOL = Rule(
    children=(
        (f"{_OUTLOOK}Type", ONE, Rule("IMAP|POP3|SMTP")),
        (f"{_OUTLOOK}Server", ONE, Rule(HOST)),
        (f"{_OUTLOOK}Port", ONE, Rule(PORT)),
        (f"{_OUTLOOK}LoginName", MAYBE, Rule(r".+")),
        (f"{_OUTLOOK}DomainRequired", ONE, Rule("off")),
        (f"{_OUTLOOK}SPA", ONE, Rule("off")),
        (f"{_OUTLOOK}SSL", ONE, Rule("on")),
        (f"{_OUTLOOK}Encryption", ONE, Rule("SSL|TLS")),
        (f"{_OUTLOOK}AuthRequired", ONE, Rule("on")),
        (f"{_OUTLOOK}UsePOPAuth", MAYBE, _SWITCH),
        (f"{_OUTLOOK}SMTPLast", MAYBE, Rule("off")),
    )
)
AUTODISCOVER = Rule(
    children=(
        (
            f"{_OUTLOOK}Response",
            ONE,
            Rule(
                children=(
                    (
                        f"{_OUTLOOK}Account",
                        ONE,
                        Rule(
                            children=(
                                (f"{_OUTLOOK}AccountType", ONE, Rule("email")),
                                (f"{_OUTLOOK}Action", ONE, Rule("settings")),
                                (f"{_OUTLOOK}Protocol", MANY, _PROTOCOL),
                            )
                        ),
                    ),
                )
            ),
        ),
    )
)
AUTODISCOVER_ERROR = Rule(
    children=(
        (
            f"{_RESPONSE}Response",
            ONE,
            Rule(
                children=(
                    (
                        f"{_RESPONSE}Error",
                        ONE,
                        Rule(
                            attributes={"Time": r"\d\d:\d\d:\d\d\.\d+", "Id": r"\d+"},
                            children=(
                                (f"{_RESPONSE}ErrorCode", ONE, Rule("500|501|600|601|602|603")),
                                (f"{_RESPONSE}Message", ONE, Rule(r".+")),
                                (f"{_RESPONSE}DebugData", ONE, Rule("")),
                            ),
                        ),
                    ),
                )
            ),
        ),
    )
)
AUTODISCOVER_NAME = f"{_RESPONSE}Autodiscover"
