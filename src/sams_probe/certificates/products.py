"""Who opens TLS on the way: products by the name of the authority that they sign with.

They make such an authority when they are installed and put it among those that the computer trusts, so nothing but
its name gives them away.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Product(NamedTuple):
    """kind: what it is, for a sentence: `virus scanner`."""

    name: str
    kind: str


_SCANNER, _GATEWAY, _FILTER, _TOOL = "virus scanner", "firewall or web gateway", "filter", "inspection tool"
_TABLE = (
    (r"avast", "Avast", _SCANNER),
    (r"avg (?:web|technologies)|avg/mail", "AVG", _SCANNER),
    (r"avira", "Avira", _SCANNER),
    (r"kaspersky", "Kaspersky", _SCANNER),
    (r"\beset\b", "ESET", _SCANNER),
    (r"bitdefender", "Bitdefender", _SCANNER),
    (r"\bnorton\b", "Norton", _SCANNER),
    (r"mcafee", "McAfee", _SCANNER),
    (r"g ?data\b", "G DATA", _SCANNER),
    (r"dr\.? ?web\b|spider (?:gate|mail)", "Dr.Web", _SCANNER),
    (r"\bpanda (?:security|mail|web)", "Panda", _SCANNER),
    (r"bullguard", "BullGuard", _SCANNER),
    (r"f-secure", "F-Secure", _SCANNER),
    (r"trend ?micro", "Trend Micro", _SCANNER),
    (r"quick heal|seqrite", "Quick Heal", _SCANNER),
    (r"zscaler", "Zscaler", _GATEWAY),
    (r"netskope|goskope", "Netskope", _GATEWAY),
    (r"forti(?:net|gate|proxy)", "Fortinet", _GATEWAY),
    (r"sophos|astaro", "Sophos", _GATEWAY),
    (r"palo ?alto", "Palo Alto Networks", _GATEWAY),
    (r"check ?point", "Check Point", _GATEWAY),
    (r"cisco umbrella|opendns|cisco (?:wsa|secure web)|ironport", "Cisco", _GATEWAY),
    (r"blue ?coat|proxysg", "Blue Coat", _GATEWAY),
    (r"barracuda", "Barracuda", _GATEWAY),
    (r"watchguard|fireware", "WatchGuard", _GATEWAY),
    (r"sonicwall", "SonicWall", _GATEWAY),
    (r"forcepoint|websense", "Forcepoint", _GATEWAY),
    (r"iboss\b", "iboss", _GATEWAY),
    (r"menlo security", "Menlo Security", _GATEWAY),
    (r"cato networks", "Cato Networks", _GATEWAY),
    (r"cloudflare.*gateway|gateway ca - cloudflare", "Cloudflare Gateway", _GATEWAY),
    (r"untangle|\barista edge", "Untangle", _GATEWAY),
    (r"smoothwall", "Smoothwall", _GATEWAY),
    (r"pfsense|opnsense|\bsquid\b", "pfSense, OPNsense or Squid", _GATEWAY),
    (r"securly", "Securly", _FILTER),
    (r"lightspeed", "Lightspeed", _FILTER),
    (r"net ?nanny|contentwatch", "Net Nanny", _FILTER),
    (r"qustodio", "Qustodio", _FILTER),
    (r"adguard", "AdGuard", _FILTER),
    (r"covenant eyes", "Covenant Eyes", _FILTER),
    (r"superfish|komodia", "Superfish", _TOOL),
    (r"mitmproxy", "mitmproxy", _TOOL),
    (r"portswigger", "Burp Suite", _TOOL),
    (r"fiddler", "Fiddler", _TOOL),
    (r"charles proxy|xk72", "Charles", _TOOL),
)
_PRODUCTS = tuple((re.compile(pattern, re.IGNORECASE), Product(name, kind)) for pattern, name, kind in _TABLE)
_LOOKED_AT = 1_000


def product_of(issuer: tuple[tuple[str, str], ...]) -> Product | None:
    """The product that an issuer's name belongs to; None: none that is known."""
    text = " / ".join(value for _, value in issuer)[:_LOOKED_AT]
    return next((product for pattern, product in _PRODUCTS if pattern.search(text)), None)
