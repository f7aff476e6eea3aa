"""How logins and passwords are prepared to be compared (RFC 8265), and which spellings are one login.

A login is what the administrator added. Members often type their address instead: a login without `@` is also
taken with `@` and one of the accounts' domains behind it, so that `alice` and `Alice@example.ac.uk` are one
account, and one line in the guard's books.
"""

from __future__ import annotations

from collections.abc import Iterable

from precis_i18n import get_profile

from sams.core.address import AddressError, domain_key
from sams.protocol.sasl.interface import MAX_PASSWORD_OCTETS

MAX_LOGIN_OCTETS = 254
"""Of a prepared login: as long as an address may be."""

_LOGINS = get_profile("UsernameCaseMapped")
_PASSWORDS = get_profile("OpaqueString")


class UnpreparableError(ValueError):
    """The text is no login or no password by RFC 8265. The message says why, and never what it was."""


def prepare_login(text: str) -> str:
    """The form in which logins are stored and compared (RFC 8265 section 3.3, UsernameCaseMapped).

    Raises:
        UnpreparableError: it is empty, too long, or has a character that no login may have.
    """
    if len(text) > MAX_LOGIN_OCTETS:
        raise UnpreparableError(f"a login has at most {MAX_LOGIN_OCTETS} octets")
    if text.isascii() and text.isprintable() and text and " " not in text:
        return text.lower()  # all that the profile does to ASCII, at a tenth of its cost
    try:
        prepared = str(_LOGINS.enforce(text))
    except UnicodeError:
        raise UnpreparableError(
            "a login is not empty and has no spaces, control or compatibility characters"
        ) from None
    if len(prepared.encode()) > MAX_LOGIN_OCTETS:
        raise UnpreparableError(f"a login has at most {MAX_LOGIN_OCTETS} octets")
    return prepared


def prepare_password(text: str) -> str:
    """The form in which passwords are hashed (RFC 8265 section 4.2, OpaqueString).

    Raises:
        UnpreparableError: it is empty, longer than `MAX_PASSWORD_OCTETS`, or has a control character.
    """
    if text.isascii() and text.isprintable() and 0 < len(text) <= MAX_PASSWORD_OCTETS:
        return text
    if not text:
        raise UnpreparableError("the password is empty")
    if is_too_long(text):
        raise UnpreparableError(f"a password has at most {MAX_PASSWORD_OCTETS} octets")
    try:
        return str(_PASSWORDS.enforce(text))
    except UnicodeError:
        raise UnpreparableError(
            "the password has a control character or an invisible one: use letters, digits, signs and spaces"
        ) from None


def is_too_long(password: str) -> bool:
    """Whether a password is refused before anything else is done with it (docs/security.md decision 7)."""
    return (
        len(password) > MAX_PASSWORD_OCTETS or len(password.encode("utf-8", "replace")) > MAX_PASSWORD_OCTETS
    )


class LoginForms:
    """Knows which domains may stand behind a login without changing who it is.

    domains: `[accounts] domains`.
    """

    __slots__ = ("_domains",)

    def __init__(self, domains: Iterable[str]) -> None:
        self._domains = frozenset(domain_key(domain) for domain in domains)

    def bare(self, login: str) -> str:
        """The prepared login without an accounts' domain; unchanged where it has another one or none."""
        name, at, domain = login.rpartition("@")
        return name if at and name and (domain in self._domains or self._is_ours(domain)) else login

    def _is_ours(self, domain: str) -> bool:
        try:
            return domain_key(domain) in self._domains
        except AddressError:
            return False
