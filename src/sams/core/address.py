"""Mailboxes: the addresses of envelopes and headers (RFC 5321 section 4.1.2, RFC 6531 section 3.3)."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import lru_cache

import idna
import msgspec

from sams.core.text import is_visible

MAX_LOCAL_OCTETS = 64
"""RFC 5321 section 4.5.3.1.1."""
MAX_DOMAIN_OCTETS = 255
"""RFC 5321 section 4.5.3.1.2."""
MAX_MAILBOX_OCTETS = 254
"""RFC 5321 section 4.5.3.1.3: a path has 256 octets, two of them its angle brackets."""

_MAX_LABEL = 63
"""Octets of a label in DNS."""
_LEAST_ADDED = 6
"""By how many octets an A-label is longer, at the least, than its U-label has characters: by `xn--`, and because the
first character beyond ASCII takes three digits of Punycode."""
_REMEMBERED = 1_024
"""Internationalised domain names whose A-labels are kept: to make them costs half a millisecond."""

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010FFFF]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*\Z")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\U0010FFFF]|\\[\x20-\x7e])*)"\Z')
PLAIN_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++(?>(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++)*)"
"""A regular expression for nearly every local part: a dot-string in ASCII; its length is not looked at."""
PLAIN_DOMAIN = r"[A-Za-z0-9]++(?>(?:[.-][A-Za-z0-9]++)*)"
"""The same for a domain name; a label's length is not looked at."""
MAX_PLAIN = 63
"""Octets of a plain local part and of a plain domain that are allowed beyond doubt; the long way knows more."""
_PLAIN = re.compile(rf"({PLAIN_LOCAL})@({PLAIN_DOMAIN})\Z")
_ESCAPED = re.compile(r"\\(.)")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\Z")


class AddressError(ValueError):
    """The text is no mailbox. The message says why, in words for the person who wrote it."""


class Mailbox(msgspec.Struct, frozen=True, gc=False):
    """One mailbox, `local@domain`.

    local: the local part as it is meant, without quotes or escapes.
    domain: a domain name, or an address literal with its brackets, as it was written.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        """The mailbox as SMTP and headers write it, the local part quoted where it must be."""
        local = self.local
        if local.isalnum() or _DOT_STRING.match(local):
            return f"{local}@{self.domain}"
        return f"{quote_local(local)}@{self.domain}"

    def __bytes__(self) -> bytes:
        return str(self).encode()

    @property
    def is_ascii(self) -> bool:
        """Whether a server without SMTPUTF8 can be given this mailbox."""
        return self.local.isascii() and self.domain.isascii()

    @property
    def key(self) -> str:
        """What two spellings of one mailbox have in common: in lower case and NFC, the domain as A-labels.

        Case is not folded: that would make one mailbox of `straße` and `strasse`, who may be two people.
        """
        local, domain = self.local.lower(), self.domain
        if not local.isascii():
            local = unicodedata.normalize("NFC", local)
        return f"{local}@{domain.lower() if domain.isascii() else domain_key(domain)}"


def parse_mailbox(text: str) -> Mailbox:
    """Parse `local@domain` (RFC 5321 Mailbox, with RFC 6531's UTF-8).

    Raises:
        AddressError: the text is no mailbox, or longer than RFC 5321 section 4.5.3.1 allows.
    """
    plain = _PLAIN.match(text)
    if plain is not None:  # nearly every address; the long way below says what is wrong
        name, host = plain.groups()
        if len(name) <= MAX_PLAIN and len(host) <= MAX_PLAIN:
            return Mailbox(name, host)
    local, at, domain = text.rpartition("@")
    if domain.endswith("]"):
        local, at, domain = _split_literal(text)
    if not at or not local:
        raise AddressError("an address has the form name@domain")
    mailbox = Mailbox(_parse_local(local), parse_domain(domain))
    if len(text.encode("utf-8", "surrogatepass")) > MAX_MAILBOX_OCTETS:
        raise AddressError(f"the address is longer than {MAX_MAILBOX_OCTETS} octets")
    return mailbox


def parse_domain(text: str) -> str:
    """Check a domain name (A-labels or U-labels) or an address literal, and return it as it was written.

    Raises:
        AddressError: it is neither.
    """
    if text.startswith("["):
        return _checked_literal(text)
    if not 0 < len(text.encode("utf-8", "surrogatepass")) <= MAX_DOMAIN_OCTETS:
        raise AddressError(f"a domain has 1 to {MAX_DOMAIN_OCTETS} octets")
    if text.isascii():
        if not all(len(label) <= 63 and _LABEL.match(label) for label in text.split(".")):
            raise AddressError("the domain has a character or an empty part that no domain name may have")
        return text
    _to_ascii(text)
    return text


def domain_key(domain: str) -> str:
    """The form in which two spellings of a domain are compared: lower case A-labels."""
    return domain.lower() if domain.isascii() else _to_ascii(domain)


def quote_local(local: str) -> str:
    """A local part as it is written: bare where it is a dot-string, else quoted."""
    if _DOT_STRING.match(local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _split_literal(text: str) -> tuple[str, str, str]:
    start = text.rfind("@[")
    return (text[:start], "@", text[start + 1 :]) if start >= 0 else ("", "", text)


def _parse_local(text: str) -> str:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_LOCAL_OCTETS:
        raise AddressError(f"the part before the @ is longer than {MAX_LOCAL_OCTETS} octets")
    if not is_visible(text):
        raise AddressError("the part before the @ has a control or invisible character")
    if _DOT_STRING.match(text):
        return text
    quoted = _QUOTED.match(text)
    if quoted is None:
        raise AddressError("the part before the @ has a character that needs quotes")
    return _ESCAPED.sub(r"\1", quoted[1])


def _checked_literal(text: str) -> str:
    """RFC 5321 section 4.1.3; General-address-literal names no standardised tag yet, so none is taken."""
    inner = text[1:-1]
    try:
        if inner[:5].upper() == "IPV6:":
            ipaddress.IPv6Address(inner[5:])
        else:
            ipaddress.IPv4Address(inner)
    except ValueError:
        raise AddressError("an address literal has the form [192.0.2.1] or [IPv6:2001:db8::1]") from None
    if not text.endswith("]") or "%" in text:
        raise AddressError("an address literal ends with ]")
    return text


def _to_ascii(domain: str) -> str:
    encoded = _a_labels(domain) if len(domain) <= MAX_DOMAIN_OCTETS else ""
    if not encoded:
        raise AddressError("the domain is not a valid internationalised domain name")
    if encoded.endswith("."):  # of an ideographic full stop: another spelling that no route or account has
        raise AddressError("the domain ends with a dot")
    return encoded


@lru_cache(_REMEMBERED)
def _a_labels(domain: str) -> str:
    """The domain's A-labels in lower case (IDNA 2008, UTS #46); nothing where it has none, which is kept as well."""
    try:
        mapped = idna.uts46_remap(domain, std3_rules=False)
        return idna.encode(mapped).decode("ascii").lower() if _may_fit(mapped) else ""
    except idna.IDNAError:
        return ""


def _may_fit(mapped: str) -> bool:
    """Whether the A-labels may be short enough: told by counting, for to make them is what takes time."""
    labels = mapped.split(".")
    octets = [len(label) + (0 if label.isascii() else _LEAST_ADDED) for label in labels]
    return max(octets) <= _MAX_LABEL and sum(octets) + len(labels) - 1 <= MAX_DOMAIN_OCTETS
